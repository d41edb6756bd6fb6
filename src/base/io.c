/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

#define FIRST_BYTES 4096U

int og_write_all(int fd, const void *buf, size_t len)
{
	const uint8_t *at = buf;

	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += (size_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int og_send_all(int fd, const void *buf, size_t len)
{
	const uint8_t *at = buf;

	while (len > 0) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += (size_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int og_pwrite_all(int fd, const void *buf, size_t len, uint64_t offset)
{
	const uint8_t *at = buf;

	while (len > 0) {
		ssize_t n = pwrite(fd, at, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += (size_t)n;
		len -= (size_t)n;
		offset += (size_t)n;
	}
	return 0;
}

ssize_t og_read_upto(int fd, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(fd, (uint8_t *)buf + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

ssize_t og_pread_upto(int fd, void *buf, size_t len, uint64_t offset)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, (uint8_t *)buf + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* At most @max_bytes, or one more where there are more. */
static int read_some(int fd, size_t max_bytes, char **ret_buf, size_t *ret_len, struct og_err *err)
{
	char first[FIRST_BYTES]; /* holds most files whole */
	og_auto_free char *buf = NULL;
	size_t room = sizeof(first);
	size_t len = 0;

	for (;;) {
		char *into = buf != NULL ? buf : first;
		ssize_t n;

		if (room - len < 2) {
			char *moved = realloc(buf, room * 4);

			if (moved == NULL)
				return og_fail(err, -ENOMEM, "read %zu bytes", room * 4);
			if (buf == NULL)
				memcpy(moved, first, len);
			into = buf = moved;
			room *= 4;
		}
		n = read(fd, into + len, room - len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return og_fail(err, -errno, "read");
		len += (size_t)n;
		if (n == 0 || len > max_bytes)
			break;
	}

	len = len > max_bytes ? max_bytes + 1 : len;
	if (buf == NULL) {
		buf = malloc(len + 1);
		if (buf == NULL)
			return og_fail(err, -ENOMEM, "read %zu bytes", len);
		memcpy(buf, first, len);
	}
	buf[len] = '\0';
	*ret_buf = og_take_ptr(buf);
	*ret_len = len;
	return 0;
}

int og_read_all(int fd, size_t max_bytes, char **ret_buf, size_t *ret_len, struct og_err *err)
{
	og_auto_free char *buf = NULL;
	size_t len = 0;
	int r = read_some(fd, max_bytes, &buf, &len, err);

	if (r < 0)
		return r;
	if (len > max_bytes)
		return og_fail(err, -EFBIG, "more than %zu bytes", max_bytes);
	*ret_buf = og_take_ptr(buf);
	if (ret_len != NULL)
		*ret_len = len;
	return 0;
}

int og_read_file(int dir_fd, const char *path, size_t max_bytes, char **ret_buf, size_t *ret_len,
		 struct og_err *err)
{
	og_auto_fd fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int r;

	if (fd < 0)
		return og_fail(err, -errno, "open '%s'", path);
	r = og_read_all(fd, max_bytes, ret_buf, ret_len, err);
	if (r < 0)
		return og_fail_in(err, r, "read '%s'", path);
	return 0;
}

int og_read_head(int dir_fd, const char *path, size_t max_bytes, char **ret_buf, size_t *ret_len,
		 struct og_err *err)
{
	og_auto_fd fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int r = fd < 0 ? og_fail(err, -errno, "open '%s'", path)
		       : read_some(fd, max_bytes, ret_buf, ret_len, err);

	return r < 0 && fd >= 0 ? og_fail_in(err, r, "read '%s'", path) : r;
}

int og_replace_file(int dir_fd, const char *name, const void *buf, size_t len, mode_t mode,
		    bool durable, struct og_err *err)
{
	char tmp_name[256];
	struct timespec now = {}; /* no system call, unlike a process ID */
	og_auto_fd fd = -EBADF;
	int r;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if ((size_t)snprintf(tmp_name, sizeof(tmp_name), ".%s.%llx%08lx", name,
			     (unsigned long long)now.tv_sec,
			     (unsigned long)now.tv_nsec) >= sizeof(tmp_name))
		return og_fail(err, -ENAMETOOLONG, "write '%s'", name);

	fd = openat(dir_fd, tmp_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return og_fail(err, -errno, "create '%s'", name);

	r = og_write_all(fd, buf, len);
	if (r == 0 && durable && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat(dir_fd, tmp_name, dir_fd, name) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(dir_fd, tmp_name, 0);
		return og_fail(err, r, "write '%s'", name);
	}
	if (durable && fsync(dir_fd) < 0)
		return og_fail(err, -errno, "flush the folder of '%s'", name);
	return 0;
}

int og_write_file(int dir_fd, const char *path, const char *text, struct og_err *err)
{
	og_auto_fd fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	int r;

	if (fd < 0)
		return og_fail(err, -errno, "open '%s'", path);
	r = og_write_all(fd, text, strlen(text));
	if (r < 0)
		return og_fail(err, r, "write '%s' to '%s'", text, path);
	return 0;
}

int og_fail_fs(struct og_err *err, int code, int fs_fd, const char *what)
{
	char text[256]; /* "e ", and a sentence */
	ssize_t n = read(fs_fd, text, sizeof(text) - 1);

	if (n <= 2)
		return og_fail(err, code, "%s", what);
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return og_fail(err, code, "%s (%s)", what, text + 2);
}
