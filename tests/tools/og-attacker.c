/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a hostile program in a workload does, for tests/e2e/test_attacks_*.py. Static, so that it
 * runs in any root. Each attack prints what it reached, a line each; nothing where it was stopped.
 *
 *	overwrite TRIES		the file of a strange program that runs here, through /proc (A1)
 *	peek EXES		into processes whose program has none of these names (A17)
 *	flip A B		exchanges two names until it is killed (A10)
 *	terminal		pushes input into the terminal (A20)
 *	calls			tries system calls that nobody here should have (A23)
 *	disks			makes and reads devices of the host (A24)
 *	fork N, memory MIB, descriptors N, inodes DIR N		takes that much and says how much (A25)
 *	open r|w PATH...	which of these can be opened (A26)
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/bpf.h>
#include <linux/fs.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef TIOCLINUX
#define TIOCLINUX 0x541C
#endif

/* The next process after *@pid that is not this one, or 0. */
static pid_t next_process(DIR *proc)
{
	for (struct dirent *entry; (entry = readdir(proc)) != NULL;) {
		pid_t pid = atoi(entry->d_name);

		if (pid > 0 && pid != getpid())
			return pid;
	}
	return 0;
}

/* What /proc/PID/@name leads to; "" where that cannot be read. */
static const char *link_of(pid_t pid, const char *name, char target[PATH_MAX])
{
	char path[300];
	ssize_t len;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	len = readlink(path, target, PATH_MAX - 1);
	target[len > 0 ? len : 0] = '\0';
	return target;
}

static bool is_named(const char *target, char *const *names)
{
	for (; *names != NULL; names++) {
		if (strcmp(target, *names) == 0)
			return true;
	}
	return false;
}

/* ---- A1 ---- */

