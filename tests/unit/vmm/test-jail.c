/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/test.h"

/* What someone would do first who has taken the process over. */
static void try_execve(void)
{
	char *const none[] = { NULL };

	(void)execve("/nonexistent", none, none); /* what exists would end by its own calls */
}

static void try_open(void)
{
	(void)open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}

static void try_socket(void)
{
	(void)socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void try_ptrace(void)
{
	(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static void try_fork(void)
{
	(void)fork();
}

static void try_mprotect(void)
{
	static char page[4096] __attribute__((aligned(4096)));

	(void)mprotect(page, sizeof(page), PROT_READ | PROT_WRITE | PROT_EXEC);
}

static void try_mmap(void)
{
	(void)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void try_kill(void)
{
	(void)kill(1, 0);
}

static void try_ioctl(void)
{
	(void)ioctl(0, KVM_SET_SREGS, NULL);
}

static void try_prctl(void)
{
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static void try_madvise(void)
{
	(void)madvise(NULL, 0, MADV_DODUMP);
}

static void try_32bit(void)
{
	long result;

	/* exit(0) of the 32-bit table; by number it would be write(), which is allowed */
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(1), "b"(0) : "memory");
}

static void (*const attempts[])(void) = {
	try_execve, try_open, try_socket, try_ptrace, try_fork,	   try_mprotect,
	try_mmap,   try_kill, try_ioctl,  try_prctl,  try_madvise, try_32bit,
};

/* Which signal ends a confined child that makes this attempt; 0 when it lives. */
static int ends_by(int (*jail)(struct og_err *err), void (*attempt)(void))
{
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (pid == 0) {
		if (og_jail_prepare(NULL) < 0 || jail(NULL) < 0)
			_exit(99);
		attempt();
		(void)syscall(SYS_exit_group, 0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(!WIFEXITED(status) || WEXITSTATUS(status) == 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* A80 */
TEST(a_vcpu_that_was_taken_over_can_do_nothing_else)
{
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
		CHECK_EQ(ends_by(og_jail_vcpu, attempts[i]), SIGSYS);
}

static void try_large_file(void)
{
	const struct rlimit limit = { 4096, 4096 };
	int fd = memfd_create("large", MFD_CLOEXEC);

	CHECK(fd >= 0);
	CHECK_OK(setrlimit(RLIMIT_FSIZE, &limit));
	CHECK_EQ(pwrite(fd, "x", 1, 8192), -1);
	CHECK_EQ(errno, EFBIG);
}

static int jail_nothing(struct og_err *err)
{
	(void)err;
	return 0;
}

TEST(a_file_that_may_not_grow_ends_no_process)
{
	CHECK_EQ(ends_by(jail_nothing, try_large_file), 0);
}

static int jail_io(struct og_err *err)
{
	return og_jail_io(0, err);
}

static int jail_io_saving(struct og_err *err)
{
	return og_jail_io(OG_JAIL_SNAPSHOTS, err);
}

/* A80 */
TEST(an_io_thread_that_was_taken_over_can_do_nothing_else)
{
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		CHECK_EQ(ends_by(jail_io, attempts[i]), SIGSYS);
		CHECK_EQ(ends_by(jail_io_saving, attempts[i]), SIGSYS);
	}
}

/* By any number, with arguments that nothing takes. */
static int front_ends_by(int (*jail)(struct og_err *err), long call, long first, long third)
{
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (pid == 0) {
		if (jail(NULL) < 0)
			_exit(99);
		(void)syscall(call, first, -1L, third, -1L, -1L, -1L);
		(void)syscall(SYS_exit_group, 0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(!WIFEXITED(status) || WEXITSTATUS(status) == 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* A80 */
TEST(a_front_that_was_taken_over_runs_no_program_and_reaches_nobody)
{
	static const long forbidden[] = {
		SYS_execve,
		SYS_execveat,
		SYS_ptrace,
		SYS_process_vm_readv,
		SYS_pidfd_getfd,
		SYS_bpf,
		SYS_perf_event_open,
		SYS_init_module,
		SYS_finit_module,
		SYS_kexec_load,
		SYS_kexec_file_load,
		SYS_add_key,
		SYS_request_key,
		SYS_keyctl,
		SYS_process_vm_writev,
		0x40000000 | SYS_getpid,
	};
	static const long neighbours[] = {
		SYS_connect, SYS_getuid, SYS_mq_getsetattr, SYS_waitid,	      SYS_ioprio_set,
		SYS_kcmp,    SYS_getcpu, SYS_sched_setattr, SYS_memfd_create, SYS_userfaultfd,
		SYS_openat2, SYS_mount,	 SYS_unshare,	    SYS_faccessat2,   SYS_rt_tgsigqueueinfo,
	};
	const long exec[] = { SYS_mmap, SYS_mprotect, SYS_pkey_mprotect };

#ifdef __SANITIZE_ADDRESS__
	exit(TEST_SKIP_STATUS); /* og_jail_front() does nothing then */
#endif
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
		CHECK_EQ(front_ends_by(og_jail_front, forbidden[i], -1, -1), SIGSYS);
	for (size_t i = 0; i < sizeof(neighbours) / sizeof(neighbours[0]); i++)
		CHECK_EQ(front_ends_by(og_jail_front, neighbours[i], -1, -1), 0);
	for (size_t i = 0; i < sizeof(exec) / sizeof(exec[0]); i++) {
		CHECK_EQ(front_ends_by(og_jail_front, exec[i], -1, PROT_EXEC), SIGSYS);
		CHECK_EQ(front_ends_by(og_jail_front, exec[i], -1, PROT_READ | PROT_WRITE), 0);
	}
	CHECK_EQ(front_ends_by(og_jail_front, SYS_socket, AF_INET, 0), SIGSYS);
	CHECK_EQ(front_ends_by(og_jail_front, SYS_socket, AF_UNIX, 0), 0);
}

/* A80 */
TEST(a_front_whose_machine_runs_starts_nothing_more)
{
	static const long forbidden[] = { SYS_execve,  SYS_ptrace, SYS_mount,  SYS_unshare,
					  SYS_setuid,  SYS_prctl,  SYS_setns,  SYS_pivot_root,
					  SYS_seccomp, SYS_capset, SYS_chroot, SYS_clone3 };
	static const long allowed[] = { SYS_openat, SYS_recvfrom, SYS_sendmsg, SYS_connect,
					SYS_write };

#ifdef __SANITIZE_ADDRESS__
	exit(TEST_SKIP_STATUS); /* og_jail_front() does nothing then */
#endif
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
		CHECK_EQ(front_ends_by(og_jail_front_running, forbidden[i], -1, -1), SIGSYS);
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		CHECK_EQ(front_ends_by(og_jail_front_running, allowed[i], -1, -1), 0);
	CHECK_EQ(front_ends_by(og_jail_front_running, SYS_clone, CLONE_NEWUSER | SIGCHLD, 0),
		 SIGSYS);
	CHECK_EQ(front_ends_by(og_jail_front_running, SYS_socket, AF_INET, 0), SIGSYS);
}

static void run_vcpu(void)
{
	(void)syscall(SYS_ioctl, 0, KVM_RUN, 0); /* the sanitizers would do more */
}

static void signal_event(void)
{
	uint64_t one = 1;

	(void)syscall(SYS_write, 1, &one, 0);
}

TEST(what_the_work_takes_is_allowed)
{
	CHECK_EQ(ends_by(og_jail_vcpu, run_vcpu), 0);
	CHECK_EQ(ends_by(og_jail_vcpu, signal_event), 0);
	CHECK_EQ(ends_by(jail_io, signal_event), 0);
	CHECK_EQ(ends_by(jail_io, run_vcpu), SIGSYS);
}

static void *confined_thread(void *arg)
{
	CHECK_OK(og_jail_vcpu(arg));
	return NULL;
}

TEST(a_thread_is_confined_alone_and_can_end)
{
	struct og_err err = {};
	pthread_t thread;

#ifdef __SANITIZE_ADDRESS__
	exit(TEST_SKIP_STATUS); /* it makes system calls of its own when a thread ends */
#endif
	CHECK_OK(og_jail_prepare(&err));
	CHECK_OK(pthread_create(&thread, NULL, confined_thread, &err));
	CHECK_OK(pthread_join(thread, NULL));
	CHECK(getppid() > 0); /* this one is not */
}

/* A81 */
TEST(the_process_cannot_be_dumped_or_gain_privileges)
{
	struct rlimit limit;

	CHECK_OK(og_jail_prepare(NULL));
	CHECK_EQ(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
	CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	CHECK_OK(getrlimit(RLIMIT_CORE, &limit));
	CHECK_EQ(limit.rlim_max, 0);
}

TEST_MAIN(TEST_ENTRY(a_vcpu_that_was_taken_over_can_do_nothing_else),
	  TEST_ENTRY(a_file_that_may_not_grow_ends_no_process),
	  TEST_ENTRY(an_io_thread_that_was_taken_over_can_do_nothing_else),
	  TEST_ENTRY(a_front_that_was_taken_over_runs_no_program_and_reaches_nobody),
	  TEST_ENTRY(a_front_whose_machine_runs_starts_nothing_more),
	  TEST_ENTRY(what_the_work_takes_is_allowed),
	  TEST_ENTRY(a_thread_is_confined_alone_and_can_end),
	  TEST_ENTRY(the_process_cannot_be_dumped_or_gain_privileges))
