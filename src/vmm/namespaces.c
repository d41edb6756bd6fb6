/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine's process apart from its host (jail.h).
 *
 * Order decides. The user changes first: the user namespace belongs to the new user then, so that
 * nothing in it is worth more than that user outside. All other namespaces are made inside it, by
 * the power that it gives, and /proc is reachable until the maps are written. The empty root comes
 * last, and with the capabilities goes the power over all of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/weak.h"
#include "vmm/jail.h"

/* Above all that passwd files and subuid ranges give out; a process's number is added. */
#define OWN_UID_BASE 0x70000000U

/* Of one machine and all its forks, which a guest that has taken it over could go on making. */
#define THREADS_MAX 4096

#define NAMESPACES (CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

/* What comes first is only mounted over: one of these is on every system. */
static const char *const mount_points[] = { "/proc", "/tmp", "/sys", "/dev", "/mnt" };

int og_jail_clone_flags(const struct og_jail_config *config)
{
	if (!config->enabled || og_weak("A80-namespaces"))
		return 0;
	return geteuid() == 0 ? CLONE_NEWPID : CLONE_NEWPID | CLONE_NEWUSER;
}

static int enter_cgroup(const struct og_jail_config *config, struct og_err *err)
{
	if (config->cgroup_fd < 0 || write(config->cgroup_fd, "0", 1) == 1)
		return 0;
	return og_fail(err, -errno, "enter the machine's cgroup");
}

static int set_limits(const struct og_jail_config *config, struct og_err *err)
{
	const struct {
		int resource;
		unsigned long long value;
		const char *what;
	} limits[] = {
		{ RLIMIT_NOFILE, config->max_fds, "descriptors" },
		{ RLIMIT_FSIZE, config->max_file_bytes, "the size of files" },
		{ RLIMIT_NPROC, THREADS_MAX, "threads" },
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct rlimit limit = { limits[i].value, limits[i].value };

		if (limits[i].value != 0 && setrlimit(limits[i].resource, &limit) < 0)
			return og_fail(err, -errno, "limit %s to %llu", limits[i].what,
				       limits[i].value);
	}
	return 0;
}

/* Root becomes a user that owns nothing else. A user that this host cannot have stays root's own
 * only in a user namespace that maps few: the others below still hold then. */
static int change_user(const struct og_jail_config *config, pid_t number, struct og_err *err)
{
	uid_t uid = config->uid != 0 ? config->uid : OWN_UID_BASE + (uid_t)number;
	gid_t gid = config->gid != 0 ? config->gid : (gid_t)uid;

	if (geteuid() != 0)
		return 0;
	if (setgroups(0, NULL) < 0)
		return og_fail(err, -errno, "give up groups");
	if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0) {
		if (errno == EINVAL && config->uid == 0)
			return 0;
		return og_fail(err, -errno, "become user %u", uid);
	}
	return 0;
}

static int write_proc(const char *path, const char *text, struct og_err *err)
{
	og_auto_fd fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return og_fail(err, -errno, "write %s", path);
	return 0;
}

/* The one user and group of the namespace are what they are outside. */
static int write_maps(uid_t uid, gid_t gid, struct og_err *err)
{
	char text[64];
	int r = write_proc("/proc/self/setgroups", "deny", err);

	(void)snprintf(text, sizeof(text), "%u %u 1", uid, uid);
	if (r == 0)
		r = write_proc("/proc/self/uid_map", text, err);
	(void)snprintf(text, sizeof(text), "%u %u 1", gid, gid);
	return r == 0 ? write_proc("/proc/self/gid_map", text, err) : r;
}

static int empty_root(struct og_err *err)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	size_t i;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return og_fail(err, -errno, "make mounts private");
	for (i = 0; i < sizeof(mount_points) / sizeof(mount_points[0]); i++)
		if (mount("none", mount_points[i], "tmpfs", flags, "size=4k,nr_inodes=1,mode=0") ==
		    0)
			break;
	if (i == sizeof(mount_points) / sizeof(mount_points[0]))
		return og_fail(err, -errno, "make an empty root");
	if (chdir(mount_points[i]) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0 ||
	    mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, NULL) < 0 ||
	    chdir("/") < 0)
		return og_fail(err, -errno, "enter an empty root");
	return 0;
}

int og_jail_keep_capabilities(uint64_t caps, struct og_err *err)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct kept[2] = {
		{ .permitted = (uint32_t)caps, .effective = (uint32_t)caps },
	};

	/* The first that does not exist ends it, or not being allowed to: then none of them can be dropped. */
	for (unsigned cap = 0; cap < 64; cap++)
		if ((caps & 1ULL << cap) == 0 && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			break;
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &head, kept) < 0)
		return og_fail(err, -errno, "drop capabilities");
	return 0;
}

/* Where ordinary users get no user namespace, root makes the others itself. */
static int enter_as_root(const struct og_jail_config *config, pid_t number, struct og_err *err)
{
	int r;

	if (unshare(NAMESPACES) < 0)
		return og_fail(err, -errno, "enter namespaces");
	r = empty_root(err);
	return r == 0 ? change_user(config, number, err) : r;
}

static int enter_as_user(bool in_user_namespace, uid_t uid, gid_t gid, struct og_err *err)
{
	int r;

	/* After the change of the user /proc/self is root's, unless it may be dumped again. */
	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		return og_fail(err, -errno, "own /proc/self");
	if (!in_user_namespace && unshare(CLONE_NEWUSER) < 0)
		return og_fail(err, -errno, "enter a user namespace");
	r = write_maps(uid, gid, err);
	if (r == 0 && unshare(NAMESPACES) < 0)
		r = og_fail(err, -errno, "enter namespaces");
	return r == 0 ? empty_root(err) : r;
}

static bool says_no(const char *path)
{
	og_auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
	char first = '1';

	return fd >= 0 && read(fd, &first, 1) == 1 && first == '0';
}

struct og_jail_origin og_jail_origin(void)
{
	return (struct og_jail_origin){ .uid = geteuid(), .gid = getegid(), .pid = getpid() };
}

int og_jail_enter(const struct og_jail_config *config, const struct og_jail_origin *origin,
		  struct og_err *err)
{
	bool root = origin->uid == 0;
	int r;

	if (!config->enabled || og_weak("A80-namespaces"))
		return 0;
	r = enter_cgroup(config, err);
	if (r == 0)
		r = set_limits(config, err);
	if (r < 0)
		return r;
	if (!root)
		r = enter_as_user(origin->cloned, origin->uid, origin->gid, err);
	else if (says_no("/proc/sys/kernel/unprivileged_userns_clone") ||
		 says_no("/proc/sys/user/max_user_namespaces"))
		r = enter_as_root(config, origin->pid, err);
	else if ((r = change_user(config, origin->pid, err)) == 0)
		r = enter_as_user(false, geteuid(), getegid(), err);
	return r == 0 ? og_jail_keep_capabilities(0, err) : r;
}
