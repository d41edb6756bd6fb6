/* SPDX-License-Identifier: Apache-2.0 */
/* 64-bit hashes of names, and a table from them to small numbers. Private to trust/. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero-initialise it. */
struct og_path_map {
	struct og_path_slot {
		uint64_t hash; /* 0: free */
		uint32_t value;
	} * slots; /* owned */

	size_t room, count;
};

/* Never 0. @state goes on from another hash of this seed. */
uint64_t og_path_hash(uint64_t state, const void *buf, size_t len);

/* -ENOMEM; a hash that is there keeps its first value, which *@ret_value then is, else @value. */
int og_path_map_add(struct og_path_map *map, uint64_t hash, uint32_t value, uint32_t **ret_value);

/* NULL: not there. */
uint32_t *og_path_map_find(const struct og_path_map *map, uint64_t hash);

void og_path_map_done(struct og_path_map *map);
