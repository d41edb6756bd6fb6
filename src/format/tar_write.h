/* SPDX-License-Identifier: Apache-2.0 */
/* Headers of the archives that we write ourselves (POSIX.1-2017, pax, "ustar Interchange Format"). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "format/tar.h"

/* Longest name of a member: those we write are fixed or made of digests. */
#define OG_TAR_WRITE_NAME_MAX 100

/*
 * Fills @block with the header of a file (0644) or directory (0755) of root's, of the time 0, so
 * that the same content gives the same archive. A size over 8 GiB is written in base 256, as GNU
 * tar and all current readers have it.
 */
void og_tar_header(uint8_t block[OG_TAR_BLOCK_BYTES], const char *name, bool directory,
		   uint64_t size);
