/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/block/qcow2.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "vmm/block/qcow2_tables.h"
#include "vmm/block/window.h"
#include "vmm/device/virtqueue.h"

static uint64_t cluster_bytes(const struct og_qcow2 *q)
{
	return og_qcow2_cluster_bytes(&q->map.header);
}

/* Bytes that the image does not have: the backing file's, and zeros behind its end. */
static int read_below(struct og_qcow2 *q, uint64_t offset, struct iovec *iov, size_t n,
		      uint64_t bytes)
{
	uint64_t below = 0;
	struct og_window window;
	int r;

	if (q->map.header.has_backing && offset < q->backing.bytes)
		below = q->backing.bytes - offset;
	if (below < bytes)
		og_iov_zero(iov, n);
	if (below == 0)
		return 0;
	if (below >= bytes)
		return og_disk_read(&q->backing, offset, iov, n);
	window = og_window_open(iov, n, below);
	r = og_disk_read(&q->backing, offset, iov, window.n);
	return r;
}

/* All of a window that lies in one cluster; the iovec is a copy to be changed. */
static int read_data(struct og_qcow2 *q, uint64_t at, struct iovec *iov, size_t n)
{
	while (n > 0) {
		ssize_t got = preadv(q->fd, iov, (int)n, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0) {
			og_iov_zero(iov, n);
			return 0;
		}
		at += (uint64_t)got;
		og_iov_advance(&iov, &n, (size_t)got);
	}
	return 0;
}

