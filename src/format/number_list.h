/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of processors or memory nodes as the kernel writes them, "0-3,7": cpuset(7), List format. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define OG_NUMBER_LIST_WORDS 128 /* 8,192 numbers: the most processors that Linux can have */

/* Number n is bit n % 64 of word n / 64: on 64 bits the kernel's own layout of its masks. */
struct og_number_list {
	uint64_t words[OG_NUMBER_LIST_WORDS];
};

/*
 * Reads the whole of @text; an empty one is an empty list. Errors: -EINVAL (no such list),
 * -ERANGE (a number of @max or above; @max is at most 8,192).
 */
int og_number_list_read(const char *text, size_t max, struct og_number_list *ret_list);
