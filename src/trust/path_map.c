/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/path_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

uint64_t og_path_hash(uint64_t state, const void *buf, size_t len)
{
	const uint8_t *at = buf;
	uint64_t hash = state;

	while (len > 0) {
		size_t part = len < 8 ? len : 8;
		uint64_t word = 0;

		memcpy(&word, at, part);
		hash = (hash ^ word ^ ((uint64_t)part << 56)) * 0x9e3779b97f4a7c15U;
		hash ^= hash >> 29;
		at += part;
		len -= part;
	}
	hash *= 0xbf58476d1ce4e5b9U;
	hash ^= hash >> 32;
	return hash != 0 ? hash : 1;
}

static struct og_path_slot *slot_of(const struct og_path_map *map, uint64_t hash)
{
	size_t at = (size_t)hash & (map->room - 1);

	while (map->slots[at].hash != 0 && map->slots[at].hash != hash)
		at = (at + 1) & (map->room - 1);
	return &map->slots[at];
}

static int grow(struct og_path_map *map)
{
	struct og_path_map more = { .room = map->room > 0 ? 2 * map->room : 256 };

	more.slots = calloc(more.room, sizeof(*more.slots));
	if (more.slots == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < map->room; i++)
		if (map->slots[i].hash != 0)
			*slot_of(&more, map->slots[i].hash) = map->slots[i];
	more.count = map->count;
	free(map->slots);
	*map = more;
	return 0;
}

int og_path_map_add(struct og_path_map *map, uint64_t hash, uint32_t value, uint32_t **ret_value)
{
	struct og_path_slot *slot;

	if (map->count >= map->room / 2 && grow(map) < 0)
		return -ENOMEM;
	slot = slot_of(map, hash);
	if (slot->hash == 0) {
		*slot = (struct og_path_slot){ hash, value };
		map->count++;
	}
	if (ret_value != NULL)
		*ret_value = &slot->value;
	return 0;
}

uint32_t *og_path_map_find(const struct og_path_map *map, uint64_t hash)
{
	struct og_path_slot *slot = map->room > 0 ? slot_of(map, hash) : NULL;

	return slot != NULL && slot->hash != 0 ? &slot->value : NULL;
}

void og_path_map_done(struct og_path_map *map)
{
	free(map->slots);
	*map = (struct og_path_map){};
}
