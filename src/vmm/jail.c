/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/jail.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/io_uring.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/weak.h"
#include "vmm/jail_filter.h"

#define ANY	  OG_JAIL_ANY
#define NOT_THERE OG_JAIL_NOT_THERE

/* Served by both kinds of thread: locks, waking others, coming back from a signal, ending. */
#define RULES_SHARED                                                                     \
	{ SYS_write, ANY, 0 }, { SYS_futex, ANY, 0 }, { SYS_rt_sigreturn, ANY, 0 },      \
		{ SYS_rt_sigprocmask, ANY, 0 }, { SYS_madvise, 2, MADV_DONTNEED_VALUE }, \
		{ SYS_exit, ANY, 0 },                                                    \
	{                                                                                \
		SYS_exit_group, ANY, 0                                                   \
	}

/* Its value, without sys/mman.h's others: a thread that ends gives its stack back. */
#define MADV_DONTNEED_VALUE 4
#define MADV_FREE_VALUE	    8
#define MADV_REMOVE_VALUE   9
#define MADV_RANDOM_VALUE   1
#define MADV_DONTFORK_VALUE 10
#define MADV_DONTDUMP_VALUE 16
#define MADV_COLLAPSE_VALUE 25
#define READ_VALUE	    1
#define READ_WRITE_VALUE    3 /* never to be executed */
#define EXECUTE_VALUE	    4
#define X32_CALL	    0x40000000U /* the same calls by other numbers */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNCONFINED true /* the sanitizers make system calls of their own */
#else
#define UNCONFINED false
#endif

/* Likewise, of fcntl.h and sys/mman.h. */
#define F_SETFD_VALUE	      2
#define F_DUPFD_CLOEXEC_VALUE 1030

/* Waits for what is in flight when the driver resets a disk, and starts nothing. */
#define RULE_RESET                       \
	{                                \
		SYS_io_uring_enter, 1, 0 \
	}

static const struct og_jail_rule vcpu_rules[] = {
	{ SYS_ioctl, 1, KVM_RUN },
	RULE_RESET,
	{ SYS_clock_gettime, ANY, 0 }, /* of a limited serial port, where it is no vDSO's */
	RULES_SHARED,
};

static const struct og_jail_rule vcpu_pci_rules[] = {
	{ SYS_ioctl, 1, KVM_RUN },
	RULE_RESET,
	{ SYS_ioctl, 1, KVM_IOEVENTFD },
	{ SYS_ioctl, 1, KVM_SET_GSI_ROUTING },
	{ SYS_clock_gettime, ANY, 0 }, /* of firmware's timers, where it is no vDSO's */
	RULES_SHARED,
};

static const struct og_jail_rule io_rules[] = {
	{ SYS_epoll_wait, ANY, 0 },
	{ SYS_epoll_pwait, ANY, 0 }, /* what musl makes of it */
	{ SYS_read, ANY, 0 },
	{ SYS_recvmsg, ANY, 0 },
	{ SYS_sendmsg, ANY, 0 },
	{ SYS_preadv, ANY, 0 },
	{ SYS_pwritev, ANY, 0 },
	{ SYS_fdatasync, ANY, 0 },
	/* Of rings that were bound to one file and to reading and writing it (block/ring.h). */
	{ SYS_io_uring_enter, ANY, 0 },
	{ SYS_io_uring_register, 1, IORING_REGISTER_FILES_UPDATE },
	{ SYS_fallocate, ANY, 0 },
	{ SYS_getrandom, ANY, 0 },
	{ SYS_epoll_ctl, ANY, 0 },
	{ SYS_timerfd_settime, ANY, 0 },
	{ SYS_readv, ANY, 0 },		 /* frames of a tap */
	{ SYS_ioctl, 1, TUNSETOFFLOAD }, /* which, by what the driver understands */
	{ SYS_clock_gettime, ANY, 0 },	 /* where the vDSO cannot read the clock itself */
	/* Programs that connect for vsock; deadlines. */
	{ SYS_accept4, ANY, 0 },
	{ SYS_shutdown, ANY, 0 },
	/* Memory that is plugged while the guest runs. */
	{ SYS_ioctl, 1, KVM_SET_USER_MEMORY_REGION },
	{ SYS_sched_setaffinity, ANY, 0 }, /* of a vCPU's thread, by command */
	/* How large a disk is that takes another's place. */
	{ SYS_fstat, ANY, 0 },
	{ SYS_newfstatat, 3, AT_EMPTY_PATH },
	{ SYS_ioctl, 1, (uint32_t)BLKGETSIZE64 },
	RULES_SHARED,
	/* To stop the vCPUs, and to tidy up. */
	{ SYS_getpid, ANY, 0 },
	{ SYS_tgkill, ANY, 0 },
	{ SYS_tkill, ANY, 0 },
	{ SYS_writev, ANY, 0 },
	{ SYS_close, ANY, 0 },
	{ SYS_munmap, ANY, 0 },
	{ SYS_brk, ANY, 0 },
	{ SYS_madvise, 2, MADV_FREE_VALUE }, /* musl's free() */
};

