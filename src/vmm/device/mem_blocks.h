/* SPDX-License-Identifier: Apache-2.0 */
/* Which blocks of hot-plug memory are plugged: a bit a block. No I/O. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/snapshot/pack.h"

/* 256 GiB in blocks of 2 MiB; larger memory takes larger blocks. Their map is in each snapshot. */
#define OG_MEM_BLOCKS_MAX 131072U

struct og_mem_blocks {
	uint64_t *bits; /* owned */
	uint32_t n;
	uint32_t plugged;
};

enum og_blocks_state {
	OG_BLOCKS_PLUGGED,
	OG_BLOCKS_UNPLUGGED,
	OG_BLOCKS_MIXED,
};

/* None is plugged. Errors: -ENOMEM. */
int og_mem_blocks_init(struct og_mem_blocks *blocks, uint32_t n, struct og_err *err);
void og_mem_blocks_done(struct og_mem_blocks *blocks);

/* @first + @n is at most the number of blocks, @n at least 1. */
enum og_blocks_state og_mem_blocks_state(const struct og_mem_blocks *blocks, uint32_t first,
					 uint32_t n);
void og_mem_blocks_set(struct og_mem_blocks *blocks, uint32_t first, uint32_t n, bool plugged);

void og_mem_blocks_save(const struct og_mem_blocks *blocks, struct og_pack *pack);
int og_mem_blocks_load(struct og_mem_blocks *blocks, struct og_unpack *unpack);
