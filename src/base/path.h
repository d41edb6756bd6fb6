/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths that strangers chose (images, users, mounted volumes). They are resolved by the kernel
 * under a directory descriptor, openat2(2), so that no "..", symbolic link or race leads out.
 */
#pragma once

#include <stdint.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"

/*
 * Opens @path as if @root_fd were "/": absolute links and ".." stay inside, magic links are
 * refused. @flags as for openat(), O_CLOEXEC is added. Returns a descriptor or a negative errno
 * (-ENOSYS where the kernel has no openat2: older than 5.6).
 */
int og_open_in_root(int root_fd, const char *path, int flags, mode_t mode);

/* Opens @path below @dir_fd and refuses every link and every way out (-ELOOP, -EXDEV). */
int og_open_beneath(int dir_fd, const char *path, int flags, mode_t mode);

/* Likewise, and refuses what another mount covers: for procfs, where a name is a promise. */
int og_open_same_mount(int dir_fd, const char *path, int flags);

/*
 * Makes @path and its missing parents directories inside @root_fd, links resolved as by
 * og_open_in_root(). Existing directories keep their mode. On success *@ret_fd (may be NULL) is
 * an O_PATH descriptor of the last one, the caller's. Errors: -ENOTDIR, or the kernel's.
 */
int og_mkdirs_in_root(int root_fd, const char *path, mode_t mode, int *ret_fd, struct og_err *err);

/* "/proc/self/fd/N", for system calls that take no descriptor. */
struct og_fd_path {
	char text[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
};
struct og_fd_path og_fd_path(int fd);

/*
 * Removes the tree @name below @dir_fd, itself included, without following a link or leaving the
 * file system it starts on. A missing @name is success.
 */
int og_remove_tree(int dir_fd, const char *name, struct og_err *err);
