/* SPDX-License-Identifier: Apache-2.0 */
#include "container/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/path.h"
#include "base/text.h"
#include "base/weak.h"
#include "container/idmap.h"

#define PROC_ROOT_INODE 1

struct kind {
	const char *name;
	int flag;
	const char *own; /* ours */
};

static const struct kind kinds[OG_OCI_NS_COUNT] = {
	[OG_OCI_NS_PID] = { "pid", CLONE_NEWPID, "/proc/self/ns/pid" },
	[OG_OCI_NS_NETWORK] = { "network", CLONE_NEWNET, "/proc/self/ns/net" },
	[OG_OCI_NS_MOUNT] = { "mount", CLONE_NEWNS, "/proc/self/ns/mnt" },
	[OG_OCI_NS_IPC] = { "ipc", CLONE_NEWIPC, "/proc/self/ns/ipc" },
	[OG_OCI_NS_UTS] = { "uts", CLONE_NEWUTS, "/proc/self/ns/uts" },
	[OG_OCI_NS_USER] = { "user", CLONE_NEWUSER, "/proc/self/ns/user" },
	[OG_OCI_NS_CGROUP] = { "cgroup", CLONE_NEWCGROUP, "/proc/self/ns/cgroup" },
	[OG_OCI_NS_TIME] = { "time", CLONE_NEWTIME, "/proc/self/ns/time" },
};

void og_namespaces_done(struct og_namespaces *namespaces)
{
	for (size_t i = 0; i < OG_OCI_NS_COUNT; i++)
		namespaces->join_fds[i] = og_close(namespaces->join_fds[i]);
	namespaces->own_pid_fd = og_close(namespaces->own_pid_fd);
}

static int open_joined(const struct og_oci_namespace *namespace, struct og_err *err)
{
	const struct kind *kind = &kinds[namespace->type];
	og_auto_fd fd = open(namespace->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return og_fail(err, -errno, "linux.namespaces: open %s namespace '%s'", kind->name,
			       namespace->path);
	if (ioctl(fd, NS_GET_NSTYPE) != kind->flag)
		return og_fail(err, -EINVAL, "linux.namespaces: '%s' is no %s namespace",
			       namespace->path, kind->name);
	return og_take_fd(&fd);
}

static bool is_ours(int fd, enum og_oci_namespace_type type)
{
	struct stat theirs;
	struct stat ours;

	return fstat(fd, &theirs) == 0 && stat(kinds[type].own, &ours) == 0 &&
	       theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
}

static int check_offsets(const struct og_oci_linux *lin, struct og_err *err)
{
	for (size_t i = 0; i < lin->time_offsets.count; i++) {
		const char *clock = lin->time_offsets.items[i].clock;

		if (!og_streq(clock, "monotonic") && !og_streq(clock, "boottime"))
			return og_fail(err, -EINVAL,
				       "linux.timeOffsets.%.20s is no clock that can be set (those "
				       "are monotonic and boottime)",
				       clock);
	}
	return 0;
}

static int check(const struct og_oci_config *config, const struct og_namespaces *namespaces,
		 struct og_err *err)
{
	const struct og_oci_linux *lin = &config->linux_;

	if (og_oci_namespace(config, OG_OCI_NS_MOUNT) == NULL)
		return og_fail(
			err, -EINVAL,
			"linux.namespaces has no mount namespace: without one there is no root of its own");
	if (namespaces->ordinary && !namespaces->new_user && !namespaces->joins_user)
		return og_fail(
			err, -EPERM,
			"linux.namespaces has no user namespace, without which user %u may make none (spec --rootless)",
			geteuid());
	if (namespaces->new_user && (lin->uid_mappings.count == 0 || lin->gid_mappings.count == 0))
		return og_fail(
			err, -EINVAL,
			"linux.uidMappings and linux.gidMappings are needed for a new user namespace");
	if (!namespaces->new_user && lin->uid_mappings.count > 0 &&
	    namespaces->join_fds[OG_OCI_NS_USER] < 0)
		return og_fail(err, -EINVAL, "linux.uidMappings without a user namespace");
	if (!namespaces->new_time && lin->time_offsets.count > 0)
		return og_fail(err, -EINVAL, "linux.timeOffsets without a new time namespace");
	if (lin->net_devices.count > 0 &&
	    (og_oci_namespace(config, OG_OCI_NS_NETWORK) == NULL ||
	     (namespaces->join_fds[OG_OCI_NS_NETWORK] >= 0 &&
	      is_ours(namespaces->join_fds[OG_OCI_NS_NETWORK], OG_OCI_NS_NETWORK))))
		return og_fail(err, -EINVAL,
			       "linux.netDevices without a network namespace to move them to");
	return check_offsets(lin, err);
}

struct setting {
	const char *prefix;
	enum og_oci_namespace_type type;
};

/* What the kernel keeps for each namespace; all other sysctls are the host's. */
static const struct setting settings[] = {
	{ "kernel/msgmax", OG_OCI_NS_IPC },
	{ "kernel/msgmnb", OG_OCI_NS_IPC },
	{ "kernel/msgmni", OG_OCI_NS_IPC },
	{ "kernel/sem", OG_OCI_NS_IPC },
	{ "kernel/shmall", OG_OCI_NS_IPC },
	{ "kernel/shmmax", OG_OCI_NS_IPC },
	{ "kernel/shmmni", OG_OCI_NS_IPC },
	{ "kernel/shm_rmid_forced", OG_OCI_NS_IPC },
	{ "fs/mqueue/", OG_OCI_NS_IPC },
	{ "kernel/hostname", OG_OCI_NS_UTS },
	{ "kernel/domainname", OG_OCI_NS_UTS },
	{ "net/", OG_OCI_NS_NETWORK },
	{ "user/", OG_OCI_NS_USER },
};

/* The kind of namespace that a sysctl is of, or -ENOENT. */
static int owner_of(const char *path)
{
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		const char *prefix = settings[i].prefix;

		if (og_ends_with(prefix, "/") ? og_starts_with(path, prefix)
					      : og_streq(path, prefix))
			return (int)settings[i].type;
	}
	return -ENOENT;
}

