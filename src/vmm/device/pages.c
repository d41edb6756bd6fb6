/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/pages.h"

#include <stdlib.h>

#define PAGE_BYTES 4096ULL

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

size_t og_pages_to_ranges(uint32_t *frames, size_t n, struct og_page_range *ret_ranges)
{
	size_t ranges = 0;

	qsort(frames, n, sizeof(*frames), compare);
	for (size_t i = 0; i < n; i++) {
		uint64_t gpa = frames[i] * PAGE_BYTES;
		struct og_page_range *last = ranges > 0 ? &ret_ranges[ranges - 1] : NULL;

		if (last != NULL && gpa < last->gpa + last->bytes)
			continue;
		if (last != NULL && gpa == last->gpa + last->bytes)
			last->bytes += PAGE_BYTES;
		else
			ret_ranges[ranges++] = (struct og_page_range){ gpa, PAGE_BYTES };
	}
	return ranges;
}
