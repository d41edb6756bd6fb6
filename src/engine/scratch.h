/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writable disk of a VM: a sparse ext4 image. One empty template is made with mke2fs in the data
 * root when first needed, and copied with its holes for every VM.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"

#define OG_SCRATCH_NAME "scratch.img"

/* What a VM may write; it takes room on the host only as it is written. */
#define OG_SCRATCH_BYTES (UINT64_C(16) << 30)

/* Makes the disk in @dir_fd unless it is there. Errors: -ENOENT (no mke2fs: says which package). */
int og_scratch_make(int data_root_fd, int dir_fd, struct og_err *err);
