/* SPDX-License-Identifier: Apache-2.0 */
#include "format/qcow2_map.h"

#include <endian.h>
#include <stdlib.h>

#define SECTOR_BYTES 512

static uint64_t cluster_bytes(const struct og_qcow2_map *map)
{
	return og_qcow2_cluster_bytes(&map->header);
}

int og_qcow2_read_file(const struct og_qcow2_map *map, void *buf, size_t len, uint64_t at)
{
	uint64_t there = at < map->file.size ? map->file.size - at : 0;
	size_t some = there < len ? (size_t)there : len;

	memset((uint8_t *)buf + some, 0, len - some);
	return some > 0 ? og_bytes_read(&map->file, at, buf, some) : 0;
}

int og_qcow2_hold(const struct og_qcow2_map *map, struct og_qcow2_table *table, uint64_t at)
{
	int r;

	if (table->at == at)
		return 0;
	table->at = 0;
	r = og_qcow2_read_file(map, table->bytes, cluster_bytes(map), at);
	if (r == 0)
		table->at = at;
	return r;
}

int og_qcow2_load(struct og_qcow2_map *map, uint64_t index, uint64_t at, uint64_t **ret_entries)
{
	struct og_qcow2_table *table = &map->l2[index % OG_QCOW2_TABLES];
	int r = og_qcow2_hold(map, table, at);

	if (r == 0)
		*ret_entries = table->bytes;
	return r;
}

int og_qcow2_read_entries(const struct og_qcow2_map *map, uint64_t *entries, uint64_t n,
			  uint64_t at)
{
	int r = og_qcow2_read_file(map, entries, n * sizeof(*entries), at);

	for (uint64_t i = 0; r == 0 && i < n; i++)
		entries[i] = be64toh(entries[i]);
	return r;
}

/* The place's bits are as many as leave 8 less than a cluster's for the sectors behind the first. */
void og_qcow2_packed(const struct og_qcow2_map *map, uint64_t entry,
		     struct og_qcow2_place *ret_place)
{
	unsigned bits = 62 - (map->header.cluster_bits - 8);
	uint64_t at = entry & ((1ULL << bits) - 1);
	uint64_t sectors = ((entry & (OG_QCOW2_COMPRESSED - 1)) >> bits) + 1;

	ret_place->kind = OG_QCOW2_PACKED;
	ret_place->host = at;
	ret_place->packed = sectors * SECTOR_BYTES - at % SECTOR_BYTES;
}

static int understand(const struct og_qcow2_map *map, uint64_t entry, struct og_qcow2_place *place)
{
	if ((entry & OG_QCOW2_COMPRESSED) != 0) {
		og_qcow2_packed(map, entry, place);
		return (map->uses & OG_QCOW2_UNPACKS) != 0 ? 0 : -EIO;
	}
	place->host = entry & OG_QCOW2_OFFSET;
	if (place->host % cluster_bytes(map) != 0)
		return -EIO;
	if ((entry & OG_QCOW2_ZERO) != 0)
		place->kind = OG_QCOW2_ZEROS;
	else
		place->kind = place->host != 0 ? OG_QCOW2_DATA : OG_QCOW2_ABSENT;
	return 0;
}

int og_qcow2_look_up(struct og_qcow2_map *map, uint64_t offset, struct og_qcow2_place *ret_place)
{
	uint64_t index = og_qcow2_l1_index(map, offset), at = map->l1[index] & OG_QCOW2_OFFSET;
	uint64_t span = cluster_bytes(map) * (at == 0 ? og_qcow2_entries(map) : 1);
	struct og_qcow2_place place = { .kind = OG_QCOW2_ABSENT, .bytes = span - offset % span };
	uint64_t *entries;
	int r = 0;

	if (at != 0) {
		r = og_qcow2_load(map, index, at, &entries);
		if (r == 0)
			r = understand(map, be64toh(entries[og_qcow2_l2_index(map, offset)]),
				       &place);
	}
	if (r == 0)
		*ret_place = place;
	return r;
}

static int make_room(struct og_qcow2_map *map)
{
	bool enough;

	map->l1 = calloc(map->header.l1_entries + 1, sizeof(uint64_t));
	enough = map->l1 != NULL;
	for (unsigned i = 0; i < OG_QCOW2_TABLES; i++) {
		map->l2[i].bytes = calloc(1, cluster_bytes(map));
		enough = enough && map->l2[i].bytes != NULL;
	}
	return enough ? 0 : -ENOMEM;
}

int og_qcow2_map_init(struct og_qcow2_map *map, const struct og_bytes *file, unsigned uses,
		      struct og_err *err)
{
	uint8_t bytes[OG_QCOW2_HEADER_BYTES];
	size_t len = file->size < sizeof(bytes) ? (size_t)file->size : sizeof(bytes);
	int r = og_bytes_read(file, 0, bytes, len);

	if (r < 0)
		return og_fail(err, r, "read qcow2 image");
	r = og_qcow2_parse(bytes, len, file->size, uses, &map->header, err);
	if (r < 0)
		return r;
	map->file = *file;
	map->uses = uses;
	r = make_room(map);
	if (r == 0)
		r = og_qcow2_read_entries(map, map->l1, map->header.l1_entries,
					  map->header.l1_offset);
	return r < 0 ? og_fail(err, r, "read tables of qcow2 image") : 0;
}

void og_qcow2_map_done(struct og_qcow2_map *map)
{
	for (unsigned i = 0; i < OG_QCOW2_TABLES; i++)
		free(map->l2[i].bytes);
	free(map->l1);
}

int og_qcow2_judge_backing(const struct og_qcow2_map *map, bool given, struct og_err *err)
{
	if (map->header.has_backing && !given)
		return og_fail_plain(err, -EOPNOTSUPP,
				     "qcow2 image has a backing file, which is not opened by the "
				     "image's word (say which: backing=FILE)");
	if (!map->header.has_backing && given)
		return og_fail_plain(err, -EINVAL, "qcow2 image has no backing file");
	return 0;
}
