/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/spool.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/io.h"

int og_spool_file(struct og_err *err)
{
	const char *chosen = getenv("TMPDIR");
	const char *const folders[] = { chosen, "/var/tmp", "/tmp" };
	int fd;

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		if (folders[i] == NULL)
			continue;
		fd = open(folders[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		if (fd >= 0)
			return fd;
	}
	/* Where nothing may be written, memory must do. */
	fd = memfd_create("scan", MFD_CLOEXEC);
	return fd >= 0 ? fd : og_fail(err, -errno, "make a temporary file");
}

static int begin_in_memory(struct og_spool *spool, size_t size, struct og_err *err)
{
	if (size > spool->room) {
		free(spool->buf);
		spool->buf = malloc(size);
		spool->room = spool->buf != NULL ? size : 0;
		if (spool->buf == NULL)
			return og_fail(err, -ENOMEM, "no memory");
	}
	if (size > 0)
		memset(spool->buf, 0, size);
	return 0;
}

int og_spool_begin(struct og_spool *spool, uint64_t size, struct og_err *err)
{
	spool->size = size;
	spool->in_file = size > OG_SPOOL_MEMORY;
	if (!spool->in_file)
		return begin_in_memory(spool, (size_t)size, err);
	if (spool->fd < 0)
		spool->fd = og_spool_file(err);
	if (spool->fd < 0)
		return spool->fd;
	if (ftruncate(spool->fd, 0) < 0 || ftruncate(spool->fd, (off_t)size) < 0)
		return og_fail(err, -errno, "make room for %llu bytes", (unsigned long long)size);
	return 0;
}

int og_spool_write(struct og_spool *spool, uint64_t offset, const void *buf, size_t len,
		   struct og_err *err)
{
	int r;

	if (offset > spool->size || len > spool->size - offset)
		return og_fail(err, -ERANGE, "a file longer than it said");
	if (!spool->in_file) {
		if (len > 0)
			memcpy(spool->buf + offset, buf, len);
		return 0;
	}
	r = og_pwrite_all(spool->fd, buf, len, offset);
	return r < 0 ? og_fail(err, r, "write a temporary file") : 0;
}

static int read_spool(void *data, uint64_t offset, void *buf, size_t len)
{
	const struct og_spool *spool = data;
	ssize_t n;

	if (!spool->in_file) {
		memcpy(buf, spool->buf + offset, len);
		return 0;
	}
	n = og_pread_upto(spool->fd, buf, len, offset);
	return n < 0 ? (int)n : (size_t)n == len ? 0 : -EIO;
}

struct og_bytes og_spool_bytes(struct og_spool *spool)
{
	return (struct og_bytes){ read_spool, spool, spool->size };
}

void og_spool_done(struct og_spool *spool)
{
	free(spool->buf);
	spool->fd = og_close(spool->fd);
	spool->buf = NULL;
}