static int hold_stranger(void)
{
	char *const ours[] = { (char[]){ "/bin/busybox" }, (char[]){ "/attacker" }, NULL };
	char target[PATH_MAX];
	char path[32];

	for (;;) {
		DIR *proc = opendir("/proc");

		for (pid_t pid; (pid = next_process(proc)) != 0;) {
			int fd;

			if (*link_of(pid, "exe", target) == '\0' || is_named(target, ours))
				continue;
			(void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
			fd = open(path, O_RDONLY);
			if (fd < 0)
				continue;
			(void)kill(pid, SIGKILL);
			while (kill(pid, 0) == 0)
				(void)usleep(1000);
			(void)closedir(proc);
			return fd;
		}
		(void)closedir(proc);
	}
}

/* While anything runs from the file, it is busy, which says nothing about the next moment. */
static int overwrite(char **words)
{
	int held_fd = hold_stranger();
	int left = atoi(words[0]);
	char path[40];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", held_fd);
	while (left > 0) {
		int fd = open(path, O_WRONLY);

		if (fd >= 0 && write(fd, "gotcha", 6) == 6) {
			printf("written\n");
			return 0;
		}
		if (errno == ETXTBSY)
			(void)usleep(1000);
		else
			left--;
	}
	fprintf(stderr, "%s\n", strerror(errno));
	return 0;
}

/* ---- A17 ---- */

static void peek_at(pid_t pid, char **ours)
{
	char target[PATH_MAX];
	char path[40];
	DIR *fds;

	if (*link_of(pid, "exe", target) == '\0' || is_named(target, ours))
		return;
	printf("exe %s\n", target);
	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	fds = opendir(path);
	for (struct dirent *entry; fds != NULL && (entry = readdir(fds)) != NULL;)
		printf("fd %s\n", entry->d_name);
	if (fds != NULL)
		(void)closedir(fds);
	if (ptrace(PTRACE_SEIZE, pid, 0, 0) == 0)
		printf("traced\n");
	exit(0); /* and let go of it */
}

static int peek(char **words)
{
	for (;;) {
		DIR *proc = opendir("/proc");

		for (pid_t pid; (pid = next_process(proc)) != 0;)
			peek_at(pid, words);
		(void)closedir(proc);
	}
	return 0;
}

/* ---- A10 ---- */

static int flip(char **words)
{
	for (;;) {
		(void)syscall(SYS_renameat2, AT_FDCWD, words[0], AT_FDCWD, words[1],
			      RENAME_EXCHANGE);
		(void)usleep(20); /* each rename slows down every look-up on the machine */
	}
	return 0;
}

/* ---- A20 ---- */

static int terminal(char **words)
{
	int fd = open("/dev/tty", O_RDWR);
	char paste = 3;

	(void)words;
	if (fd >= 0)
		printf("opened\n");
	if (ioctl(0, TIOCSTI, "x") == 0 || (fd >= 0 && ioctl(fd, TIOCSTI, "x") == 0))
		printf("pushed\n");
	if (ioctl(0, TIOCLINUX, &paste) == 0)
		printf("pasted\n");
	return 0;
}

/* ---- A23 ---- */

/* With arguments that do nothing, but get further than a filter. */
static const struct {
	const char *name;
	long number;
	long arguments[5];
} calls_table[] = {
	{ "keyctl", SYS_keyctl, { KEYCTL_GET_KEYRING_ID, -3, 0 } },
	{ "add_key", SYS_add_key, { 0 } },
	{ "request_key", SYS_request_key, { 0 } },
	{ "bpf", SYS_bpf, { BPF_MAP_CREATE, 0, 0 } },
	{ "io_uring_setup", SYS_io_uring_setup, { 0, 0 } },
	{ "io_uring_enter", SYS_io_uring_enter, { -1 } },
	{ "io_uring_register", SYS_io_uring_register, { -1 } },
	{ "userfaultfd", SYS_userfaultfd, { 1 } },
	{ "perf_event_open", SYS_perf_event_open, { 0 } },
	{ "unshare(user)", SYS_unshare, { CLONE_NEWUSER } },
	{ "unshare(mount)", SYS_unshare, { CLONE_NEWNS } },
	{ "clone(user)", SYS_clone, { CLONE_NEWUSER | SIGCHLD } },
	{ "clone3", SYS_clone3, { 0, 0 } },
	{ "setns", SYS_setns, { -1, 0 } },
	{ "mount", SYS_mount, { 0 } },
	{ "umount2", SYS_umount2, { 0 } },
	{ "pivot_root", SYS_pivot_root, { 0 } },
	{ "open_tree", SYS_open_tree, { -1, 0, 0 } },
	{ "move_mount", SYS_move_mount, { -1, 0, -1, 0, 0 } },
	{ "fsopen", SYS_fsopen, { 0 } },
	{ "fsmount", SYS_fsmount, { -1 } },
	{ "fsconfig", SYS_fsconfig, { -1 } },
	{ "fspick", SYS_fspick, { -1, 0 } },
	{ "mount_setattr", SYS_mount_setattr, { -1, 0 } },
	{ "init_module", SYS_init_module, { 0 } },
	{ "finit_module", SYS_finit_module, { -1 } },
	{ "delete_module", SYS_delete_module, { 0 } },
	{ "kexec_load", SYS_kexec_load, { 0, 99, 0, -1 } },
	{ "kexec_file_load", SYS_kexec_file_load, { -1, -1, 0, 0, -1 } },
	{ "reboot", SYS_reboot, { 0 } },
	{ "swapon", SYS_swapon, { 0 } },
	{ "swapoff", SYS_swapoff, { 0 } },
	{ "acct", SYS_acct, { -1 } },
	{ "quotactl", SYS_quotactl, { -1 } },
	{ "settimeofday", SYS_settimeofday, { 1 } },
	{ "clock_settime", SYS_clock_settime, { 99 } },
	{ "open_by_handle_at", SYS_open_by_handle_at, { -1, 0 } },
	{ "syslog", SYS_syslog, { 99 } },
	{ "vhangup", SYS_vhangup, { 0 } },
	{ "mbind", SYS_mbind, { 1 } },
	{ "move_pages", SYS_move_pages, { 0, 1, 0, 0, 0 } },
	{ "set_mempolicy", SYS_set_mempolicy, { 99 } },
	{ "kcmp", SYS_kcmp, { -1, -1, 99 } },
	{ "personality", SYS_personality, { 0x0040000 } }, /* ADDR_NO_RANDOMIZE */
#if defined(__x86_64__)
	{ "iopl", SYS_iopl, { 4 } },
	{ "ioperm", SYS_ioperm, { -1, 1, 1 } },
	{ "uselib", SYS_uselib, { 0 } },
	{ "getpid(x32)", SYS_getpid | 0x40000000, { 0 } },
#endif
};

static int calls(char **words)
{
	(void)words;
	for (size_t i = 0; i < sizeof(calls_table) / sizeof(calls_table[0]); i++) {
		const long *a = calls_table[i].arguments;
		pid_t pid = fork(); /* none of them may change what the next one finds */
		int status;

		if (pid == 0) {
			pid_t self = getpid();
			long r = syscall(calls_table[i].number, a[0], a[1], a[2], a[3], a[4]);

			if (r == 0 && getpid() != self)
				_exit(0); /* the clone */
			_exit(r < 0 && (errno == EPERM || errno == ENOSYS) ? 0 : 1);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			return 1;
		if (WIFEXITED(status) && WEXITSTATUS(status) != 0) /* and not killed for asking */
			printf("%s\n", calls_table[i].name);
	}
	return 0;
}

/* ---- A24 ---- */

static void try_device(const char *what, mode_t type, dev_t device)
{
	int fd;

	(void)unlink("/tmp/node");
	if (mknod("/tmp/node", type | 0600, device) < 0)
		return;
	fd = open("/tmp/node", O_RDONLY | O_NONBLOCK);
	if (fd >= 0)
		printf("%s\n", what);
	(void)close(fd);
	(void)unlink("/tmp/node");
}

static int disks(char **words)
{
	FILE *list = fopen("/proc/partitions", "r");
	char line[200];
	char name[64];
	unsigned int major, minor;

	(void)words;
	try_device("kmsg", S_IFCHR, makedev(1, 11));
	try_device("port", S_IFCHR, makedev(1, 4));
	try_device("console", S_IFCHR, makedev(5, 1));
	while (list != NULL && fgets(line, sizeof(line), list) != NULL) {
		if (sscanf(line, "%u %u %*u %63s", &major, &minor, name) == 3)
			try_device(name, S_IFBLK, makedev(major, minor));
	}
	return 0;
}

/* ---- A25 ---- */

static int take_processes(char **words)
{
	int count = 0;

	while (count < atoi(words[0])) {
		pid_t pid = fork();

		if (pid == 0) {
			(void)pause();
			_exit(0);
		}
		if (pid < 0)
			break;
		count++;
	}
	printf("%d\n", count);
	fflush(stdout);
	(void)sleep(1); /* for others to see whether the machine still answers */
	return 0;
}

static int take_memory(char **words)
{
	for (int i = 1; i <= atoi(words[0]); i++) {
		char *piece = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (piece == MAP_FAILED)
			break;
		memset(piece, i, 1 << 20);
		printf("%d\n", i);
		fflush(stdout);
	}
	return 0;
}

static int take_descriptors(char **words)
{
	int count = 0;

	while (count < atoi(words[0]) && dup(1) >= 0)
		count++;
	printf("%d\n", count);
	return 0;
}

static int take_inodes(char **words)
{
	char path[PATH_MAX];
	int count = 0;

	while (count < atoi(words[1])) {
		int fd;

		(void)snprintf(path, sizeof(path), "%s/%d", words[0], count);
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
		if (fd < 0)
			break;
		(void)close(fd);
		count++;
	}
	printf("%d\n", count);
	return 0;
}

/* ---- A26 ---- */

static int open_all(char **words)
{
	int flags = words[0][0] == 'w' ? O_WRONLY : O_RDONLY;

	for (words++; *words != NULL; words++) {
		int fd = open(*words, flags | O_NONBLOCK);
		char byte;
		struct stat st;
		bool reached = fd >= 0;

		/* What is empty shows nothing. */
		if (fd >= 0 && flags == O_RDONLY && fstat(fd, &st) == 0) {
			DIR *dir = S_ISDIR(st.st_mode) ? fdopendir(fd) : NULL;
			struct dirent *entry = dir != NULL ? readdir(dir) : NULL;

			while (entry != NULL && entry->d_name[0] == '.')
				entry = readdir(dir);
			reached = dir != NULL ? entry != NULL : read(fd, &byte, 1) == 1;
		}
		if (reached)
			printf("%s\n", *words);
	}
	return 0;
}

static const struct {
	const char *name;
	int words;
	int (*run)(char **words);
} attacks[] = {
	{ "overwrite", 1, overwrite },
	{ "peek", 1, peek },
	{ "flip", 2, flip },
	{ "terminal", 0, terminal },
	{ "calls", 0, calls },
	{ "disks", 0, disks },
	{ "fork", 1, take_processes },
	{ "memory", 1, take_memory },
	{ "descriptors", 1, take_descriptors },
	{ "inodes", 2, take_inodes },
	{ "open", 2, open_all },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(attacks) / sizeof(attacks[0]); i++) {
		if (strcmp(attacks[i].name, argv[1]) == 0 && argc - 2 >= attacks[i].words)
			return attacks[i].run(argv + 2);
	}
	fprintf(stderr, "og-attacker: no such attack\n");
	return 2;
}
