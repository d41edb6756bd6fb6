/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers and bytes in a fixed order, little endian, without padding: how a device's state is kept.
 * Running over the end is remembered and checked once, when all is written or read; what is read
 * behind an end is zeros. No I/O. The reader takes a stranger's bytes: whoever reads judges the
 * values.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct og_pack {
	uint8_t *buf; /* borrowed */
	size_t len, room;
	bool failed;
};

void og_pack_init(struct og_pack *pack, void *buf, size_t room);
void og_pack_u8(struct og_pack *pack, uint8_t value);
void og_pack_u16(struct og_pack *pack, uint16_t value);
void og_pack_u32(struct og_pack *pack, uint32_t value);
void og_pack_u64(struct og_pack *pack, uint64_t value);
void og_pack_bytes(struct og_pack *pack, const void *bytes, size_t len);

/* A part with its own length in front: its reader need not know all of it. Nests. */
size_t og_pack_open(struct og_pack *pack);
void og_pack_close(struct og_pack *pack, size_t opened);

struct og_unpack {
	const uint8_t *at; /* borrowed */
	size_t left;
	bool failed;
};

void og_unpack_init(struct og_unpack *unpack, const void *buf, size_t len);
uint8_t og_unpack_u8(struct og_unpack *unpack);
uint16_t og_unpack_u16(struct og_unpack *unpack);
uint32_t og_unpack_u32(struct og_unpack *unpack);
uint64_t og_unpack_u64(struct og_unpack *unpack);

/* Fills all of @buf. */
void og_unpack_bytes(struct og_unpack *unpack, void *buf, size_t len);

/* 0 or 1; anything else fails. */
bool og_unpack_bool(struct og_unpack *unpack);

/* The next part, to be read by itself; @unpack goes on behind it. */
struct og_unpack og_unpack_part(struct og_unpack *unpack);

/* Whether all went well and nothing is left. */
bool og_unpack_done(const struct og_unpack *unpack);
