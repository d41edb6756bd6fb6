/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's memory, and the only way from a guest's address to a pointer.
 *
 * What lies in it belongs to the guest, which may change it at any moment: whatever decides
 * something is copied out once and then judged, never read twice.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Devices live between 3 and 4 GiB; memory beyond 3 GiB goes on at 4 GiB. */
#define OG_GAP_START (3ULL << 30)
#define OG_GAP_END   (4ULL << 30)

/* One below the gap, one above. */
#define OG_MEM_REGIONS 2

struct og_mem_region {
	uint64_t gpa; /* guest physical address */
	uint64_t bytes;
	uint8_t *host;
};

struct og_mem {
	struct og_mem_region regions[OG_MEM_REGIONS];
	unsigned n_regions;
	void *reserved; /* the whole reservation, guard pages included; NULL when borrowed */
	size_t reserved_bytes;
};

/*
 * Takes @bytes (a multiple of 4096) of zeroed memory from the kernel, kept out of core dumps, with
 * unmapped pages before and behind. On success og_mem_done() gives it back.
 */
int og_mem_init(struct og_mem *mem, uint64_t bytes, struct og_err *err);

/* Makes the caller's @host the guest's memory at address 0; for tests. */
void og_mem_borrow(struct og_mem *mem, void *host, uint64_t bytes);

void og_mem_done(struct og_mem *mem);

/* Where @bytes bytes at @gpa lie, NULL unless all of them are inside one region. */
void *og_mem_at(const struct og_mem *mem, uint64_t gpa, uint64_t bytes);

/* First address behind the memory below the gap. */
uint64_t og_mem_low_end(const struct og_mem *mem);
