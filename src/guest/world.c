/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "base/io.h"
#include "base/path.h"
#include "base/text.h"
#include "guest/boot.h"

/* A mount's options that are flags; all others are the file system's own. */
struct option {
	const char *name;
	unsigned long set, clear;
};

static const struct option options[] = {
	{ "ro", MS_RDONLY, 0 },
	{ "rw", 0, MS_RDONLY },
	{ "nosuid", MS_NOSUID, 0 },
	{ "suid", 0, MS_NOSUID },
	{ "nodev", MS_NODEV, 0 },
	{ "dev", 0, MS_NODEV },
	{ "noexec", MS_NOEXEC, 0 },
	{ "exec", 0, MS_NOEXEC },
	{ "sync", MS_SYNCHRONOUS, 0 },
	{ "async", 0, MS_SYNCHRONOUS },
	{ "noatime", MS_NOATIME, 0 },
	{ "nodiratime", MS_NODIRATIME, 0 },
	{ "relatime", MS_RELATIME, 0 },
	{ "strictatime", MS_STRICTATIME, 0 },
	{ "defaults", 0, 0 },
	/* Nothing propagates into or out of a VM. */
	{ "private", 0, 0 },
	{ "rprivate", 0, 0 },
	{ "slave", 0, 0 },
	{ "rslave", 0, 0 },
};

/* Beside them: what is mounted is the one file in it. */
#define SHARED_FILE "onggi.file"

struct device {
	const char *name;
	unsigned int major, minor;
};

static const struct device devices[] = {
	{ "null", 1, 3 },   { "zero", 1, 5 },	 { "full", 1, 7 },
	{ "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 },
};

static const char *const links[][2] = {
	{ "/proc/self/fd", "fd" },	 { "/proc/self/fd/0", "stdin" },
	{ "/proc/self/fd/1", "stdout" }, { "/proc/self/fd/2", "stderr" },
	{ "pts/ptmx", "ptmx" },
};

static void take_option(const char *text, unsigned long *flags, struct og_text *data)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (og_streq(options[i].name, text)) {
			*flags = (*flags & ~options[i].clear) | options[i].set;
			return;
		}
	}
	og_text_addf(data, "%s%s", data->len > 0 ? "," : "", text);
}

/* The file to lay something over: made, empty, where the image has none. */
static int open_target(int root_fd, const char *path, struct og_err *err)
{
	const char *slash = strrchr(path, '/');
	og_auto_free char *folder = slash != NULL ? strndup(path, (size_t)(slash - path)) : NULL;
	int fd = og_open_in_root(root_fd, path, O_PATH, 0);
	int r;

	if (fd != -ENOENT || folder == NULL)
		return fd < 0 ? og_fail(err, fd, "open %s", path) : fd;
	r = og_mkdirs_in_root(root_fd, *folder != '\0' ? folder : "/", 0755, NULL, err);
	if (r < 0)
		return r;
	fd = og_open_in_root(root_fd, path, O_WRONLY | O_CREAT, 0644);
	return fd < 0 ? og_fail(err, fd, "make %s", path) : fd;
}

/* A single file of the host is alone in a folder that is shared. */
static int mount_shared_file(int root_fd, const char *const group[4], unsigned long flags,
			     struct og_err *err)
{
	og_auto_free char *folder = og_strdupf(OG_BOOT_FILES "/%s", group[2]);
	og_auto_free char *file = og_strdupf(OG_BOOT_FILES "/%s/file", group[2]);
	og_auto_fd target_fd = -EBADF;

	if (folder == NULL || file == NULL)
		return og_fail(err, -ENOMEM, "mount %s", group[1]);
	if (mkdir(folder, 0700) < 0 || mount(group[2], folder, group[0], flags, NULL) < 0)
		return og_fail(err, -errno, "mount %s (%s)", group[2], group[0]);
	target_fd = open_target(root_fd, group[1], err);
	if (target_fd < 0)
		return target_fd;
	if (mount(file, og_fd_path(target_fd).text, NULL, MS_BIND, NULL) < 0)
		return og_fail(err, -errno, "mount %s", group[1]);
	return 0;
}

/* Resolves what strangers wrote inside the workload's root, and mounts on what was found. */
static int mount_one(int root_fd, const char *const group[4], struct og_err *err)
{
	const char *type = og_streq(group[0], "cgroup") ? "cgroup2" : group[0];
	og_auto_free char *words = strdup(group[3]);
	og_auto_fd target_fd = -EBADF;
	og_auto_text data = {};
	unsigned long flags = 0;
	bool is_file = false;
	int r;

	if (words == NULL)
		return og_fail(err, -ENOMEM, "mount %s", group[1]);
	for (char *rest = words, *word; (word = strsep(&rest, ",")) != NULL;) {
		if (og_streq(word, SHARED_FILE))
			is_file = true;
		else if (*word != '\0')
			take_option(word, &flags, &data);
	}
	if (is_file)
		return mount_shared_file(root_fd, group, flags, err);
	r = og_mkdirs_in_root(root_fd, group[1], 0755, &target_fd, err);
	if (r < 0)
		return og_fail_in(err, r, "mount %s", group[1]);
	if (mount(group[2], og_fd_path(target_fd).text, type, flags,
		  data.len > 0 ? data.buf : NULL) < 0)
		return og_fail(err, -errno, "mount %s at %s with '%s'", type, group[1], group[3]);
	return 0;
}

