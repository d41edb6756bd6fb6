/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/block/qcow2_tables.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>

#include "vmm/block/window.h"

static uint64_t cluster_bytes(const struct og_qcow2 *q)
{
	return og_qcow2_cluster_bytes(&q->map.header);
}

int og_qcow2_pread(void *data, uint64_t at, void *buf, size_t bytes)
{
	const struct og_qcow2 *q = data;
	uint8_t *to = buf;

	while (bytes > 0) {
		struct iovec iov = { to, bytes };
		ssize_t got = preadv(q->fd, &iov, 1, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0) {
			memset(to, 0, bytes);
			return 0;
		}
		to += got;
		at += (uint64_t)got;
		bytes -= (size_t)got;
	}
	return 0;
}

int og_qcow2_pwrite(struct og_qcow2 *q, const void *buf, size_t bytes, uint64_t at)
{
	const uint8_t *from = buf;

	while (bytes > 0) {
		struct iovec iov = { (void *)(uintptr_t)from, bytes };
		ssize_t done = pwritev(q->fd, &iov, 1, (off_t)at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done < 0 ? -errno : -EIO;
		from += done;
		at += (uint64_t)done;
		bytes -= (size_t)done;
		if (at > q->map.file.size)
			q->map.file.size = at;
	}
	return 0;
}

static int add_table(struct og_qcow2 *q, uint64_t index)
{
	struct og_qcow2_table *table = &q->map.l2[index % OG_QCOW2_TABLES];
	uint64_t at, entry;
	int r = og_qcow2_take(q, &at);

	if (r < 0)
		return r;
	table->at = 0;
	memset(table->bytes, 0, cluster_bytes(q));
	r = og_qcow2_pwrite(q, table->bytes, cluster_bytes(q), at);
	if (r < 0)
		return r;
	entry = htobe64(at | OG_QCOW2_COPIED);
	r = og_qcow2_pwrite(q, &entry, sizeof(entry),
			    q->map.header.l1_offset + index * sizeof(entry));
	if (r < 0)
		return r;
	table->at = at;
	q->map.l1[index] = at | OG_QCOW2_COPIED;
	return 0;
}

int og_qcow2_set_entry(struct og_qcow2 *q, uint64_t offset, uint64_t entry)
{
	uint64_t index = og_qcow2_l1_index(&q->map, offset);
	uint64_t slot = og_qcow2_l2_index(&q->map, offset), at;
	uint64_t *entries;
	int r;

	if ((q->map.l1[index] & OG_QCOW2_OFFSET) == 0) {
		r = add_table(q, index);
		if (r < 0)
			return r;
	}
	at = q->map.l1[index] & OG_QCOW2_OFFSET;
	r = og_qcow2_load(&q->map, index, at, &entries);
	if (r < 0)
		return r;
	entry = htobe64(entry);
	r = og_qcow2_pwrite(q, &entry, sizeof(entry), at + slot * sizeof(entry));
	if (r == 0)
		entries[slot] = entry;
	return r;
}

int og_qcow2_count(struct og_qcow2 *q, uint64_t cluster, uint16_t *ret_count)
{
	uint64_t per_block = og_qcow2_counts_per_block(&q->map.header), at;
	int r;

	*ret_count = 0;
	if (cluster / per_block >= q->n_reftable)
		return -ENOSPC;
	at = q->reftable[cluster / per_block];
	if (at == 0)
		return 0;
	r = og_qcow2_hold(&q->map, &q->counts, at);
	if (r == 0)
		*ret_count = be16toh(((uint16_t *)q->counts.bytes)[cluster % per_block]);
	return r;
}

/* Its block is there. */
static int set_count(struct og_qcow2 *q, uint64_t cluster, uint16_t count)
{
	uint64_t per_block = og_qcow2_counts_per_block(&q->map.header);
	uint64_t at = q->reftable[cluster / per_block], slot = cluster % per_block;
	int r = og_qcow2_hold(&q->map, &q->counts, at);

	if (r < 0)
		return r;
	count = htobe16(count);
	r = og_qcow2_pwrite(q, &count, sizeof(count), at + slot * sizeof(count));
	if (r == 0)
		((uint16_t *)q->counts.bytes)[slot] = count;
	return r;
}

/* No cluster of that block is used, so one of them becomes the block and counts itself. */
static int add_block(struct og_qcow2 *q, uint64_t cluster)
{
	uint64_t per_block = og_qcow2_counts_per_block(&q->map.header), block = cluster / per_block;
	uint64_t at = cluster * cluster_bytes(q), entry = htobe64(at);
	int r;

	q->counts.at = 0;
	memset(q->counts.bytes, 0, cluster_bytes(q));
	((uint16_t *)q->counts.bytes)[cluster % per_block] = htobe16(1);
	r = og_qcow2_pwrite(q, q->counts.bytes, cluster_bytes(q), at);
	if (r == 0)
		r = og_qcow2_pwrite(q, &entry, sizeof(entry),
				    q->map.header.reftable_offset + block * sizeof(entry));
	if (r < 0)
		return r;
	q->counts.at = at;
	q->reftable[block] = at;
	return 0;
}

int og_qcow2_take(struct og_qcow2 *q, uint64_t *ret_host)
{
	uint64_t per_block = og_qcow2_counts_per_block(&q->map.header);

	for (uint64_t cluster = q->free_hint;; cluster++) {
		uint16_t count;
		int r = og_qcow2_count(q, cluster, &count);

		if (r < 0)
			return r;
		if (count != 0)
			continue;
		if (q->reftable[cluster / per_block] == 0) {
			r = add_block(q, cluster);
			if (r < 0)
				return r;
			continue;
		}
		r = set_count(q, cluster, 1);
		if (r < 0)
			return r;
		q->free_hint = cluster + 1;
		*ret_host = cluster * cluster_bytes(q);
		return 0;
	}
}

int og_qcow2_give_back(struct og_qcow2 *q, uint64_t host)
{
	uint64_t cluster = host / cluster_bytes(q);
	int r = set_count(q, cluster, 0);

	if (r < 0)
		return r;
	if (cluster < q->free_hint)
		q->free_hint = cluster;
	/* The host's room; without it nothing is wrong. */
	(void)fallocate(q->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)host,
			(off_t)cluster_bytes(q));
	return 0;
}