/*
 * The path below /proc/sys of a name with dots or slashes. As sysctl(8) has it, the first of
 * either kind tells which one separates, and the other kind stands for itself in a part
 * (net.ipv4.conf.eth0/1.forwarding). The caller's to free; NULL when memory ran out.
 */
static char *sysctl_path(const char *key)
{
	char *path = strdup(key);
	const char *first = strpbrk(key, "./");

	for (char *c = path; path != NULL && first != NULL && *first == '.' && *c != '\0'; c++)
		*c = (char)(*c == '.' ? '/' : *c == '/' ? '.' : *c);
	return path;
}

/* Found out before there is a process: a sysctl of a namespace that is the host's is the host's. */
static int check_sysctls(const struct og_oci_config *config, const struct og_namespaces *namespaces,
			 struct og_err *err)
{
	const struct og_oci_pairs *sysctls = &config->linux_.sysctl;

	for (size_t i = 0; i < sysctls->count; i++) {
		const char *key = sysctls->items[i].key;
		og_auto_free char *path = sysctl_path(key);
		int type = path == NULL ? -ENOMEM : owner_of(path);

		if (path == NULL)
			return og_fail(err, -ENOMEM, "linux.sysctl");
		if (strstr(path, "..") != NULL || type < 0 ||
		    og_oci_namespace(config, (enum og_oci_namespace_type)type) == NULL ||
		    (namespaces->join_fds[type] >= 0 &&
		     is_ours(namespaces->join_fds[type], (enum og_oci_namespace_type)type)))
			return og_fail(
				err, -EPERM,
				"linux.sysctl.%.80s is the host's, not of a namespace of this workload",
				key);
	}
	return 0;
}

static int settle(const struct og_oci_config *config, struct og_namespaces *namespaces,
		  struct og_err *err)
{
	bool joins = false;
	int r;