/* One socket a request, of the kind that leaves this machine nowhere. */
static const struct og_jail_rule broker_rules[] = {
	{ SYS_poll, ANY, 0 },	      { SYS_recvfrom, ANY, 0 },	  { SYS_sendmsg, ANY, 0 },
	{ SYS_socket, 0, AF_UNIX },   { SYS_connect, ANY, 0 },	  { SYS_close, ANY, 0 },
	{ SYS_rt_sigreturn, ANY, 0 }, { SYS_exit_group, ANY, 0 },
};

/* Files that are there. What a path leads to is all of the process's own root (fs/helper.c). */
static const struct og_jail_rule fs_read_rules[] = {
	{ SYS_recvfrom, ANY, 0 },
	{ SYS_sendto, ANY, 0 },
	{ SYS_openat2, ANY, 0 },
	{ SYS_statx, ANY, 0 },
	{ SYS_openat, ANY, 0 },
	{ SYS_close, ANY, 0 },
	{ SYS_pread64, ANY, 0 },
	{ SYS_getdents64, ANY, 0 },
	{ SYS_lseek, ANY, 0 },
	{ SYS_readlinkat, ANY, 0 },
	{ SYS_fstatfs, ANY, 0 },
	{ SYS_getxattr, ANY, 0 },
	{ SYS_listxattr, ANY, 0 },
	{ SYS_fcntl, 1, F_DUPFD_CLOEXEC_VALUE },
	{ SYS_fcntl, 1, F_SETFD_VALUE }, /* what musl adds */
	{ SYS_fsync, ANY, 0 },
	{ SYS_fdatasync, ANY, 0 },
	/* Memory for the names of files. */
	{ SYS_brk, ANY, 0 },
	{ SYS_mmap, 2, READ_WRITE_VALUE },
	{ SYS_munmap, ANY, 0 },
	{ SYS_madvise, ANY, 0 },
	{ SYS_futex, ANY, 0 },
	{ SYS_rt_sigreturn, ANY, 0 },
	{ SYS_exit_group, ANY, 0 },
};

/* Changing them, as the user of the guest who does. */
static const struct og_jail_rule fs_write_rules[] = {
	{ SYS_pwrite64, ANY, 0 },  { SYS_setfsuid, ANY, 0 },	{ SYS_setfsgid, ANY, 0 },
	{ SYS_geteuid, ANY, 0 },   { SYS_getegid, ANY, 0 },	{ SYS_capset, ANY, 0 },
	{ SYS_mknodat, ANY, 0 },   { SYS_mkdirat, ANY, 0 },	{ SYS_symlinkat, ANY, 0 },
	{ SYS_linkat, ANY, 0 },	   { SYS_unlinkat, ANY, 0 },	{ SYS_renameat2, ANY, 0 },
	{ SYS_fchmodat, ANY, 0 },  { SYS_fchownat, ANY, 0 },	{ SYS_utimensat, ANY, 0 },
	{ SYS_ftruncate, ANY, 0 }, { SYS_fallocate, ANY, 0 },	{ SYS_copy_file_range, ANY, 0 },
	{ SYS_setxattr, ANY, 0 },  { SYS_removexattr, ANY, 0 }, { SYS_syncfs, ANY, 0 },
};

