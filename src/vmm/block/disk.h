/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a block device shows: files laid at offsets of one range of bytes, zeros between them.
 * An image's merged metadata and its layers become one disk this way, without a copy.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/err.h"

/* Sized for an image of 127 layers and its metadata: more than any registry takes. */
#define OG_DISK_PARTS_MAX 128
#define OG_SECTOR_BYTES	  512ULL

struct og_disk_part {
	int fd; /* a regular file or block device; borrowed */
	uint64_t offset;
	uint64_t bytes; /* filled in by og_disk_init() */
};

enum og_disk_format {
	OG_DISK_RAW,
	OG_DISK_QCOW2,
};

/*
 * What a disk is made of. Descriptors and arrays are borrowed and outlive it. The format is what
 * whoever opened the file says: it is never guessed from what the file says of itself.
 */
struct og_disk_source {
	struct og_disk_part *parts;
	unsigned n_parts; /* qcow2: 1 */
	bool readonly;
	enum og_disk_format format;

	/* What a qcow2 image is a change of. The name in the image is never opened. */
	bool has_backing;
	struct og_disk_part *backing;
	enum og_disk_format backing_format;
};

struct og_disk;

/* One format. The ranges were judged; nothing is written to a read-only disk. */
struct og_disk_ops {
	int (*read)(const struct og_disk *disk, uint64_t offset, struct iovec *iov, size_t n);
	int (*write)(const struct og_disk *disk, uint64_t offset, struct iovec *iov, size_t n);
	int (*zero)(const struct og_disk *disk, uint64_t offset, uint64_t bytes, bool discard);
	int (*flush)(const struct og_disk *disk);
	void (*done)(struct og_disk *disk); /* may be NULL */
};

struct og_disk {
	const struct og_disk_ops *ops;
	void *format;		    /* what @ops keep */
	struct og_disk_part *parts; /* in the order of their offsets; borrowed */
	unsigned n_parts;
	bool readonly;
	uint64_t bytes; /* to the end of the last part, in whole sectors */
};

/*
 * Looks at the sizes of @parts, whose memory and descriptors stay the caller's and must outlive the
 * disk. Errors: -EINVAL (no part, parts out of order or overlapping, an end beyond 2^62, a
 * writable disk of several parts), or what fstat() says.
 */
int og_disk_init(struct og_disk *disk, struct og_disk_part *parts, unsigned n_parts, bool readonly,
		 struct og_err *err);

/*
 * Likewise, by the format. On success og_disk_done() is the caller's to call. Errors: those above,
 * -EBADMSG (an image that cannot be), -EOPNOTSUPP (what it needs is not done here), -ENOMEM.
 */
int og_disk_open(struct og_disk *disk, const struct og_disk_source *source, struct og_err *err);
void og_disk_done(struct og_disk *disk);

/* Whether the disk is one file, byte by byte. */
bool og_disk_is_plain(const struct og_disk *disk);

/* The size of a regular file or block device. Errors: -EINVAL (it is neither), of fstat(). */
int og_disk_file_bytes(int fd, uint64_t *ret_bytes);

/*
 * Moves all of @iov, which it may change, from or to @offset. The range must lie inside the disk.
 * Returns 0 or a negative errno.
 */
int og_disk_read(const struct og_disk *disk, uint64_t offset, struct iovec *iov, size_t n);
int og_disk_write(const struct og_disk *disk, uint64_t offset, struct iovec *iov, size_t n);

/*
 * Makes a range inside the disk read as zeros; with @discard its room may be given back, and where
 * the file system cannot do that, nothing happens. Returns 0 or a negative errno.
 */
int og_disk_zero(const struct og_disk *disk, uint64_t offset, uint64_t bytes, bool discard);

/* Makes what was written durable. */
int og_disk_flush(const struct og_disk *disk);
