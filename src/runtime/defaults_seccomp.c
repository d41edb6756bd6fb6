/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The default system call filter: an allow list, by what the calls are for. Everything else fails
 * with EPERM, and what a C library tries first and can do without fails with ENOSYS, so that it
 * falls back. It allows nothing that Docker's default refuses, and leaves out what Docker's allows
 * but has a history of kernel holes or serves no program in a container: io_uring and the x32 calls.
 *
 * Names that a machine's libseccomp does not know are skipped there; 32-bit names (…32, …64,
 * …_time64, socketcall, ipc) are for i386 and arm programs under a 64-bit kernel.
 */
#include <errno.h>
#include <linux/sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/socket.h>

#include "base/text.h"
#include "runtime/defaults.h"

/* New namespaces of every kind, CLONE_NEWTIME left out: clone() has no bit for it. */
#define CLONE_NAMESPACES                                                               \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
	 CLONE_NEWPID | CLONE_NEWNET)

#define WORD_MAX 40 /* the longest name of a system call is 28 */

static const char *const always[] = {
	/* files */
	"access chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 faccessat "
	"faccessat2 fadvise64 fadvise64_64 fallocate fchmod fchmodat fchmodat2 fchown fchown32 "
	"fchownat fcntl fcntl64 fdatasync flock fstat fstat64 fstatat64 fstatfs fstatfs64 fsync "
	"ftruncate ftruncate64 getcwd getdents getdents64 ioctl lchown lchown32 link linkat _llseek "
	"lseek lstat lstat64 mkdir mkdirat mknod mknodat name_to_handle_at newfstatat open openat "
	"openat2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat "
	"readv rename renameat renameat2 rmdir sendfile sendfile64 splice stat stat64 statfs statfs64 "
	"statx symlink symlinkat sync sync_file_range syncfs tee truncate truncate64 umask unlink "
	"unlinkat vmsplice write writev chdir fchdir cachestat",
	"fgetxattr flistxattr fremovexattr fsetxattr getxattr lgetxattr listxattr llistxattr "
	"lremovexattr lsetxattr removexattr setxattr getxattrat listxattrat removexattrat setxattrat",
	"futimesat utime utimensat utimensat_time64 utimes",
	"fanotify_mark inotify_add_watch inotify_init inotify_init1 inotify_rm_watch",
	"io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit",
	/* waiting */
	"epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 "
	"_newselect pause pipe pipe2 poll ppoll ppoll_time64 pselect6 pselect6_time64 select "
	"signalfd signalfd4",
	/* memory */
	"brk madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 "
	"mlockall mmap mmap2 mprotect mremap mseal msync munlock munlockall munmap pkey_alloc "
	"pkey_free pkey_mprotect process_mrelease remap_file_pages",
	/* processes and threads */
	"execve execveat exit exit_group fork vfork wait4 waitid waitpid getpgid getpgrp getpid getppid "
	"getsid gettid setpgid setsid set_tid_address set_robust_list get_robust_list set_thread_area "
	"get_thread_area rseq restart_syscall pidfd_open pidfd_send_signal prctl getcpu "
	"futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake",
	"getitimer setitimer alarm times getrusage getpriority setpriority ioprio_get ioprio_set "
	"getrlimit ugetrlimit setrlimit prlimit64 sched_get_priority_max sched_get_priority_min "
	"sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval "
	"sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam "
	"sched_setscheduler sched_yield",
	"kill rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend "
	"rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack sigprocmask sigreturn "
	"tgkill tkill",
	/* who one is; what a capability would be needed for, the kernel still refuses */
	"capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 "
	"getresgid getresgid32 getresuid getresuid32 getuid getuid32 setfsgid setfsgid32 setfsuid "
	"setfsuid32 setgid setgid32 setgroups setgroups32 setregid setregid32 setresgid setresgid32 "
	"setresuid setresuid32 setreuid setreuid32 setuid setuid32",
	/* a debugger for one's own processes: since Linux 4.8 the filter holds for the traced, too */
	"process_vm_readv process_vm_writev ptrace",
	/* sandboxes inside the sandbox */
	"landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp",
	/* time; setting it is below */
	"adjtimex clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime "
	"clock_gettime64 clock_nanosleep clock_nanosleep_time64 gettimeofday nanosleep time "
	"timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime "
	"timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime "
	"timerfd_settime64",
	/* sockets, but socket() itself */
	"accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg "
	"recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketcall "
	"socketpair",
	/* System V and POSIX IPC */
	"ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend "
	"mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop "
	"semtimedop_time64 shmat shmctl shmdt shmget",
	/* the machine */
	"getrandom sysinfo uname",
#if defined(__x86_64__)
	"arch_prctl modify_ldt",
#elif defined(__aarch64__)
	"arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls",
#endif
};

static const struct {
	const char *capability;
	const char *calls;
} with_capability[] = {
	{ "CAP_DAC_READ_SEARCH", "open_by_handle_at" },
	{ "CAP_SYS_ADMIN",
	  "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick listmount mount mount_setattr "
	  "move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns "
	  "statmount syslog umount umount2 unshare" },
	{ "CAP_SYS_BOOT", "reboot" },
	{ "CAP_SYS_CHROOT", "chroot" },
	{ "CAP_SYS_MODULE", "delete_module init_module finit_module" },
	{ "CAP_SYS_PACCT", "acct" },
	{ "CAP_SYS_PTRACE", "kcmp pidfd_getfd process_madvise" },
	{ "CAP_SYS_RAWIO", "iopl ioperm" },
	{ "CAP_SYS_TIME", "settimeofday stime clock_settime clock_settime64" },
	{ "CAP_SYS_TTY_CONFIG", "vhangup" },
	{ "CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node" },
	{ "CAP_SYSLOG", "syslog" },
	{ "CAP_BPF", "bpf" },
	{ "CAP_PERFMON", "perf_event_open" },
};