/* Taking all that KVM keeps; the clock where the kernel does not answer without a call. */
static const struct og_jail_rule snapshot_rules[] = {
	{ SYS_clock_gettime, ANY, 0 },
	{ SYS_ioctl, 1, KVM_CHECK_EXTENSION },
	{ SYS_ioctl, 1, KVM_GET_MSR_INDEX_LIST },
	{ SYS_ioctl, 1, KVM_GET_IRQCHIP },
	{ SYS_ioctl, 1, KVM_GET_PIT2 },
	{ SYS_ioctl, 1, KVM_GET_CLOCK },
	{ SYS_ioctl, 1, KVM_GET_DIRTY_LOG },
	{ SYS_ioctl, 1, KVM_GET_CPUID2 },
	{ SYS_ioctl, 1, KVM_GET_TSC_KHZ },
	{ SYS_ioctl, 1, KVM_GET_MP_STATE },
	{ SYS_ioctl, 1, KVM_GET_REGS },
	{ SYS_ioctl, 1, KVM_GET_SREGS },
	{ SYS_ioctl, 1, KVM_GET_SREGS2 },
	{ SYS_ioctl, 1, KVM_GET_XSAVE },
	{ SYS_ioctl, 1, KVM_GET_XSAVE2 },
	{ SYS_ioctl, 1, KVM_GET_XCRS },
	{ SYS_ioctl, 1, KVM_GET_DEBUGREGS },
	{ SYS_ioctl, 1, KVM_GET_LAPIC },
	{ SYS_ioctl, 1, KVM_GET_MSRS },
	{ SYS_ioctl, 1, KVM_GET_VCPU_EVENTS },
	{ SYS_ioctl, 1, KVM_KVMCLOCK_CTRL },
	{ SYS_mincore, ANY, 0 },
	{ SYS_sysinfo, ANY, 0 },
	{ SYS_lseek, ANY, 0 },
	{ SYS_ftruncate, ANY, 0 },
};

#define FORK_FLAGS (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD) /* glibc's fork() */

/* Its machine runs: requests, files and taps that they name, vsock, a clone's front, the end. */
static const struct og_jail_rule front_rules[] = {
	{ SYS_epoll_wait, ANY, 0 },
	{ SYS_epoll_pwait, ANY, 0 }, /* what musl makes of it */
	{ SYS_epoll_ctl, ANY, 0 },
	{ SYS_recvfrom, ANY, 0 },
	{ SYS_sendto, ANY, 0 },
	{ SYS_recvmsg, ANY, 0 },
	{ SYS_sendmsg, ANY, 0 },
	{ SYS_accept4, ANY, 0 },
	{ SYS_read, ANY, 0 },
	{ SYS_write, ANY, 0 },
	{ SYS_writev, ANY, 0 },
	{ SYS_close, ANY, 0 },
	{ SYS_openat, ANY, 0 },
	{ SYS_fcntl, ANY, 0 },
	{ SYS_ftruncate, ANY, 0 },
	{ SYS_lseek, ANY, 0 },
	{ SYS_memfd_create, ANY, 0 },
	{ SYS_clock_gettime, ANY, 0 },
	{ SYS_timerfd_create, ANY, 0 },
	{ SYS_timerfd_settime, ANY, 0 },
	{ SYS_brk, ANY, 0 },
	{ SYS_mmap, 2, READ_WRITE_VALUE },
	{ SYS_mmap, 2, 0 },
	{ SYS_mprotect, 2, READ_WRITE_VALUE },
	{ SYS_mremap, ANY, 0 },
	{ SYS_munmap, ANY, 0 },
	{ SYS_madvise, ANY, 0 },
	{ SYS_rt_sigprocmask, ANY, 0 },
	{ SYS_rt_sigaction, ANY, 0 },
	/* Sockets of vsock and of a clone. */
	{ SYS_socket, 0, AF_UNIX },
	{ SYS_socketpair, 0, AF_UNIX },
	{ SYS_connect, ANY, 0 },
	{ SYS_bind, ANY, 0 },
	{ SYS_listen, ANY, 0 },
	{ SYS_umask, ANY, 0 },
	{ SYS_unlink, ANY, 0 },
	{ SYS_lstat, ANY, 0 },
	{ SYS_newfstatat, 3, AT_SYMLINK_NOFOLLOW }, /* glibc's lstat() */
	{ SYS_ioctl, 1, TUNSETIFF },
	/* A clone's front is a fork of this one. */
	{ SYS_fork, ANY, 0 }, /* and what glibc makes of it */
	{ SYS_clone, 0, FORK_FLAGS },
	{ SYS_set_robust_list, ANY, 0 },
	{ SYS_gettid, ANY, 0 },
	{ SYS_pipe2, ANY, 0 },
	{ SYS_close_range, ANY, 0 },
	{ SYS_epoll_create1, ANY, 0 },
	{ SYS_signalfd4, ANY, 0 },
	{ SYS_wait4, ANY, 0 },
	{ SYS_kill, ANY, 0 },
	{ SYS_shutdown, ANY, 0 },
	{ SYS_exit_group, ANY, 0 },
};