static int write_data(struct og_qcow2 *q, uint64_t at, struct iovec *iov, size_t n)
{
	while (n > 0) {
		ssize_t done = pwritev(q->fd, iov, (int)n, (off_t)at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done < 0 ? -errno : -EIO;
		at += (uint64_t)done;
		og_iov_advance(&iov, &n, (size_t)done);
	}
	return 0;
}

static int read_piece(struct og_qcow2 *q, const struct og_qcow2_place *place, uint64_t offset,
		      struct iovec *iov, size_t n, uint64_t bytes)
{
	if (place->kind == OG_QCOW2_DATA)
		return read_data(q, place->host + offset % cluster_bytes(q), iov, n);
	if (place->kind == OG_QCOW2_ABSENT)
		return read_below(q, offset, iov, n, bytes);
	og_iov_zero(iov, n);
	return 0;
}

/* A cluster that is the image's from now on: what it was, and the piece. */
static int write_new(struct og_qcow2 *q, const struct og_qcow2_place *place, uint64_t offset,
		     struct iovec *iov, size_t n, uint64_t bytes)
{
	uint64_t in = offset % cluster_bytes(q), host = place->host;
	struct iovec whole = { q->bounce, cluster_bytes(q) };
	int r = 0;

	if (place->kind == OG_QCOW2_ABSENT)
		r = read_below(q, offset - in, &whole, 1, cluster_bytes(q));
	else
		memset(q->bounce, 0, cluster_bytes(q));
	if (r == 0 && host == 0)
		r = og_qcow2_take(q, &host);
	if (r < 0)
		return r;
	(void)og_iov_read(iov, n, 0, q->bounce + in, bytes);
	r = og_qcow2_pwrite(q, q->bounce, cluster_bytes(q), host);
	return r < 0 ? r : og_qcow2_set_entry(q, offset, host | OG_QCOW2_COPIED);
}

static int write_piece(struct og_qcow2 *q, const struct og_qcow2_place *place, uint64_t offset,
		       struct iovec *iov, size_t n, uint64_t bytes)
{
	if (place->kind == OG_QCOW2_DATA)
		return write_data(q, place->host + offset % cluster_bytes(q), iov, n);
	return write_new(q, place, offset, iov, n, bytes);
}

/*
 * Moves piece by piece, each inside one cluster. A piece gets a copy of its part of the iovec, which
 * reading and writing use up.
 */
static int move(struct og_qcow2 *q, uint64_t offset, struct iovec *iov, size_t n, bool write)
{
	struct iovec piece[OG_CHAIN_MAX];

	while (n > 0) {
		uint64_t room = cluster_bytes(q) - offset % cluster_bytes(q);
		struct og_qcow2_place place;
		struct og_window window;
		int r = og_qcow2_look_up(&q->map, offset, &place);

		if (r < 0)
			return r;
		if (write || room > place.bytes)
			place.bytes = room;
		window = og_window_open(iov, n, place.bytes);
		if (window.n > OG_CHAIN_MAX)
			return -EINVAL;
		memcpy(piece, iov, window.n * sizeof(*iov));
		og_window_close(iov, &window);
		r = (write ? write_piece : read_piece)(q, &place, offset, piece, window.n,
						       window.len);
		if (r < 0)
			return r;
		og_iov_advance(&iov, &n, window.len);
		offset += window.len;
	}
	return 0;
}

static int read_image(const struct og_disk *disk, uint64_t offset, struct iovec *iov, size_t n)
{
	return move(disk->format, offset, iov, n, false);
}

static int write_image(const struct og_disk *disk, uint64_t offset, struct iovec *iov, size_t n)
{
	return move(disk->format, offset, iov, n, true);
}

/* Whole clusters, which then take no room. Version 2 has no word for zeros over a backing file. */
static int zero_cluster(struct og_qcow2 *q, const struct og_qcow2_place *place, uint64_t offset)
{
	int r;

	if (place->kind == OG_QCOW2_ABSENT && !q->map.header.has_backing)
		return 0;
	r = og_qcow2_set_entry(q, offset, q->map.header.version >= 3 ? OG_QCOW2_ZERO : 0);
	if (r == 0 && place->host != 0)
		r = og_qcow2_give_back(q, place->host);
	return r;
}

static int zero_part(struct og_qcow2 *q, const struct og_qcow2_place *place, uint64_t offset,
		     uint64_t bytes)
{
	const uint8_t zeros[4096] = {};

	if (place->kind == OG_QCOW2_ZEROS ||
	    (place->kind == OG_QCOW2_ABSENT && !q->map.header.has_backing))
		return 0;
	while (bytes > 0) {
		uint64_t some = bytes < sizeof(zeros) ? bytes : sizeof(zeros);
		struct iovec iov = { (void *)(uintptr_t)zeros, some };
		int r = move(q, offset, &iov, 1, true);

		if (r < 0)
			return r;
		offset += some;
		bytes -= some;
	}
	return 0;
}

static bool can_drop(const struct og_qcow2 *q)
{
	return q->map.header.version >= 3 || !q->map.header.has_backing;
}

static int zero_image(const struct og_disk *disk, uint64_t offset, uint64_t bytes, bool discard)
{
	struct og_qcow2 *q = disk->format;

	while (bytes > 0) {
		struct og_qcow2_place place;
		uint64_t some;
		int r = og_qcow2_look_up(&q->map, offset, &place);

		if (r < 0)
			return r;
		/* What was never written is passed over, a whole table at a time. */
		some = place.kind == OG_QCOW2_ABSENT && !q->map.header.has_backing
			       ? place.bytes
			       : cluster_bytes(q) - offset % cluster_bytes(q);
		if (some > bytes)
			some = bytes;
		if (some == cluster_bytes(q) && can_drop(q))
			r = zero_cluster(q, &place, offset);
		else if (!discard)
			r = zero_part(q, &place, offset, some);
		if (r < 0)
			return r;
		offset += some;
		bytes -= some;
	}
	return 0;
}

static int flush_image(const struct og_disk *disk)
{
	const struct og_qcow2 *q = disk->format;

	return fdatasync(q->fd) < 0 ? -errno : 0;
}

static void free_image(struct og_qcow2 *q)
{
	if (q->map.header.has_backing)
		og_disk_done(&q->backing);
	og_qcow2_map_done(&q->map);
	free(q->counts.bytes);
	free(q->bounce);
	free(q->reftable);
	free(q);
}

static void done(struct og_disk *disk)
{
	free_image(disk->format);
}

static const struct og_disk_ops qcow2_ops = {
	.read = read_image,
	.write = write_image,
	.zero = zero_image,
	.flush = flush_image,
	.done = done,
};

/* All memory that it will ever take: later there is no call for more. */
static int read_reftable(struct og_qcow2 *q)
{
	q->n_reftable = q->map.header.reftable_clusters * cluster_bytes(q) / sizeof(uint64_t);
	q->reftable = calloc(q->n_reftable, sizeof(uint64_t));
	q->counts.bytes = calloc(1, cluster_bytes(q));
	q->bounce = calloc(1, cluster_bytes(q));
	if (q->reftable == NULL || q->counts.bytes == NULL || q->bounce == NULL)
		return -ENOMEM;
	return og_qcow2_read_entries(&q->map, q->reftable, q->n_reftable,
				     q->map.header.reftable_offset);
}

static int open_backing(struct og_qcow2 *q, const struct og_disk_source *source, struct og_err *err)
{
	struct og_disk_source backing = {
		.parts = source->backing,
		.n_parts = 1,
		.readonly = true,
		.format = source->backing_format,
	};
	int r = og_qcow2_judge_backing(&q->map, source->has_backing, err);

	q->map.header.has_backing = false; /* nothing to free yet */
	if (r < 0 || !source->has_backing)
		return r;
	r = og_disk_open(&q->backing, &backing, err);
	if (r < 0)
		return og_fail_in(err, r, "backing file");
	q->map.header.has_backing = true;
	return 0;
}

static int open_image(struct og_qcow2 *q, const struct og_disk_source *source, struct og_err *err)
{
	struct og_bytes file = { .read = og_qcow2_pread, .data = q };
	int r = og_disk_file_bytes(q->fd, &file.size);

	if (r < 0)
		return og_fail(err, r, "read qcow2 image");
	r = og_qcow2_map_init(&q->map, &file, q->readonly ? 0 : OG_QCOW2_WRITES, err);
	if (r < 0) {
		q->map.header.has_backing = false;
		return r;
	}
	r = open_backing(q, source, err);
	if (r < 0)
		return r;
	r = read_reftable(q);
	return r < 0 ? og_fail(err, r, "read tables of qcow2 image") : og_qcow2_check(q, err);
}

int og_qcow2_open(struct og_disk *disk, const struct og_disk_source *source, struct og_err *err)
{
	struct og_qcow2 *q;
	int r;

	if (source->n_parts != 1 || source->parts[0].offset != 0)
		return og_fail_plain(err, -EINVAL, "a qcow2 image is one file");
	q = calloc(1, sizeof(*q));
	if (q == NULL)
		return og_fail(err, -ENOMEM, "open qcow2 image");
	q->fd = source->parts[0].fd;
	q->readonly = source->readonly;
	r = open_image(q, source, err);
	if (r < 0) {
		free_image(q);
		return r;
	}
	*disk = (struct og_disk){
		.ops = &qcow2_ops,
		.format = q,
		.parts = source->parts,
		.n_parts = 1,
		.readonly = source->readonly,
		.bytes = q->map.header.bytes,
	};
	return 0;
}
