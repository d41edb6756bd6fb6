/* SPDX-License-Identifier: Apache-2.0 */
/* Pages that a guest gives back, by the numbers of their frames, as ranges. No I/O. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct og_page_range {
	uint64_t gpa;
	uint64_t bytes;
};

/*
 * Sorts the @n frame numbers of @frames, a page of 4096 bytes each, and writes what they are
 * together to @ret_ranges (room for @n): neighbours as one, no page twice. Returns how many.
 */
size_t og_pages_to_ranges(uint32_t *frames, size_t n, struct og_page_range *ret_ranges);
