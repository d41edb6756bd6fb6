/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Keeps every sum of an offset and a length inside a signed file offset. */
#define DISK_BYTES_MAX (1ULL << 62)

static int file_bytes(int fd, uint64_t *ret_bytes)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISBLK(st.st_mode))
		return ioctl(fd, BLKGETSIZE64, ret_bytes) < 0 ? -errno : 0;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	*ret_bytes = (uint64_t)st.st_size;
	return 0;
}

int og_disk_init(struct og_disk *disk, struct og_disk_part *parts, unsigned n_parts, bool readonly,
		 struct og_err *err)
{
	uint64_t end = 0;

	if (n_parts == 0 || n_parts > OG_DISK_PARTS_MAX)
		return og_fail(err, -EINVAL, "disk of %u parts (1 to %d)", n_parts,
			       OG_DISK_PARTS_MAX);
	if (!readonly && n_parts > 1)
		return og_fail(err, -EINVAL, "disk of several parts must be read-only");

	for (unsigned i = 0; i < n_parts; i++) {
		int r = file_bytes(parts[i].fd, &parts[i].bytes);

		if (r < 0)
			return og_fail(err, r, "part %u of disk is no file or block device", i);
		if (parts[i].offset < end)
			return og_fail(err, -EINVAL, "part %u of disk begins inside part %u", i,
				       i - 1);
		if (parts[i].offset > DISK_BYTES_MAX ||
		    parts[i].bytes > DISK_BYTES_MAX - parts[i].offset)
			return og_fail(err, -EINVAL, "part %u of disk ends too far out", i);
		end = parts[i].offset + parts[i].bytes;
	}

	*disk = (struct og_disk){ .parts = parts, .n_parts = n_parts, .readonly = readonly };
	disk->bytes = (end + OG_SECTOR_BYTES - 1) / OG_SECTOR_BYTES * OG_SECTOR_BYTES;
	if (!readonly) /* nothing can be written behind the file's end */
		disk->bytes = end / OG_SECTOR_BYTES * OG_SECTOR_BYTES;
	return 0;
}

/* Drops the first @done bytes of an iovec. */
static void advance(struct iovec **iov, size_t *n, size_t done)
{
	while (*n > 0 && done >= (*iov)->iov_len) {
		done -= (*iov)->iov_len;
		(*iov)++;
		(*n)--;
	}
	if (*n > 0) {
		(*iov)->iov_base = (uint8_t *)(*iov)->iov_base + done;
		(*iov)->iov_len -= done;
	}
}

/* A window on the first @len bytes of an iovec: its last entry is shortened and restored. */
struct window {
	size_t n;
	size_t cut; /* bytes taken from the last entry */
	size_t len;
};

static struct window open_window(struct iovec *iov, size_t n, uint64_t len)
{
	struct window window = {};

	while (window.n < n && window.len < len)
		window.len += iov[window.n++].iov_len;
	if (window.len > len) {
		window.cut = window.len - len;
		iov[window.n - 1].iov_len -= window.cut;
		window.len -= window.cut;
	}
	return window;
}

static void close_window(struct iovec *iov, const struct window *window)
{
	if (window->n > 0)
		iov[window->n - 1].iov_len += window->cut;
}

static void zero(const struct iovec *iov, size_t n)
{
	for (size_t i = 0; i < n; i++)
		memset(iov[i].iov_base, 0, iov[i].iov_len);
}

/* Where @offset lies: in a part (returned), or before one or none (NULL), and how far that goes. */
static const struct og_disk_part *find(const struct og_disk *disk, uint64_t offset,
				       uint64_t *ret_bytes)
{
	*ret_bytes = UINT64_MAX;
	for (unsigned i = 0; i < disk->n_parts; i++) {
		const struct og_disk_part *part = &disk->parts[i];

		if (offset < part->offset) {
			*ret_bytes = part->offset - offset;
			return NULL;
		}
		if (offset - part->offset < part->bytes) {
			*ret_bytes = part->bytes - (offset - part->offset);
			return part;
		}
	}
	return NULL;
}

/* Fills part of a window; returns the bytes done. A file that became shorter is an error. */
static ssize_t read_window(const struct og_disk_part *part, uint64_t offset, struct iovec *iov,
			   const struct window *window)
{
	ssize_t got;

	if (part == NULL) {
		zero(iov, window->n);
		return (ssize_t)window->len;
	}
	got = preadv(part->fd, iov, (int)window->n, (off_t)(offset - part->offset));
	if (got < 0)
		return -errno;
	return got > 0 ? got : -EIO;
}

int og_disk_read(const struct og_disk *disk, uint64_t offset, struct iovec *iov, size_t n)
{
	while (n > 0) {
		uint64_t bytes;
		const struct og_disk_part *part = find(disk, offset, &bytes);
		struct window window = open_window(iov, n, bytes);
		ssize_t done = read_window(part, offset, iov, &window);

		close_window(iov, &window);
		if (done == -EINTR)
			continue;
		if (done < 0)
			return (int)done;
		advance(&iov, &n, (size_t)done);
		offset += (size_t)done;
	}
	return 0;
}

int og_disk_write(const struct og_disk *disk, uint64_t offset, struct iovec *iov, size_t n)
{
	while (n > 0) {
		ssize_t done = pwritev(disk->parts[0].fd, iov, (int)n,
				       (off_t)(offset - disk->parts[0].offset));

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		if (done == 0)
			return -EIO;
		advance(&iov, &n, (size_t)done);
		offset += (size_t)done;
	}
	return 0;
}

/* Where the file system has no operation for it: one block of zeros, many times in a call. */
static int write_zeros(int fd, uint64_t offset, uint64_t bytes)
{
	static const uint8_t zeros[4096];
	struct iovec iov[16];

	while (bytes > 0) {
		int n = 0;
		ssize_t done;

		for (uint64_t left = bytes; left > 0 && n < 16; n++) {
			size_t len = left < sizeof(zeros) ? (size_t)left : sizeof(zeros);

			iov[n] = (struct iovec){ (void *)(uintptr_t)zeros, len };
			left -= len;
		}
		done = pwritev(fd, iov, n, (off_t)offset);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done < 0 ? -errno : -EIO;
		offset += (size_t)done;
		bytes -= (size_t)done;
	}
	return 0;
}

int og_disk_zero(const struct og_disk *disk, uint64_t offset, uint64_t bytes, bool discard)
{
	int mode = FALLOC_FL_KEEP_SIZE | (discard ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE);
	int fd = disk->parts[0].fd, r;

	if (bytes == 0)
		return 0;
	offset -= disk->parts[0].offset;
	do {
		r = fallocate(fd, mode, (off_t)offset, (off_t)bytes) < 0 ? -errno : 0;
	} while (r == -EINTR);
	if (r != -EOPNOTSUPP)
		return r;
	return discard ? 0 : write_zeros(fd, offset, bytes);
}

int og_disk_flush(const struct og_disk *disk)
{
	return fdatasync(disk->parts[0].fd) < 0 ? -errno : 0;
}