#define THREAD_FLAGS                                                                        \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | \
	 CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)
#define CLONE_DETACHED_VALUE 0x00400000 /* without effect; musl says it */

/*
 * A child builds its machine after it was confined, so this allows what building one takes: no
 * file is opened, no socket made, nothing executed, no other user or namespace entered. Its vCPU
 * threads are confined on top of this.
 */
static const struct og_jail_rule fork_rules[] = {
	{ SYS_fork, ANY, 0 },
	{ SYS_clone, 0, FORK_FLAGS },
	{ SYS_clone, 0, THREAD_FLAGS },
	{ SYS_clone, 0, THREAD_FLAGS | CLONE_DETACHED_VALUE },
	{ SYS_clone3, NOT_THERE, 0 }, /* its flags cannot be seen; a C library takes clone() then */
	{ SYS_madvise, 2, MADV_COLLAPSE_VALUE },
	{ SYS_madvise, 2, MADV_DONTFORK_VALUE },
	{ SYS_madvise, 2, MADV_REMOVE_VALUE },
	{ SYS_madvise, 2, MADV_RANDOM_VALUE },
	{ SYS_madvise, 2, MADV_DONTDUMP_VALUE },
	{ SYS_close_range, ANY, 0 },
	{ SYS_gettid, ANY, 0 },
	{ SYS_set_robust_list, ANY, 0 },
	{ SYS_rseq, ANY, 0 },
	{ SYS_rt_sigaction, ANY, 0 },
	{ SYS_mmap, 2, 0 },
	{ SYS_mmap, 2, READ_WRITE_VALUE },
	{ SYS_mprotect, 2, READ_WRITE_VALUE },
	{ SYS_mmap, 2, READ_VALUE },
	{ SYS_mprotect, 2, READ_VALUE },
	{ SYS_seccomp, ANY, 0 },
	{ SYS_eventfd2, ANY, 0 },
	{ SYS_epoll_create1, ANY, 0 },
	{ SYS_timerfd_create, ANY, 0 },
	{ SYS_timerfd_settime, ANY, 0 },
	{ SYS_fstat, ANY, 0 },
	{ SYS_newfstatat, 3, AT_EMPTY_PATH }, /* glibc's fstat() */
	{ SYS_fcntl, ANY, 0 },
	{ SYS_getsockopt, ANY, 0 },
	{ SYS_setsockopt, 2, SO_RCVTIMEO },
	{ SYS_ioctl, 1, TUNGETIFF },
	{ SYS_ioctl, 1, TUNSETVNETHDRSZ },
	{ SYS_ioctl, 1, BLKGETSIZE64 },
	{ SYS_ioctl, 1, KVM_GET_API_VERSION },
	{ SYS_ioctl, 1, KVM_GET_VCPU_MMAP_SIZE },
	{ SYS_ioctl, 1, KVM_CREATE_VM },
	{ SYS_ioctl, 1, KVM_SET_IDENTITY_MAP_ADDR },
	{ SYS_ioctl, 1, KVM_SET_TSS_ADDR },
	{ SYS_ioctl, 1, KVM_CREATE_IRQCHIP },
	{ SYS_ioctl, 1, KVM_CREATE_PIT2 },
	{ SYS_ioctl, 1, KVM_REINJECT_CONTROL },
	{ SYS_ioctl, 1, KVM_CREATE_VCPU },
	{ SYS_ioctl, 1, KVM_GET_SUPPORTED_CPUID },
	{ SYS_ioctl, 1, KVM_SET_USER_MEMORY_REGION },
	{ SYS_ioctl, 1, KVM_IRQFD },
	{ SYS_ioctl, 1, KVM_IOEVENTFD },
	{ SYS_ioctl, 1, KVM_SET_GSI_ROUTING },
	{ SYS_ioctl, 1, KVM_SET_IRQCHIP },
	{ SYS_ioctl, 1, KVM_SET_PIT2 },
	{ SYS_ioctl, 1, KVM_SET_CLOCK },
	{ SYS_ioctl, 1, KVM_SET_CPUID2 },
	{ SYS_ioctl, 1, KVM_SET_TSC_KHZ },
	{ SYS_ioctl, 1, KVM_SET_MP_STATE },
	{ SYS_ioctl, 1, KVM_SET_REGS },
	{ SYS_ioctl, 1, KVM_SET_SREGS },
	{ SYS_ioctl, 1, KVM_SET_SREGS2 },
	{ SYS_ioctl, 1, KVM_SET_XSAVE },
	{ SYS_ioctl, 1, KVM_SET_XCRS },
	{ SYS_ioctl, 1, KVM_SET_DEBUGREGS },
	{ SYS_ioctl, 1, KVM_SET_LAPIC },
	{ SYS_ioctl, 1, KVM_SET_MSRS },
	{ SYS_ioctl, 1, KVM_SET_VCPU_EVENTS },
	{ SYS_ioctl, 1, KVM_RUN },
};