	/* To join one's own user namespace is an error to the kernel, and nothing to anyone else. */
	if (namespaces->join_fds[OG_OCI_NS_USER] >= 0 &&
	    is_ours(namespaces->join_fds[OG_OCI_NS_USER], OG_OCI_NS_USER))
		namespaces->join_fds[OG_OCI_NS_USER] =
			og_close(namespaces->join_fds[OG_OCI_NS_USER]);
	for (size_t i = 0; i < OG_OCI_NS_COUNT; i++)
		joins = joins || namespaces->join_fds[i] >= 0;
	namespaces->new_user = (namespaces->clone_flags & CLONE_NEWUSER) != 0;
	namespaces->joins_user = namespaces->join_fds[OG_OCI_NS_USER] >= 0;
	namespaces->ordinary = geteuid() != 0;
	namespaces->by_helper = !namespaces->ordinary && joins &&
				(namespaces->new_user || namespaces->joins_user);
	if (namespaces->join_fds[OG_OCI_NS_PID] >= 0 && !namespaces->ordinary) {
		namespaces->own_pid_fd = open(kinds[OG_OCI_NS_PID].own, O_RDONLY | O_CLOEXEC);
		if (namespaces->own_pid_fd < 0)
			return og_fail(err, -errno, "open our own pid namespace");
	}
	r = check(config, namespaces, err);
	return r < 0 ? r : check_sysctls(config, namespaces, err);
}

int og_namespaces_open(const struct og_oci_config *config, struct og_namespaces *ret_namespaces,
		       struct og_err *err)
{
	struct og_namespaces *namespaces = ret_namespaces;

	*namespaces = (struct og_namespaces){};
	for (size_t i = 0; i < OG_OCI_NS_COUNT; i++)
		namespaces->join_fds[i] = -EBADF;
	namespaces->own_pid_fd = -EBADF;
	for (size_t i = 0; i < config->linux_.namespaces.count; i++) {
		const struct og_oci_namespace *namespace = &config->linux_.namespaces.items[i];

		if (namespace->path != NULL) {
			int fd = open_joined(namespace, err);

			if (fd < 0)
				return fd;
			namespaces->join_fds[namespace->type] = fd;
		} else if (namespace->type == OG_OCI_NS_CGROUP) {
			namespaces->new_cgroup = true;
		} else if (namespace->type == OG_OCI_NS_TIME) {
			namespaces->new_time = true;
		} else {
			namespaces->clone_flags |= (uint64_t)(unsigned)kinds[namespace->type].flag;
		}
	}
	return settle(config, namespaces, err);
}

/* An ordinary user may clone into new namespaces only from within a user namespace of his. */
static int join_user_early(struct og_namespaces *namespaces, struct og_err *err)
{
	int *fd = &namespaces->join_fds[OG_OCI_NS_USER];

	if (!namespaces->ordinary || !namespaces->joins_user)
		return 0;
	if (setns(*fd, CLONE_NEWUSER) < 0)
		return og_fail(err, -errno, "join the user namespace (is it this user's?)");
	*fd = og_close(*fd);
	return 0;
}

int og_namespaces_before(struct og_namespaces *namespaces, struct og_err *err)
{
	int pid_fd = namespaces->join_fds[OG_OCI_NS_PID];
	int r = join_user_early(namespaces, err);

	if (r < 0)
		return r;
	if (pid_fd >= 0 && setns(pid_fd, CLONE_NEWPID) < 0)
		return og_fail(err, -errno, "join the pid namespace");
	return 0;
}

int og_namespaces_after(const struct og_namespaces *namespaces, struct og_err *err)
{
	if (namespaces->own_pid_fd >= 0 && setns(namespaces->own_pid_fd, CLONE_NEWPID) < 0)
		return og_fail(err, -errno, "go back to our own pid namespace");
	return 0;
}

int og_namespaces_join(const struct og_namespaces *namespaces, struct og_err *err)
{
	static const int order[] = { OG_OCI_NS_PID,   OG_OCI_NS_NETWORK, OG_OCI_NS_IPC,
				     OG_OCI_NS_UTS,   OG_OCI_NS_CGROUP,	 OG_OCI_NS_TIME,
				     OG_OCI_NS_MOUNT, OG_OCI_NS_USER };
	size_t first = namespaces->by_helper ? 0 : 1; /* else before() has done it */

	for (size_t i = first; i < sizeof(order) / sizeof(order[0]); i++) {
		int fd = namespaces->join_fds[order[i]];

		if (fd >= 0 && setns(fd, kinds[order[i]].flag) < 0)
			return og_fail(err, -errno, "join the %s namespace", kinds[order[i]].name);
	}
	return 0;
}