static bool has_name(const struct og_json *names, const char *name)
{
	for (size_t i = 0; i < og_json_count(names); i++) {
		if (og_streq(og_json_string(og_json_at(names, i), ""), name))
			return true;
	}
	return false;
}

/* Puts the blank-separated words of @calls behind those of @array. */
static void push_words(struct og_json *array, const char *calls)
{
	while (*calls != '\0') {
		char word[WORD_MAX];
		size_t len = strcspn(calls, " ");

		if (len > 0 && len < sizeof(word)) {
			memcpy(word, calls, len);
			word[len] = '\0';
			og_json_push(array, og_json_new_string(word));
		}
		calls += len + strspn(calls + len, " ");
	}
}

/* A rule for @calls is put into @rules and returned, borrowed. */
static struct og_json *add_rule(struct og_json *rules, const char *calls, const char *action)
{
	struct og_json *rule = og_json_new_object();
	struct og_json *names = og_json_new_array();

	push_words(names, calls);
	og_json_set(rule, "names", names);
	og_json_set_string(rule, "action", action);
	og_json_push(rules, rule);
	return rule;
}

/* Allows @call when its first argument compares to @value (and @value_two, of a masked one). */
static void allow_if(struct og_json *rules, const char *call, const char *op, uint64_t value,
		     uint64_t value_two)
{
	struct og_json *rule = add_rule(rules, call, "SCMP_ACT_ALLOW");
	struct og_json *args = og_json_new_array();
	struct og_json *arg = og_json_new_object();

	og_json_set_int(arg, "index", 0);
	og_json_set(arg, "value", og_json_new_uint(value));
	og_json_set(arg, "valueTwo", og_json_new_uint(value_two));
	og_json_set_string(arg, "op", op);
	og_json_push(args, arg);
	og_json_set(rule, "args", args);
}

/*
 * Docker's families. Not among them are AF_VSOCK, which leads to the host of a VM, AF_ALG, and those
 * of networks that nobody has and whose code nobody looks after.
 */
static void allow_sockets(struct og_json *rules)
{
	static const uint8_t families[] = {
		AF_NETBEUI, AF_SECURITY,   AF_KEY, AF_NETLINK, AF_PACKET, AF_ASH, AF_RDS,
		AF_SNA,	    AF_PPPOX,	   AF_LLC, AF_IB,      AF_MPLS,	  AF_CAN, AF_TIPC,
		AF_IUCV,    AF_BLUETOOTH,  AF_NFC, AF_RXRPC,   AF_PHONET, AF_KCM, AF_QIPCRTR,
		AF_SMC,	    AF_IEEE802154, AF_XDP, AF_MCTP,
	};

	allow_if(rules, "socket", "SCMP_CMP_LT", AF_DECnet, 0);
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		allow_if(rules, "socket", "SCMP_CMP_EQ", families[i], 0);
}

static void add_capability_rules(struct og_json *rules, const struct og_json *names)
{
	for (size_t i = 0; i < sizeof(with_capability) / sizeof(with_capability[0]); i++) {
		if (has_name(names, with_capability[i].capability))
			add_rule(rules, with_capability[i].calls, "SCMP_ACT_ALLOW");
	}
	if (has_name(names, "CAP_SYS_ADMIN"))
		return;
	/* clone3's flags lie in memory, where no filter can look: the library falls back to clone. */
	og_json_set_int(add_rule(rules, "clone3", "SCMP_ACT_ERRNO"), "errnoRet", ENOSYS);
	allow_if(rules, "clone", "SCMP_CMP_MASKED_EQ", CLONE_NAMESPACES, 0);
}

static struct og_json *architectures(void)
{
	struct og_json *list = og_json_new_array();

#if defined(__x86_64__)
	og_json_push(list, og_json_new_string("SCMP_ARCH_X86_64"));
	og_json_push(list, og_json_new_string("SCMP_ARCH_X86"));
#elif defined(__aarch64__)
	og_json_push(list, og_json_new_string("SCMP_ARCH_AARCH64"));
	og_json_push(list, og_json_new_string("SCMP_ARCH_ARM"));
#endif
	return list;
}

struct og_json *og_defaults_seccomp(const struct og_json *names)
{
	static const uint64_t personalities[] = {
		PER_LINUX,  PER_LINUX32, UNAME26, PER_LINUX32 | UNAME26,
		UINT32_MAX, /* asks what it is */
	};
	struct og_json *profile = og_json_new_object();
	struct og_json *rules = og_json_new_array();
	struct og_json *allowed;

	og_json_set_string(profile, "defaultAction", "SCMP_ACT_ERRNO");
	og_json_set_int(profile, "defaultErrnoRet", EPERM);
	og_json_set(profile, "architectures", architectures());

	allowed = og_json_get(add_rule(rules, "", "SCMP_ACT_ALLOW"), "names");
	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		push_words(allowed, always[i]);
	allow_sockets(rules);
	for (size_t i = 0; i < sizeof(personalities) / sizeof(personalities[0]); i++)
		allow_if(rules, "personality", "SCMP_CMP_EQ", personalities[i], 0);
	add_capability_rules(rules, names);

	og_json_set(profile, "syscalls", rules);
	return profile;
}
