/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a disk: GPT (UEFI specification, chapter 5), or MBR's four. Without I/O. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "format/bytes.h"

#define OG_PARTITIONS_MAX 128 /* GPT's usual number */

struct og_partition {
	uint64_t offset, size; /* bytes, inside the disk */
};

/*
 * Fills in @partitions, of OG_PARTITIONS_MAX, and *@ret_count: none for a disk without a table. Entries that lie
 * outside the disk are passed over. Errors: what reading says.
 */
int og_partitions_read(const struct og_bytes *disk, struct og_partition *partitions,
		       size_t *ret_count, struct og_err *err);
