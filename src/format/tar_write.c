/* SPDX-License-Identifier: Apache-2.0 */
#include "format/tar_write.h"

#include <stdio.h>
#include <string.h>

#define OCTAL_SIZE_MAX 077777777777ULL

static void put_size(uint8_t field[12], uint64_t size)
{
	if (size <= OCTAL_SIZE_MAX) {
		(void)snprintf((char *)field, 12, "%011llo", (unsigned long long)size);
		return;
	}
	field[0] = 0x80;
	for (int i = 11; i > 3; i--) {
		field[i] = (uint8_t)size;
		size >>= 8;
	}
}

void og_tar_header(uint8_t block[OG_TAR_BLOCK_BYTES], const char *name, bool directory,
		   uint64_t size)
{
	char *text = (char *)block;
	unsigned int sum = 0;

	memset(block, 0, OG_TAR_BLOCK_BYTES);
	(void)snprintf(text, OG_TAR_WRITE_NAME_MAX, "%s", name);
	(void)snprintf(text + 100, 8, "%07o", directory ? 0755U : 0644U);
	(void)snprintf(text + 108, 8, "%07o", 0U);
	(void)snprintf(text + 116, 8, "%07o", 0U);
	put_size(block + 124, size);
	(void)snprintf(text + 136, 12, "%011o", 0U);
	text[156] = directory ? '5' : '0';
	memcpy(text + 257, "ustar\00000", 8);
	memset(text + 148, ' ', 8);
	for (size_t i = 0; i < OG_TAR_BLOCK_BYTES; i++)
		sum += block[i];
	(void)snprintf(text + 148, 8, "%06o", sum);
	text[155] = ' ';
}