/* Some of those that are one after the other in this file. */
struct rules {
	struct og_jail_rule all[OG_JAIL_RULES_MAX];
	unsigned n;
};

static void add(struct rules *to, const struct og_jail_rule *rules, size_t n)
{
	assert(n <= OG_JAIL_RULES_MAX - to->n);
	memcpy(to->all + to->n, rules, n * sizeof(*rules));
	to->n += (unsigned)n;
}

#define ADD(to, rules) add(to, rules, sizeof(rules) / sizeof((rules)[0]))

static int install(const struct sock_filter *code, size_t n, struct og_err *err)
{
	const struct sock_fprog fprog = { .len = (unsigned short)n,
					  .filter = (struct sock_filter *)(uintptr_t)code };

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &fprog) < 0)
		return og_fail(err, -errno, "confine thread by seccomp");
	return 0;
}

#define LOAD(what)	  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, what))
#define KILL		  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)
#define ALLOW		  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define BELOW(call, skip) BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (call), 0, skip)
#define FORBID(call)	  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1), KILL
#define FORBID_ALL(first, last) \
	BELOW(first, 2), BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (last), 1, 0), KILL
/* Where the comparison of an argument does not jump over it. */
#define FORBID_IF(call, argument, comparison)                                                      \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 4), LOAD(args[argument]), comparison, KILL, \
		LOAD(nr)
#define NOT_UNIX BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 1, 0)
#define CODE	 BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, EXECUTE_VALUE, 0, 1)

/*
 * Starting a machine takes much: namespaces, mounts, other users. It takes no program, no network, nobody
 * else's process, no kernel's inside, and no code that was not there. In three parts by number.
 *
 * To ask no filter where a call's number alone decides, the kernel tries each filter that is installed with
 * all numbers, which is a fifteenth of a restore. It does not try one that begins with an argument, nor any
 * that comes on top of it: all of them are asked each time then, which is few instructions.
 */
