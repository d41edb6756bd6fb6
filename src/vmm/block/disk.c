/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/block/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/block/qcow2.h"
#include "vmm/block/window.h"

/* Keeps every sum of an offset and a length inside a signed file offset. */
#define DISK_BYTES_MAX (1ULL << 62)

int og_disk_file_bytes(int fd, uint64_t *ret_bytes)
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
			   const struct og_window *window)
{
	ssize_t got;

	if (part == NULL) {
		og_iov_zero(iov, window->n);
		return (ssize_t)window->len;
	}
	got = preadv(part->fd, iov, (int)window->n, (off_t)(offset - part->offset));
	if (got < 0)
		return -errno;
	return got > 0 ? got : -EIO;
}

static int raw_read(const struct og_disk *disk, uint64_t offset, struct iovec *iov, size_t n)
{
	while (n > 0) {
		uint64_t bytes;
		const struct og_disk_part *part = find(disk, offset, &bytes);
		struct og_window window = og_window_open(iov, n, bytes);
		ssize_t done = read_window(part, offset, iov, &window);

		og_window_close(iov, &window);
		if (done == -EINTR)
			continue;
		if (done < 0)
			return (int)done;
		og_iov_advance(&iov, &n, (size_t)done);
		offset += (size_t)done;
	}
	return 0;
}

static int raw_write(const struct og_disk *disk, uint64_t offset, struct iovec *iov, size_t n)
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
		og_iov_advance(&iov, &n, (size_t)done);
		offset += (size_t)done;
	}
	return 0;
}

/* Where the file system has no operation for it: one block of zeros, many times in a call. */
static int write_zeros(int fd, uint64_t offset, uint64_t bytes)
{
	const uint8_t zeros[4096] = {};
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

static int raw_zero(const struct og_disk *disk, uint64_t offset, uint64_t bytes, bool discard)
{
	int mode = FALLOC_FL_KEEP_SIZE | (discard ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE);
	int fd = disk->parts[0].fd, r;

	offset -= disk->parts[0].offset;
	do {
		r = fallocate(fd, mode, (off_t)offset, (off_t)bytes) < 0 ? -errno : 0;
	} while (r == -EINTR);
	if (r != -EOPNOTSUPP)
		return r;
	return discard ? 0 : write_zeros(fd, offset, bytes);
}

static int raw_flush(const struct og_disk *disk)
{
	return fdatasync(disk->parts[0].fd) < 0 ? -errno : 0;
}

static const struct og_disk_ops raw_ops = {
	.read = raw_read,
	.write = raw_write,
	.zero = raw_zero,
	.flush = raw_flush,
};

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
		int r = og_disk_file_bytes(parts[i].fd, &parts[i].bytes);

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

	*disk = (struct og_disk){
		.parts = parts, .n_parts = n_parts, .readonly = readonly, .ops = &raw_ops
	};
	disk->bytes = (end + OG_SECTOR_BYTES - 1) / OG_SECTOR_BYTES * OG_SECTOR_BYTES;
	if (!readonly) /* nothing can be written behind the file's end */
		disk->bytes = end / OG_SECTOR_BYTES * OG_SECTOR_BYTES;
	return 0;
}

static int open_raw(struct og_disk *disk, const struct og_disk_source *source, struct og_err *err)
{
	if (source->has_backing)
		return og_fail_plain(err, -EINVAL, "a raw disk has no backing file");
	return og_disk_init(disk, source->parts, source->n_parts, source->readonly, err);
}

/* In the order of enum og_disk_format. */
static int (*const formats[])(struct og_disk *disk, const struct og_disk_source *source,
			      struct og_err *err) = { open_raw, og_qcow2_open };

int og_disk_open(struct og_disk *disk, const struct og_disk_source *source, struct og_err *err)
{
	if ((unsigned)source->format >= sizeof(formats) / sizeof(formats[0]))
		return og_fail(err, -EINVAL, "unknown format of disk");
	return formats[source->format](disk, source, err);
}

void og_disk_done(struct og_disk *disk)
{
	if (disk->ops != NULL && disk->ops->done != NULL)
		disk->ops->done(disk);
	disk->ops = NULL;
}

bool og_disk_is_plain(const struct og_disk *disk)
{
	return disk->ops == &raw_ops && disk->n_parts == 1;
}

int og_disk_read(const struct og_disk *disk, uint64_t offset, struct iovec *iov, size_t n)
{
	return disk->ops->read(disk, offset, iov, n);
}

int og_disk_write(const struct og_disk *disk, uint64_t offset, struct iovec *iov, size_t n)
{
	return disk->ops->write(disk, offset, iov, n);
}

int og_disk_zero(const struct og_disk *disk, uint64_t offset, uint64_t bytes, bool discard)
{
	return bytes > 0 ? disk->ops->zero(disk, offset, bytes, discard) : 0;
}

int og_disk_flush(const struct og_disk *disk)
{
	return disk->ops->flush(disk);
}
