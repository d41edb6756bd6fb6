/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/mounts.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/path.h"
#include "base/text.h"

/* Linux allows 40 overlay layers and more; an image has at most 127. */
#define PARTS_MAX 256U

/* A free loop device may be taken by another program between asking and using. */
#define LOOP_TRIES 64

/* "/dev/loop4294967295", "/proc/self/fd/4294967295" */
#define PATH_ROOM 32

struct mount {
	char *key; /* path of parts[0] below the data root */
	int fd;
	uint64_t used_ms;
};

struct og_mounts {
	int data_root_fd; /* borrowed */
	pthread_mutex_t lock;
	struct mount items[OG_MOUNTS_MAX];
	size_t count;
};

int og_mounts_new(int data_root_fd, struct og_mounts **ret_mounts, struct og_err *err)
{
	struct og_mounts *mounts = calloc(1, sizeof(*mounts));

	if (mounts == NULL)
		return og_fail(err, -ENOMEM, "make mounts");
	mounts->data_root_fd = data_root_fd;
	(void)pthread_mutex_init(&mounts->lock, NULL);
	*ret_mounts = mounts;
	return 0;
}

static void drop(struct og_mounts *mounts, size_t index)
{
	free(mounts->items[index].key);
	og_close(mounts->items[index].fd);
	mounts->items[index] = mounts->items[--mounts->count];
}

struct og_mounts *og_mounts_free(struct og_mounts *mounts)
{
	if (mounts == NULL)
		return NULL;
	while (mounts->count > 0)
		drop(mounts, 0);
	(void)pthread_mutex_destroy(&mounts->lock);
	free(mounts);
	return NULL;
}

/* ---- making a mount ---- */

/* A loop device on @file_fd that goes away with its last user. Returns its descriptor; its path is in @path. */
static int attach_loop(int file_fd, char path[PATH_ROOM], struct og_err *err)
{
	struct loop_config config = {
		.fd = (uint32_t)file_fd,
		.info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR,
	};
	og_auto_fd control_fd = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

	if (control_fd < 0)
		return og_fail(err, -errno, "open /dev/loop-control (load the module 'loop')");
	for (int tries = 0; tries < LOOP_TRIES; tries++) {
		og_auto_fd loop_fd = -EBADF;
		int number = ioctl(control_fd, LOOP_CTL_GET_FREE);

		if (number < 0)
			return og_fail(err, -errno, "get a free loop device");
		(void)snprintf(path, PATH_ROOM, "/dev/loop%d", number);
		loop_fd = open(path, O_RDONLY | O_CLOEXEC);
		if (loop_fd < 0)
			return og_fail(err, -errno, "open %s", path);
		if (ioctl(loop_fd, LOOP_CONFIGURE, &config) == 0)
			return og_take_fd(&loop_fd);
		if (errno != EBUSY)
			return og_fail(err, -errno, "set up %s", path);
	}
	return og_fail(err, -EBUSY, "no loop device stays free");
}

struct parts {
	char paths[PARTS_MAX][PATH_ROOM];
	int fds[PARTS_MAX];
	size_t count;
};

static void parts_done(struct parts *parts)
{
	for (size_t i = 0; i < parts->count; i++)
		og_close(parts->fds[i]);
	free(parts);
}

static void parts_donep(struct parts **parts)
{
	if (*parts != NULL)
		parts_done(*parts);
}

/* Opens the files, by way of loop devices when @loops. */
static int open_parts(struct og_mounts *mounts, const struct og_rootfs *rootfs, bool loops,
		      struct parts *parts, struct og_err *err)
{
	for (size_t i = 0; i < rootfs->count; i++) {
		const char *path = rootfs->parts[i].path;
		int fd = og_open_beneath(mounts->data_root_fd, path, O_RDONLY, 0);

		if (fd < 0)
			return og_fail(err, fd, "open '%s'", path);
		if (loops) {
			int loop_fd = attach_loop(fd, parts->paths[i], err);

			og_close(fd);
			if (loop_fd < 0)
				return loop_fd;
			fd = loop_fd;
		} else {
			(void)snprintf(parts->paths[i], sizeof(parts->paths[i]), "%s",
				       og_fd_path(fd).text);
		}
		parts->fds[i] = fd;
		parts->count = i + 1;
	}
	return 0;
}