/*
 * Offsets can be set only while nothing is in the namespace, and by who opens the file with the
 * user that started us: so before this process becomes another.
 */
int og_namespaces_time(const struct og_oci_linux *config, struct og_err *err)
{
	og_auto_text text = {};
	og_auto_fd fd = -EBADF;
	int r = 0;

	if (unshare(CLONE_NEWTIME) < 0)
		return og_fail(err, -errno, "make a time namespace");
	for (size_t i = 0; i < config->time_offsets.count; i++) {
		const struct og_oci_time_offset *offset = &config->time_offsets.items[i];

		og_text_addf(&text, "%s %lld %llu\n", offset->clock, (long long)offset->secs,
			     (unsigned long long)offset->nanosecs);
	}
	if (text.failed)
		return og_fail(err, -ENOMEM, "linux.timeOffsets");
	if (text.len > 0)
		r = og_write_file(AT_FDCWD, "/proc/self/timens_offsets", text.buf, err);
	if (r < 0)
		return og_fail_in(err, r, "linux.timeOffsets");
	fd = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWTIME) < 0)
		return og_fail(err, -errno, "enter the time namespace");
	return 0;
}

int og_namespaces_become_root(struct og_err *err)
{
	if ((setgroups(0, NULL) < 0 && errno != EPERM) || setresgid(0, 0, 0) < 0 ||
	    setresuid(0, 0, 0) < 0)
		return og_fail(err, -errno, "become root of the user namespace (is 0 mapped?)");
	return 0;
}

/* The host's procfs, which nothing of the image can have covered. Returns a descriptor. */
static int open_proc(struct og_err *err)
{
	og_auto_fd fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;
	struct stat st;

	if (fd < 0 || fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0)
		return og_fail(err, -errno, "open /proc");
	if (!og_weak("A6") && (fs.f_type != PROC_SUPER_MAGIC || st.st_ino != PROC_ROOT_INODE))
		return og_fail(err, -ENODEV, "the host's /proc is no procfs");
	return og_take_fd(&fd);
}

static int set_sysctl(int proc_fd, const struct og_oci_pair *pair, struct og_err *err)
{
	og_auto_free char *name = sysctl_path(pair->key);
	og_auto_free char *path = name == NULL ? NULL : og_strdupf("sys/%s", name);
	og_auto_fd fd = -EBADF;
	int r;

	if (path == NULL)
		return og_fail(err, -ENOMEM, "linux.sysctl");
	fd = og_weak("A6") ? openat(proc_fd, path, O_WRONLY | O_CLOEXEC)
			   : og_open_same_mount(proc_fd, path, O_WRONLY);
	r = fd < 0 ? fd : og_write_all(fd, pair->value, strlen(pair->value));
	return r < 0 ? og_fail(err, r, "linux.sysctl.%.80s to '%.80s'", pair->key, pair->value) : 0;
}

int og_namespaces_settings(const struct og_oci_config *config, struct og_err *err)
{
	const struct og_oci_pairs *sysctls = &config->linux_.sysctl;
	bool named = config->hostname != NULL || config->domainname != NULL;
	og_auto_fd proc_fd = -EBADF;

	if (named && og_oci_namespace(config, OG_OCI_NS_UTS) == NULL)
		return og_fail(err, -EINVAL,
			       "hostname without a UTS namespace would be the host's");
	if (config->hostname != NULL && sethostname(config->hostname, strlen(config->hostname)) < 0)
		return og_fail(err, -errno, "hostname '%.70s'", config->hostname);
	if (config->domainname != NULL &&
	    setdomainname(config->domainname, strlen(config->domainname)) < 0)
		return og_fail(err, -errno, "domainname '%.70s'", config->domainname);
	if (sysctls->count == 0)
		return 0;
	proc_fd = open_proc(err);
	if (proc_fd < 0)
		return proc_fd;
	for (size_t i = 0; i < sysctls->count; i++) {
		int r = set_sysctl(proc_fd, &sysctls->items[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}
