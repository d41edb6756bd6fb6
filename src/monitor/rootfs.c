/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/path.h"

#define ROOTFS_NAME "rootfs"
#define LOWER_NAME  "lower"

int og_rootfs_isolate(struct og_err *err)
{
	if (unshare(CLONE_NEWNS) < 0)
		return og_fail(err, -errno, "enter a new mount namespace");
	/* Slave, not private: else every file system of the host stayed busy as long as we live. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return og_fail(err, -errno, "keep mounts from the host");
	return 0;
}

static int make_dir(int dir_fd, const char *name, struct og_err *err)
{
	if (mkdirat(dir_fd, name, 0755) < 0 && errno != EEXIST)
		return og_fail(err, -errno, "make folder '%s' of the bundle", name);
	return 0;
}

/* The kernel's own words about a mount that failed are in the context's log: the first line. */
static int fail_mount(int fs_fd, const char *what, struct og_err *err)
{
	int code = -errno;
	char text[256];
	ssize_t n = read(fs_fd, text, sizeof(text) - 1);

	if (n <= 0)
		return og_fail(err, code, "mount the root file system: %s", what);
	text[n] = '\0';
	return og_fail(err, code, "mount the root file system: %s: %s", what, text);
}

/* Descriptors name the folders, so that no character of a path can be taken for a separator. */
static int set_folder(int fs_fd, const char *key, int fd, struct og_err *err)
{
	struct og_fd_path path = og_fd_path(fd);

	if (fsconfig(fs_fd, FSCONFIG_SET_STRING, key, path.text, 0) < 0)
		return fail_mount(fs_fd, key, err);
	return 0;
}

static int open_folder(const char *path, int *ret_fd, struct og_err *err)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return og_fail(err, -errno, "open '%s'", path);
	*ret_fd = fd;
	return 0;
}

static int make_overlay(int lower_fd, const char *upper, const char *work, int *ret_mount_fd,
			struct og_err *err)
{
	og_auto_fd fs_fd = fsopen("overlay", FSOPEN_CLOEXEC);
	og_auto_fd upper_fd = -EBADF;
	og_auto_fd work_fd = -EBADF;
	int mount_fd;
	int r;

	if (fs_fd < 0)
		return og_fail(err, -errno, "open file system 'overlay'");
	r = open_folder(upper, &upper_fd, err);
	if (r == 0)
		r = open_folder(work, &work_fd, err);
	if (r == 0)
		r = set_folder(fs_fd, "lowerdir", lower_fd, err);
	if (r == 0)
		r = set_folder(fs_fd, "upperdir", upper_fd, err);
	if (r == 0)
		r = set_folder(fs_fd, "workdir", work_fd, err);
	if (r < 0)
		return r;
	(void)fsconfig(fs_fd, FSCONFIG_SET_STRING, "source", "onggi", 0);
	if (fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return fail_mount(fs_fd, upper, err);
	mount_fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, 0);
	if (mount_fd < 0)
		return fail_mount(fs_fd, upper, err);
	*ret_mount_fd = mount_fd;
	return 0;
}

int og_rootfs_mount(int bundle_fd, int lower_fd, const char *upper, const char *work,
		    struct og_err *err)
{
	og_auto_fd mounted_lower_fd = -EBADF;
	og_auto_fd mount_fd = -EBADF;
	int r;

	r = make_dir(bundle_fd, ROOTFS_NAME, err);
	if (r == 0)
		r = make_dir(bundle_fd, LOWER_NAME, err);
	if (r < 0)
		return r;
	/* Overlay takes only folders of this namespace, so the image is mounted for a moment. */
	if (move_mount(lower_fd, "", bundle_fd, LOWER_NAME, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return og_fail(err, -errno, "mount the image");
	mounted_lower_fd = openat(bundle_fd, LOWER_NAME, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (mounted_lower_fd < 0)
		return og_fail(err, -errno, "open the mounted image");
	r = make_overlay(mounted_lower_fd, upper, work, &mount_fd, err);
	if (r < 0)
		return r;
	if (move_mount(mount_fd, "", bundle_fd, ROOTFS_NAME, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return og_fail(err, -errno, "mount the root file system");
	(void)umount2(og_fd_path(mounted_lower_fd).text, MNT_DETACH);
	return 0;
}

void og_rootfs_unmount(int bundle_fd)
{
	og_auto_fd fd = openat(bundle_fd, ROOTFS_NAME, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		(void)umount2(og_fd_path(fd).text, MNT_DETACH);
}