static const struct sock_filter front_start[] = {
	LOAD(args[0]),
	LOAD(arch),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
	KILL,
	LOAD(nr),
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, SYS_kexec_load, 22, 0),
	FORBID(SYS_execve),
	FORBID(SYS_ptrace),
	FORBID(SYS_init_module),
	FORBID_IF(SYS_socket, 0, NOT_UNIX),
	FORBID_IF(SYS_mmap, 2, CODE),
	FORBID_IF(SYS_mprotect, 2, CODE),
	ALLOW,
	/* 22 further on, from kexec_load() */
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, SYS_kexec_file_load, 13, 0),
	FORBID(SYS_kexec_load),
	FORBID_ALL(SYS_add_key, SYS_keyctl),
	FORBID(SYS_perf_event_open),
	FORBID_ALL(SYS_process_vm_readv, SYS_process_vm_writev),
	FORBID(SYS_finit_module),
	ALLOW,
	/* 13 further on, from kexec_file_load(), bpf() and execveat() */
	FORBID_ALL(SYS_kexec_file_load, SYS_execveat),
	FORBID_ALL(X32_CALL, UINT32_MAX),
	FORBID(SYS_pidfd_getfd),
	FORBID_IF(SYS_pkey_mprotect, 2, CODE),
	ALLOW,
};

_Static_assert(SYS_keyctl == SYS_add_key + 2 && SYS_process_vm_writev == SYS_process_vm_readv + 1 &&
		       SYS_execveat == SYS_kexec_file_load + 2,
	       "nothing that is wanted lies between");

static int confine(struct rules *rules, struct og_err *err)
{
	struct og_jail_program p;

	og_jail_compile(rules->all, rules->n, &p);
	return install(p.code, p.len, err);
}

int og_jail_front(struct og_err *err)
{
	if (UNCONFINED || og_weak("A80-front-seccomp"))
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return og_fail(err, -errno, "give up new privileges");
	return install(front_start, sizeof(front_start) / sizeof(front_start[0]), err);
}

int og_jail_front_running(struct og_err *err)
{
	struct rules rules = { .n = 0 };

	if (UNCONFINED || og_weak("A80-front-seccomp"))
		return 0;
	ADD(&rules, front_rules);
	return confine(&rules, err);
}

int og_jail_vcpu(struct og_err *err)
{
	struct rules rules = { .n = 0 };

	ADD(&rules, vcpu_rules);
	return confine(&rules, err);
}

int og_jail_vcpu_pci(struct og_err *err)
{
	struct rules rules = { .n = 0 };

	ADD(&rules, vcpu_pci_rules);
	return confine(&rules, err);
}

int og_jail_io(unsigned powers, struct og_err *err)
{
	struct rules rules = { .n = 0 };

	ADD(&rules, io_rules);
	if ((powers & OG_JAIL_SNAPSHOTS) != 0)
		ADD(&rules, snapshot_rules);
	if ((powers & OG_JAIL_FORKS) != 0)
		ADD(&rules, fork_rules);
	return confine(&rules, err);
}

int og_jail_broker(struct og_err *err)
{
	struct rules rules = { .n = 0 };

	ADD(&rules, broker_rules);
	return confine(&rules, err);
}

int og_jail_fs(bool readonly, struct og_err *err)
{
	struct rules rules = { .n = 0 };

	ADD(&rules, fs_read_rules);
	if (!readonly)
		ADD(&rules, fs_write_rules);
	return confine(&rules, err);
}

int og_jail_prepare(struct og_err *err)
{
	struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return og_fail(err, -errno, "turn core dumps off");
	/* A file that may not grow is an error of whoever asked, and not this process's end. */
	(void)signal(SIGXFSZ, SIG_IGN);
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return og_fail(err, -errno, "turn tracing off");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return og_fail(err, -errno, "give up new privileges");
	return 0;
}