static int make_mount(const struct parts *parts, struct og_err *err)
{
	og_auto_fd fs_fd = fsopen("erofs", FSOPEN_CLOEXEC);
	int fd;

	if (fs_fd < 0 && errno == ENODEV)
		return og_fail(err, -errno, "this kernel has no EROFS (load the module 'erofs')");
	if (fs_fd < 0)
		return og_fail(err, -errno, "mount image");
	if (fsconfig(fs_fd, FSCONFIG_SET_STRING, "source", parts->paths[0], 0) < 0)
		return og_fail_fs(err, -errno, fs_fd, "mount image");
	for (size_t i = 1; i < parts->count; i++) {
		if (fsconfig(fs_fd, FSCONFIG_SET_STRING, "device", parts->paths[i], 0) < 0)
			return og_fail_fs(err, -errno, fs_fd, "mount image's layer");
	}
	(void)fsconfig(fs_fd, FSCONFIG_SET_FLAG, "ro", NULL, 0);
	if (fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return og_fail_fs(err, -errno, fs_fd, "mount image");
	fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY);
	return fd < 0 ? og_fail(err, -errno, "mount image") : fd;
}

static int mount_rootfs(struct og_mounts *mounts, const struct og_rootfs *rootfs, bool loops,
			struct og_err *err)
{
	og_cleanup(parts_donep) struct parts *parts = calloc(1, sizeof(*parts));
	int r;

	if (parts == NULL)
		return og_fail(err, -ENOMEM, "mount image");
	if (rootfs->count == 0 || rootfs->count > PARTS_MAX)
		return og_fail(err, -E2BIG, "an image of %zu layers cannot be mounted",
			       rootfs->count);
	r = open_parts(mounts, rootfs, loops, parts, err);
	return r < 0 ? r : make_mount(parts, err);
}

/* File-backed where the kernel can (6.12), else over loop devices: found out by trying. */
static int mount_any(struct og_mounts *mounts, const struct og_rootfs *rootfs, struct og_err *err)
{
	int fd = mount_rootfs(mounts, rootfs, false, err);

	if (fd == -ENOTBLK || fd == -EINVAL || fd == -ENODEV)
		fd = mount_rootfs(mounts, rootfs, true, err);
	return fd;
}

/* ---- the list; with the lock held ---- */

static struct mount *lookup(struct og_mounts *mounts, const char *key)
{
	for (size_t i = 0; i < mounts->count; i++) {
		if (og_streq(mounts->items[i].key, key))
			return &mounts->items[i];
	}
	return NULL;
}

static void drop_oldest(struct og_mounts *mounts)
{
	size_t oldest = 0;

	for (size_t i = 1; i < mounts->count; i++) {
		if (mounts->items[i].used_ms < mounts->items[oldest].used_ms)
			oldest = i;
	}
	drop(mounts, oldest);
}

static int get(struct og_mounts *mounts, const struct og_rootfs *rootfs, int *ret_fd,
	       struct og_err *err)
{
	const char *key = rootfs->count == 0 ? "" : rootfs->parts[0].path;
	struct mount *mount = lookup(mounts, key);
	int clone_fd;

	if (mount == NULL) {
		int fd = mount_any(mounts, rootfs, err);

		if (fd < 0)
			return fd;
		if (mounts->count == OG_MOUNTS_MAX)
			drop_oldest(mounts);
		mount = &mounts->items[mounts->count++];
		*mount = (struct mount){ .key = strdup(key), .fd = fd };
	}
	mount->used_ms = og_clock_ms();
	clone_fd = open_tree(mount->fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	/* Before Linux 6.15 a detached mount cannot be cloned: then each has one of its own. */
	if (clone_fd < 0)
		clone_fd = mount_any(mounts, rootfs, err);
	if (clone_fd < 0)
		return clone_fd;
	*ret_fd = clone_fd;
	return 0;
}

int og_mounts_get(struct og_mounts *mounts, const struct og_rootfs *rootfs, int *ret_fd,
		  struct og_err *err)
{
	int r;

	(void)pthread_mutex_lock(&mounts->lock);
	r = get(mounts, rootfs, ret_fd, err);
	(void)pthread_mutex_unlock(&mounts->lock);
	return r;
}

void og_mounts_forget(struct og_mounts *mounts)
{
	(void)pthread_mutex_lock(&mounts->lock);
	for (size_t i = mounts->count; i-- > 0;) {
		if (faccessat(mounts->data_root_fd, mounts->items[i].key, F_OK, 0) < 0)
			drop(mounts, i);
	}
	(void)pthread_mutex_unlock(&mounts->lock);
}
