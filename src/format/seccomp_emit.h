/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a BPF program from its end to its beginning: jumps go forward only, so what is jumped to
 * is there already. A place is counted from the end of the program, and 0 is none.
 */
#pragma once

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/seccomp_filter.h"

#define OG_EMIT_VERDICTS 8 /* remembered at a time */

struct og_emit {
	struct sock_filter *code; /* OG_SECCOMP_FILTER_MAX; filled from its end */
	size_t used;
	bool full; /* more was written than fits */

	struct {
		uint32_t verdict;
		size_t place;
	} verdicts[OG_EMIT_VERDICTS];

	size_t next_verdict;
};

/* All return the place of what they wrote first to run. */
size_t og_emit(struct og_emit *emit, uint16_t code, uint32_t k);

/* What is written next runs into @place. */
void og_emit_lead_to(struct og_emit *emit, size_t place);

/* Ends with @verdict; one that is near enough is used again. */
size_t og_emit_return(struct og_emit *emit, uint32_t verdict);

/* By @jump (BPF_JEQ, BPF_JGT, BPF_JGE) of @k to @yes or to @no. */
size_t og_emit_branch(struct og_emit *emit, uint16_t jump, uint32_t k, size_t yes, size_t no);

/* Likewise, of the word at @offset of struct seccomp_data, masked by @mask. */
size_t og_emit_test(struct og_emit *emit, uint32_t offset, uint32_t mask, uint16_t jump, uint32_t k,
		    size_t yes, size_t no);
