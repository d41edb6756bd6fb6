/* SPDX-License-Identifier: Apache-2.0 */
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "client/terminal.h"

enum {
	WATCH_CHILD,
	WATCH_SIGNALS,
	WATCH_KEYS,
	WATCHED
};

struct watch {
	pid_t pid;
	int pid_fd, signal_fd;
	int keys_fd; /* the machine's standard input; negative: it has ours */
	int ended_by;
};

/* Between fork and exec. @input_fd: negative, or what becomes its standard input. */
__attribute__((noreturn)) static void
become(const struct vm_machine *machine, const struct og_words *command, pid_t parent, int input_fd)
{
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent ||
	    (input_fd >= 0 && dup2(input_fd, STDIN_FILENO) < 0))
		_exit(127);
	vm_machine_let_inherit(machine);
	(void)execv(command->items[0], (char *const *)(void *)command->items);
	(void)dprintf(STDERR_FILENO, "onggi: run '%s': %s\n", command->items[0],
		      strerrordesc_np(errno));
	_exit(127);
}

static int start(struct watch *watch, const struct vm_machine *machine,
		 const struct og_words *command, struct og_err *err)
{
	pid_t parent = getpid();
	int keys[2] = { -EBADF, -EBADF };

	if (isatty(STDIN_FILENO) && pipe2(keys, O_CLOEXEC) < 0)
		return og_fail(err, -errno, "make a pipe");
	watch->pid = fork();
	if (watch->pid == 0)
		become(machine, command, parent, keys[0]);
	(void)og_close(keys[0]);
	watch->keys_fd = keys[1];
	if (watch->keys_fd >= 0)
		(void)fcntl(watch->keys_fd, F_SETFL, O_NONBLOCK);
	if (watch->pid < 0)
		return og_fail(err, -errno, "start '%s'", command->items[0]);
	watch->pid_fd = (int)syscall(SYS_pidfd_open, watch->pid, 0);
	return watch->pid_fd < 0 ? og_fail(err, -errno, "watch '%s'", command->items[0]) : 0;
}

static void end(struct watch *watch, int signal)
{
	watch->ended_by = signal;
	(void)kill(watch->pid, SIGKILL);
}

/* What a machine does not read in time is lost, as on a serial line. */
static void pass_keys(struct watch *watch)
{
	char keys[256];
	ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));

	if (n > 0 && memchr(keys, VM_ESCAPE, (size_t)n) != NULL)
		end(watch, SIGINT);
	else if (n > 0)
		(void)!write(watch->keys_fd, keys, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR)) /* nobody will type any more */
		watch->keys_fd = og_close(watch->keys_fd);
}

static void take_signal(struct watch *watch)
{
	struct signalfd_siginfo info;

	if (read(watch->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		end(watch, (int)info.ssi_signo);
}

static void wait_for_end(struct watch *watch)
{
	for (;;) {
		struct pollfd fds[WATCHED] = {
			[WATCH_CHILD] = { .fd = watch->pid_fd, .events = POLLIN },
			[WATCH_SIGNALS] = { .fd = watch->signal_fd, .events = POLLIN },
			[WATCH_KEYS] = { .fd = watch->keys_fd >= 0 ? STDIN_FILENO : -1,
					 .events = POLLIN },
		};

		if (poll(fds, WATCHED, -1) < 0)
			continue;
		if (fds[WATCH_CHILD].revents != 0)
			return;
		if (fds[WATCH_SIGNALS].revents != 0)
			take_signal(watch);
		if (fds[WATCH_KEYS].revents != 0)
			pass_keys(watch);
	}
}

static int status_of(const struct watch *watch)
{
	int status = 0;

	while (waitpid(watch->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (watch->ended_by != 0)
		return 128 + watch->ended_by;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int vm_watch(const struct vm_machine *machine, const struct og_words *command, struct og_err *err)
{
	og_cleanup(og_terminal_restore) struct og_terminal terminal = {};
	struct watch watch = { .keys_fd = -EBADF, .pid_fd = -EBADF };
	sigset_t set;
	int r;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	watch.signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (watch.signal_fd < 0)
		return og_fail(err, -errno, "watch for signals");
	r = isatty(STDIN_FILENO) ? og_terminal_make_raw(&terminal, STDIN_FILENO, err) : 0;
	if (r == 0)
		r = start(&watch, machine, command, err);
	if (r == 0) {
		wait_for_end(&watch);
		r = status_of(&watch);
	}
	(void)og_close(watch.signal_fd);
	(void)og_close(watch.pid_fd);
	(void)og_close(watch.keys_fd);
	return r;
}
