/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the checksums of tar headers right while libFuzzer changes them; else it gets nowhere. */
#pragma once

#ifdef OG_LIBFUZZER

#include <stddef.h>
#include <stdint.h>
#include <string.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);

static void seal_header(uint8_t *block)
{
	unsigned int sum = 0;

	memset(block + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += block[i];
	for (int i = 5; i >= 0; i--, sum >>= 3)
		block[148 + i] = (uint8_t)('0' + (sum & 7));
	block[154] = '\0';
}

/* @TAR_AT: where the archive begins in the input. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	size = LLVMFuzzerMutate(data, size, max_size);
	/* One in eight keeps what is wrong. */
	for (size_t at = TAR_AT; seed % 8 != 0 && at + 512 <= size; at += 512) {
		if (memcmp(data + at + 257, "ustar", 5) == 0)
			seal_header(data + at);
	}
	return size;
}

#endif
