/* SPDX-License-Identifier: Apache-2.0 */
#include "base/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A name that must be retried because the tree moved below it; a race is never lost for ever. */
#define RACE_TRIES_MAX 128

/* Deeper than any tree that a file system of ours holds: PATH_MAX / 2 components. */
#define TREE_DEPTH_MAX 2048

static int open_how(int dir_fd, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned int)flags | O_CLOEXEC,
		.mode = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? mode : 0,
		.resolve = resolve,
	};

	for (int tries = 0;; tries++) {
		long fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));

		if (fd >= 0)
			return (int)fd;
		if (errno == EINTR || (errno == EAGAIN && tries < RACE_TRIES_MAX))
			continue;
		return -errno;
	}
}

int og_open_in_root(int root_fd, const char *path, int flags, mode_t mode)
{
	return open_how(root_fd, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int og_open_beneath(int dir_fd, const char *path, int flags, mode_t mode)
{
	return open_how(dir_fd, path, flags, mode, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

int og_open_same_mount(int dir_fd, const char *path, int flags)
{
	return open_how(dir_fd, path, flags, 0,
			RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
}

int og_mkdirs_in_root(int root_fd, const char *path, mode_t mode, int *ret_fd, struct og_err *err)
{
	og_auto_fd fd = og_open_in_root(root_fd, path, O_PATH | O_DIRECTORY, 0);
	char prefix[PATH_MAX];
	size_t len = strlen(path);
	size_t end = 0;

	if (fd < 0 && fd != -ENOENT)
		return og_fail(err, fd, "open folder '%s'", path);
	if (len >= sizeof(prefix))
		return og_fail(err, -ENAMETOOLONG, "make folder '%.64s...'", path);

	/* Prefix by prefix: each is resolved from the root again, so links count as they do now. */
	while (fd < 0 && end < len) {
		og_auto_fd parent_fd = -EBADF;
		size_t start = end + strspn(path + end, "/");

		end = start + strcspn(path + start, "/");
		if (end == start)
			break;
		memcpy(prefix, path, start);
		prefix[start] = '\0';
		parent_fd = og_open_in_root(root_fd, start == 0 ? "." : prefix,
					    O_PATH | O_DIRECTORY, 0);
		if (parent_fd < 0)
			return og_fail(err, parent_fd, "open folder '%s'", prefix);
		memcpy(prefix, path + start, end - start);
		prefix[end - start] = '\0';
		if (mkdirat(parent_fd, prefix, mode) < 0 && errno != EEXIST)
			return og_fail(err, -errno, "make folder '%s'", path);
	}
	if (fd < 0)
		fd = og_open_in_root(root_fd, path, O_PATH | O_DIRECTORY, 0);
	if (fd < 0)
		return og_fail(err, fd, "make folder '%s'", path);
	if (ret_fd != NULL)
		*ret_fd = og_take_fd(&fd);
	return 0;
}

struct og_fd_path og_fd_path(int fd)
{
	struct og_fd_path path;

	(void)snprintf(path.text, sizeof(path.text), "/proc/self/fd/%d", fd);
	return path;
}

static int remove_below(int dir_fd, const char *name, dev_t dev, int depth);

static int remove_entries(DIR *dir, dev_t dev, int depth)
{
	for (;;) {
		struct dirent *entry;
		int r;

		errno = 0;
		entry = readdir(dir);
		if (entry == NULL)
			return -errno;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		r = remove_below(dirfd(dir), entry->d_name, dev, depth + 1);
		if (r < 0)
			return r;
	}
}

/* @dev 0: the file system is that of the directory itself. */
static int remove_below(int dir_fd, const char *name, dev_t dev, int depth)
{
	struct stat st;
	DIR *dir;
	int fd;
	int r;

	if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	if (depth > TREE_DEPTH_MAX)
		return -ELOOP;

	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (dir == NULL) {
		r = -errno;
		og_close(fd);
		return r;
	}
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (dev != 0 && st.st_dev != dev)
		r = -EXDEV;
	else
		r = remove_entries(dir, st.st_dev, depth);
	(void)closedir(dir);
	if (r == 0 && unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = -errno;
	return r;
}

int og_remove_tree(int dir_fd, const char *name, struct og_err *err)
{
	int r = remove_below(dir_fd, name, 0, 0);

	if (r < 0)
		return og_fail(err, r, "remove '%s'", name);
	return 0;
}
