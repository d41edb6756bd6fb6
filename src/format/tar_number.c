/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "format/tar_parts.h"

#define CHECKSUM_AT    148
#define CHECKSUM_BYTES 8

bool tar_all_zero(const uint8_t *buf, size_t len)
{
	return len == 0 || (buf[0] == 0 && memcmp(buf, buf + 1, len - 1) == 0);
}

/* Two's complement, big endian, in all bits but the first one. */
static int base256(const uint8_t *field, size_t len, int64_t *ret_number)
{
	uint8_t sign = field[0] & 0x40 ? 0xff : 0;
	uint64_t number = sign ? UINT64_MAX : 0;

	for (size_t i = 0; i < len; i++) {
		uint8_t byte = i > 0 ? field[i] : (uint8_t)((field[i] & 0x7f) | (sign & 0x80));

		if (number >> 55 != (sign ? 0x1ff : 0))
			return -ERANGE;
		number = number << 8 | byte;
	}
	*ret_number = (int64_t)number;
	return 0;
}

static int octal(const uint8_t *field, size_t len, int64_t *ret_number)
{
	uint64_t number = 0;
	size_t at = 0;

	while (at < len && field[at] == ' ')
		at++;
	for (; at < len && field[at] != ' ' && field[at] != '\0'; at++) {
		if (field[at] < '0' || field[at] > '7')
			return -EINVAL;
		if (number >> 60 != 0)
			return -ERANGE;
		number = number << 3 | (uint64_t)(field[at] - '0');
	}
	for (; at < len; at++) {
		if (field[at] != ' ' && field[at] != '\0')
			return -EINVAL;
	}
	*ret_number = (int64_t)number;
	return 0;
}

int tar_number(const uint8_t *field, size_t len, int64_t *ret_number)
{
	return field[0] & 0x80 ? base256(field, len, ret_number) : octal(field, len, ret_number);
}

/* Counted unsigned or (old Sun) signed. */
bool og_tar_is_header(const uint8_t block[OG_TAR_BLOCK_BYTES])
{
	int64_t want;
	int64_t sum = 0, signed_sum = 0;

	if (tar_number(block + CHECKSUM_AT, CHECKSUM_BYTES, &want) < 0)
		return false;
	for (size_t i = 0; i < OG_TAR_BLOCK_BYTES; i++) {
		bool inside = i >= CHECKSUM_AT && i < CHECKSUM_AT + CHECKSUM_BYTES;
		uint8_t byte = inside ? ' ' : block[i];

		sum += byte;
		signed_sum += (int8_t)byte;
	}
	return want == sum || want == signed_sum;
}
