/* SPDX-License-Identifier: Apache-2.0 */
/* Whole reads and writes: interrupted and short calls are carried on here and nowhere else. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Writes all of @buf. Returns 0 or a negative errno. */
int og_write_all(int fd, const void *buf, size_t len);

/* Likewise into a socket; a peer that is gone is -EPIPE and no signal. */
int og_send_all(int fd, const void *buf, size_t len);

/* Likewise, at @offset of a file. */
int og_pwrite_all(int fd, const void *buf, size_t len, uint64_t offset);

/* Reads until @len bytes or end of file. Returns the bytes read or a negative errno. */
ssize_t og_read_upto(int fd, void *buf, size_t len);

/* Likewise, at @offset of a file. */
ssize_t og_pread_upto(int fd, void *buf, size_t len, uint64_t offset);

/*
 * Reads the rest of @fd. On success *@ret_buf is the caller's to free, has a NUL behind its last
 * byte, and *@ret_len (may be NULL) is its length without that NUL.
 *
 * Errors: -EFBIG (more than @max_bytes), -ENOMEM, or what read() says.
 */
int og_read_all(int fd, size_t max_bytes, char **ret_buf, size_t *ret_len, struct og_err *err);

/* og_read_all() of a file of ours; @path is trusted. Errors: also what openat() says. */
int og_read_file(int dir_fd, const char *path, size_t max_bytes, char **ret_buf, size_t *ret_len,
		 struct og_err *err);

/*
 * Likewise, but of a file with more than @max_bytes gives the first @max_bytes + 1: for a reader
 * who can say what makes it so long.
 */
int og_read_head(int dir_fd, const char *path, size_t max_bytes, char **ret_buf, size_t *ret_len,
		 struct og_err *err);

/*
 * Replaces the file @name in @dir_fd by @buf: readers see the old content or the new, never part
 * of one, even after a power cut when @durable. @name is ours, never a stranger's.
 */
int og_replace_file(int dir_fd, const char *name, const void *buf, size_t len, mode_t mode,
		    bool durable, struct og_err *err);

/*
 * @code and @what, and what the file system itself has to say of it: @fs_fd is of fsopen() or fspick().
 * Returns @code.
 */
int og_fail_fs(struct og_err *err, int code, int fs_fd, const char *what);

/* Writes @text to an existing file such as those of /proc and cgroups. @path is trusted. */
int og_write_file(int dir_fd, const char *path, const char *text, struct og_err *err);
