/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/snapshot/pack.h"

#include <string.h>

void og_pack_init(struct og_pack *pack, void *buf, size_t room)
{
	*pack = (struct og_pack){ .buf = buf, .room = room };
}

void og_pack_bytes(struct og_pack *pack, const void *bytes, size_t len)
{
	if (pack->failed || len > pack->room - pack->len) {
		pack->failed = true;
		return;
	}
	if (len > 0)
		memcpy(pack->buf + pack->len, bytes, len);
	pack->len += len;
}

static void pack_number(struct og_pack *pack, uint64_t value, unsigned bytes)
{
	uint8_t buf[8];

	for (unsigned i = 0; i < bytes; i++)
		buf[i] = (uint8_t)(value >> (8 * i));
	og_pack_bytes(pack, buf, bytes);
}

void og_pack_u8(struct og_pack *pack, uint8_t value)
{
	pack_number(pack, value, 1);
}

void og_pack_u16(struct og_pack *pack, uint16_t value)
{
	pack_number(pack, value, 2);
}

void og_pack_u32(struct og_pack *pack, uint32_t value)
{
	pack_number(pack, value, 4);
}

void og_pack_u64(struct og_pack *pack, uint64_t value)
{
	pack_number(pack, value, 8);
}

size_t og_pack_open(struct og_pack *pack)
{
	size_t opened = pack->len;

	og_pack_u32(pack, 0);
	return opened;
}

void og_pack_close(struct og_pack *pack, size_t opened)
{
	size_t end = pack->len;

	if (pack->failed)
		return;
	pack->len = opened;
	og_pack_u32(pack, (uint32_t)(end - opened - 4));
	pack->len = end;
}

void og_unpack_init(struct og_unpack *unpack, const void *buf, size_t len)
{
	*unpack = (struct og_unpack){ .at = buf, .left = len };
}

void og_unpack_bytes(struct og_unpack *unpack, void *buf, size_t len)
{
	if (unpack->failed || len > unpack->left) {
		unpack->failed = true;
		memset(buf, 0, len);
		return;
	}
	if (len > 0)
		memcpy(buf, unpack->at, len);
	unpack->at += len;
	unpack->left -= len;
}

static uint64_t unpack_number(struct og_unpack *unpack, unsigned bytes)
{
	uint8_t buf[8];
	uint64_t value = 0;

	og_unpack_bytes(unpack, buf, bytes);
	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)buf[i] << (8 * i);
	return value;
}

uint8_t og_unpack_u8(struct og_unpack *unpack)
{
	return (uint8_t)unpack_number(unpack, 1);
}

uint16_t og_unpack_u16(struct og_unpack *unpack)
{
	return (uint16_t)unpack_number(unpack, 2);
}

uint32_t og_unpack_u32(struct og_unpack *unpack)
{
	return (uint32_t)unpack_number(unpack, 4);
}

uint64_t og_unpack_u64(struct og_unpack *unpack)
{
	return unpack_number(unpack, 8);
}

bool og_unpack_bool(struct og_unpack *unpack)
{
	uint8_t value = og_unpack_u8(unpack);

	if (value > 1)
		unpack->failed = true;
	return value == 1;
}

struct og_unpack og_unpack_part(struct og_unpack *unpack)
{
	uint32_t len = og_unpack_u32(unpack);
	struct og_unpack part = { .failed = true };

	if (unpack->failed || len > unpack->left) {
		unpack->failed = true;
		return part;
	}
	og_unpack_init(&part, unpack->at, len);
	unpack->at += len;
	unpack->left -= len;
	return part;
}

bool og_unpack_done(const struct og_unpack *unpack)
{
	return !unpack->failed && unpack->left == 0;
}
