/* SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "format/qcow2_map.h"

/* What an L1 entry and a refcount table's may not have. */
#define L1_RESERVED    (~(OG_QCOW2_OFFSET | OG_QCOW2_COPIED))
#define TABLE_RESERVED 0x1ffULL

struct check {
	struct og_qcow2_map *map;
	uint8_t *used;	 /* a bit a cluster of the file */
	uint8_t *packed; /* likewise: by compressed clusters, which share them; owned, NULL: none */
};

static int outside(uint64_t at, struct og_err *err)
{
	return og_fail(err, -EBADMSG, "qcow2 image uses what is not in its file, at %llu",
		       (unsigned long long)at);
}

/* Clusters of the file are used, for the first time. */
static int mark(struct check *check, uint64_t first, uint64_t clusters, struct og_err *err)
{
	for (uint64_t i = first; i < first + clusters; i++) {
		if (og_qcow2_is_used(check->used, i))
			return og_fail(err, -EBADMSG, "qcow2 image uses the cluster at %llu twice",
				       (unsigned long long)(i << check->map->header.cluster_bits));
		check->used[i / 8] |= (uint8_t)(1U << i % 8);
	}
	return 0;
}

static int claim(struct check *check, uint64_t at, uint64_t clusters, struct og_err *err)
{
	const struct og_qcow2_header *h = &check->map->header;
	uint64_t first = at >> h->cluster_bits;

	if (at % og_qcow2_cluster_bytes(h) != 0 || first >= h->file_clusters ||
	    clusters > h->file_clusters - first)
		return outside(at, err);
	return mark(check, first, clusters, err);
}

/* Its last sector may be behind the end of the file: the entry counts whole ones. */
static int claim_packed(struct check *check, uint64_t entry, struct og_err *err)
{
	const struct og_qcow2_header *h = &check->map->header;
	struct og_qcow2_place place = {};
	uint64_t first, last;
	int r = 0;

	og_qcow2_packed(check->map, entry, &place);
	if (place.host >= check->map->file.size)
		return outside(place.host, err);
	first = place.host >> h->cluster_bits;
	last = (place.host + place.packed - 1) >> h->cluster_bits;
	if (check->packed == NULL)
		check->packed = calloc(1, h->file_clusters / 8 + 1);
	if (check->packed == NULL)
		return og_fail(err, -ENOMEM, "judge qcow2 image");
	for (uint64_t i = first; r == 0 && i <= last && i < h->file_clusters; i++) {
		if (og_qcow2_is_used(check->packed, i))
			continue;
		r = mark(check, i, 1, err);
		check->packed[i / 8] |= (uint8_t)(1U << i % 8);
	}
	return r;
}

static int bad_entry(uint64_t entry, struct og_err *err)
{
	return og_fail(err, -EBADMSG, "qcow2 image has an entry 0x%llx", (unsigned long long)entry);
}

static int check_data(struct check *check, uint64_t entry, struct og_err *err)
{
	uint64_t allowed = OG_QCOW2_OFFSET | OG_QCOW2_COPIED;
	uint64_t at = entry & OG_QCOW2_OFFSET;

	if ((entry & OG_QCOW2_COMPRESSED) != 0 && (check->map->uses & OG_QCOW2_UNPACKS) != 0)
		return claim_packed(check, entry, err);
	if ((entry & OG_QCOW2_COMPRESSED) != 0)
		return og_fail_plain(err, -EOPNOTSUPP,
				     "qcow2 image has compressed clusters (qemu-img convert "
				     "makes one without)");
	if (check->map->header.version >= 3)
		allowed |= OG_QCOW2_ZERO;
	if ((entry & ~allowed) != 0)
		return bad_entry(entry, err);
	return at != 0 ? claim(check, at, 1, err) : 0;
}

static int check_l2(struct check *check, uint64_t index, struct og_err *err)
{
	uint64_t entry = check->map->l1[index], at = entry & OG_QCOW2_OFFSET;
	uint64_t n = og_qcow2_entries(check->map), *entries;
	int r;

	if ((entry & L1_RESERVED) != 0)
		return bad_entry(entry, err);
	if (at == 0)
		return 0;
	r = claim(check, at, 1, err);
	if (r < 0)
		return r;
	r = og_qcow2_load(check->map, index, at, &entries);
	if (r < 0)
		return og_fail(err, r, "read table of qcow2 image");
	for (uint64_t i = 0; r == 0 && i < n; i++)
		r = check_data(check, be64toh(entries[i]), err);
	return r;
}

static int check_fixed(struct check *check, const uint64_t *blocks, uint64_t n_blocks,
		       struct og_err *err)
{
	const struct og_qcow2_header *h = &check->map->header;
	uint64_t cluster = og_qcow2_cluster_bytes(h);
	uint64_t l1_bytes = h->l1_entries * sizeof(uint64_t);
	int r = claim(check, 0, 1, err);

	if (r == 0)
		r = claim(check, h->reftable_offset, h->reftable_clusters, err);
	if (r == 0)
		r = claim(check, h->l1_offset, (l1_bytes + cluster - 1) / cluster, err);
	for (uint64_t i = 0; r == 0 && i < n_blocks; i++) {
		if ((blocks[i] & TABLE_RESERVED) != 0)
			r = bad_entry(blocks[i], err);
		else if (blocks[i] != 0)
			r = claim(check, blocks[i], 1, err);
	}
	return r;
}

int og_qcow2_judge(struct og_qcow2_map *map, const uint64_t *blocks, uint64_t n_blocks,
		   uint8_t **ret_used, struct og_err *err)
{
	og_auto_free uint8_t *used = calloc(1, map->header.file_clusters / 8 + 1);
	struct check check = { .map = map, .used = used };
	int r;

	if (used == NULL)
		return og_fail(err, -ENOMEM, "judge qcow2 image");
	r = check_fixed(&check, blocks, n_blocks, err);
	for (uint64_t i = 0; r == 0 && i < map->header.l1_entries; i++)
		r = check_l2(&check, i, err);
	free(check.packed);
	if (r == 0)
		*ret_used = og_take_ptr(used);
	return r;
}
