/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/mem_blocks.h"

#include <errno.h>
#include <stdlib.h>

static size_t words_of(uint32_t n)
{
	return ((size_t)n + 63) / 64;
}

int og_mem_blocks_init(struct og_mem_blocks *blocks, uint32_t n, struct og_err *err)
{
	*blocks = (struct og_mem_blocks){ .bits = calloc(words_of(n), sizeof(uint64_t)), .n = n };
	return blocks->bits != NULL ? 0 : og_fail(err, -ENOMEM, "make map of memory blocks");
}

void og_mem_blocks_done(struct og_mem_blocks *blocks)
{
	free(blocks->bits);
	*blocks = (struct og_mem_blocks){};
}

static bool is_plugged(const struct og_mem_blocks *blocks, uint32_t block)
{
	return (blocks->bits[block / 64] >> (block % 64) & 1) != 0;
}

enum og_blocks_state og_mem_blocks_state(const struct og_mem_blocks *blocks, uint32_t first,
					 uint32_t n)
{
	bool plugged = is_plugged(blocks, first);

	for (uint32_t block = first + 1; block < first + n; block++)
		if (is_plugged(blocks, block) != plugged)
			return OG_BLOCKS_MIXED;
	return plugged ? OG_BLOCKS_PLUGGED : OG_BLOCKS_UNPLUGGED;
}

void og_mem_blocks_set(struct og_mem_blocks *blocks, uint32_t first, uint32_t n, bool plugged)
{
	for (uint32_t block = first; block < first + n; block++) {
		uint64_t bit = 1ULL << block % 64;

		if (is_plugged(blocks, block) == plugged)
			continue;
		blocks->bits[block / 64] ^= bit;
		if (plugged)
			blocks->plugged++;
		else
			blocks->plugged--;
	}
}

void og_mem_blocks_save(const struct og_mem_blocks *blocks, struct og_pack *pack)
{
	og_pack_u32(pack, blocks->n);
	for (size_t i = 0; i < words_of(blocks->n); i++)
		og_pack_u64(pack, blocks->bits[i]);
}

int og_mem_blocks_load(struct og_mem_blocks *blocks, struct og_unpack *unpack)
{
	uint32_t plugged = 0;

	if (og_unpack_u32(unpack) != blocks->n)
		return -EBADMSG;
	for (size_t i = 0; i < words_of(blocks->n); i++) {
		blocks->bits[i] = og_unpack_u64(unpack);
		plugged += (uint32_t)__builtin_popcountll(blocks->bits[i]);
	}
	/* Bits behind the last block are none. */
	if (blocks->n % 64 != 0 && blocks->bits[blocks->n / 64] >> (blocks->n % 64) != 0)
		return -EBADMSG;
	blocks->plugged = plugged;
	return unpack->failed ? -EBADMSG : 0;
}