static int mount_all(int root_fd, const char *const *mounts, struct og_err *err)
{
	for (; mounts != NULL && *mounts != NULL; mounts += 4) {
		int r = mount_one(root_fd, mounts, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int make_devices(int root_fd, struct og_err *err)
{
	og_auto_fd dev_fd = -EBADF;
	int r = og_mkdirs_in_root(root_fd, "/dev", 0755, &dev_fd, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		if (mknodat(dev_fd, devices[i].name, S_IFCHR | 0666,
			    makedev(devices[i].major, devices[i].minor)) < 0 &&
		    errno != EEXIST)
			return og_fail(err, -errno, "make /dev/%s", devices[i].name);
	}
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		if (symlinkat(links[i][0], dev_fd, links[i][1]) < 0 && errno != EEXIST)
			return og_fail(err, -errno, "make /dev/%s", links[i][1]);
	}
	return 0;
}

static int lay_file(int root_fd, const char *path, const char *text, struct og_err *err)
{
	char source[] = OG_BOOT_FILES "/XXXXXX";
	og_auto_fd source_fd = mkostemp(source, O_CLOEXEC);
	og_auto_fd target_fd = -EBADF;
	int r;

	if (source_fd < 0 || fchmod(source_fd, 0644) < 0)
		return og_fail(err, -errno, "make %s", path);
	r = og_write_all(source_fd, text, strlen(text));
	if (r < 0)
		return og_fail(err, r, "write %s", path);
	target_fd = open_target(root_fd, path, err);
	if (target_fd < 0)
		return target_fd;
	if (mount(source, og_fd_path(target_fd).text, NULL, MS_BIND, NULL) < 0)
		return og_fail(err, -errno, "lay %s over the image", path);
	return 0;
}

/* Kernel settings, before /proc/sys may become read-only. */
static int set_sysctl(const char *name, const char *value, struct og_err *err)
{
	og_auto_free char *path = og_strdupf("/proc/sys/%s", name);
	int r;

	if (path == NULL)
		return og_fail(err, -ENOMEM, "set %s", name);
	if (strstr(name, "..") != NULL || *name == '/')
		return og_fail(err, -EINVAL, "'%s' is no kernel setting", name);
	for (char *at = path + strlen("/proc/sys/"); *at != '\0'; at++) {
		if (*at == '.')
			*at = '/';
	}
	r = og_write_file(AT_FDCWD, path, value, err);
	return r < 0 ? og_fail_in(err, r, "set %s", name) : 0;
}

/* Nothing there to hide is as good. */
static int mask(int root_fd, const char *path, struct og_err *err)
{
	og_auto_fd fd = og_open_in_root(root_fd, path, O_PATH, 0);
	struct stat st;
	int r;

	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR ? 0 : og_fail(err, fd, "hide %s", path);
	if (fstat(fd, &st) < 0)
		return og_fail(err, -errno, "hide %s", path);
	/* Init's own /dev/null: nothing of the image. */
	r = S_ISDIR(st.st_mode) ? mount("tmpfs", og_fd_path(fd).text, "tmpfs", MS_RDONLY, "size=0")
				: mount("/dev/null", og_fd_path(fd).text, NULL, MS_BIND, NULL);
	return r < 0 ? og_fail(err, -errno, "hide %s", path) : 0;
}

static int make_readonly(int root_fd, const char *path, struct og_err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	og_auto_fd fd = og_open_in_root(root_fd, path, O_PATH, 0);
	og_auto_fd mounted_fd = -EBADF;

	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR ? 0 : og_fail(err, fd, "protect %s", path);
	if (mount(og_fd_path(fd).text, og_fd_path(fd).text, NULL, MS_BIND | MS_REC, NULL) < 0)
		return og_fail(err, -errno, "protect %s", path);
	mounted_fd = og_open_in_root(root_fd, path, O_PATH, 0);
	if (mounted_fd < 0)
		return og_fail(err, mounted_fd, "protect %s", path);
	if (syscall(SYS_mount_setattr, mounted_fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr,
		    sizeof(attr)) < 0)
		return og_fail(err, -errno, "protect %s", path);
	return 0;
}

static int for_each(int root_fd, const char *const *paths,
		    int (*fn)(int root_fd, const char *path, struct og_err *err),
		    struct og_err *err)
{
	for (; paths != NULL && *paths != NULL; paths++) {
		int r = fn(root_fd, *paths, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int furnish(int root_fd, const struct og_guest_start *start, struct og_err *err)
{
	int r = mount_all(root_fd, start->mounts, err);

	if (r == 0)
		r = make_devices(root_fd, err);
	for (const char *const *at = start->files; r == 0 && at != NULL && *at != NULL; at += 2)
		r = lay_file(root_fd, at[0], at[1], err);
	for (const char *const *at = start->sysctls; r == 0 && at != NULL && *at != NULL; at += 2)
		r = set_sysctl(at[0], at[1], err);
	if (r == 0)
		r = for_each(root_fd, start->readonly, make_readonly, err);
	if (r == 0)
		r = for_each(root_fd, start->masked, mask, err);
	return r;
}

static int enter_root(int root_fd, bool readonly, struct og_err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	if (readonly &&
	    syscall(SYS_mount_setattr, root_fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return og_fail(err, -errno, "make the root read-only");
	if (fchdir(root_fd) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return og_fail(err, -errno, "enter the root");
	return 0;
}

int og_world_enter(const struct og_guest_start *start, struct og_err *err)
{
	og_auto_fd root_fd = -EBADF;
	int r;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return og_fail(err, -errno, "keep mounts private");
	root_fd = open(OG_BOOT_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return og_fail(err, -errno, "open the root");
	if (start->hostname != NULL && sethostname(start->hostname, strlen(start->hostname)) < 0)
		return og_fail(err, -errno, "set the host name '%s'", start->hostname);
	r = furnish(root_fd, start, err);
	return r < 0 ? r : enter_root(root_fd, (start->flags & OG_GUEST_F_READONLY) != 0, err);
}
