/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/boot/aml.h"

#include <assert.h>
#include <string.h>

enum {
	ZERO_OP = 0x00,
	ONE_OP = 0x01,
	NAME_OP = 0x08,
	BYTE_PREFIX = 0x0a,
	WORD_PREFIX = 0x0b,
	DWORD_PREFIX = 0x0c,
	STRING_PREFIX = 0x0d,
	SCOPE_OP = 0x10,
	BUFFER_OP = 0x11,
	PACKAGE_OP = 0x12,
	METHOD_OP = 0x14,
	EXT_PREFIX = 0x5b,
	ARG0_OP = 0x68,
	DEVICE_OP = 0x82,
	NOTIFY_OP = 0x86,
	EQUAL_OP = 0x93,
	IF_OP = 0xa0,
};

#define METHOD_SERIALIZED 8U

/* A package's length is written in the 3-byte form, whatever it is (20.2.4). */
#define PKG_LENGTH_BYTES 3

/* A buffer's size, always as a word, sits between its package length and its bytes. */
#define BUFFER_SIZE_BYTES 3

void og_aml_init(struct og_aml *aml, void *buf, size_t room)
{
	*aml = (struct og_aml){ .buf = buf, .room = room };
}

static void add(struct og_aml *aml, const void *bytes, size_t len)
{
	if (aml->failed || len > aml->room - aml->len) {
		aml->failed = true;
		return;
	}
	memcpy(aml->buf + aml->len, bytes, len);
	aml->len += len;
}

static void add_byte(struct og_aml *aml, unsigned byte)
{
	uint8_t b = (uint8_t)byte;

	add(aml, &b, 1);
}

/* Little endian, @bytes of it. */
static void add_number(struct og_aml *aml, uint32_t value, size_t bytes)
{
	add(aml, &value, bytes);
}

static void open_length(struct og_aml *aml)
{
	assert(aml->depth < OG_AML_DEPTH_MAX);
	aml->open[aml->depth++] = aml->len;
	add(aml, "\0\0\0", PKG_LENGTH_BYTES);
}

void og_aml_close(struct og_aml *aml)
{
	size_t start, len;

	assert(aml->depth > 0);
	start = aml->open[--aml->depth];
	if (aml->failed)
		return;
	len = aml->len - start;
	aml->buf[start] = (uint8_t)(2 << 6 | (len & 0xf));
	aml->buf[start + 1] = (uint8_t)(len >> 4);
	aml->buf[start + 2] = (uint8_t)(len >> 12);
}

void og_aml_open_scope(struct og_aml *aml, const char *path)
{
	add_byte(aml, SCOPE_OP);
	open_length(aml);
	add(aml, path, strlen(path));
}

void og_aml_open_device(struct og_aml *aml, const char *name)
{
	add_byte(aml, EXT_PREFIX);
	add_byte(aml, DEVICE_OP);
	open_length(aml);
	add(aml, name, strlen(name));
}

void og_aml_open_package(struct og_aml *aml, uint8_t elements)
{
	add_byte(aml, PACKAGE_OP);
	open_length(aml);
	add_byte(aml, elements);
}

void og_aml_open_method(struct og_aml *aml, const char *name, uint8_t arguments)
{
	add_byte(aml, METHOD_OP);
	open_length(aml);
	add(aml, name, strlen(name));
	add_byte(aml, arguments | METHOD_SERIALIZED);
}

void og_aml_open_if_argument(struct og_aml *aml, uint32_t value)
{
	add_byte(aml, IF_OP);
	open_length(aml);
	add_byte(aml, EQUAL_OP);
	add_byte(aml, ARG0_OP);
	og_aml_integer(aml, value);
}

void og_aml_notify(struct og_aml *aml, const char *name, uint32_t value)
{
	add_byte(aml, NOTIFY_OP);
	add(aml, name, strlen(name));
	og_aml_integer(aml, value);
}

void og_aml_name(struct og_aml *aml, const char *name)
{
	add_byte(aml, NAME_OP);
	add(aml, name, strlen(name));
}

void og_aml_integer(struct og_aml *aml, uint32_t value)
{
	if (value <= 1) {
		add_byte(aml, value == 0 ? ZERO_OP : ONE_OP);
	} else if (value <= UINT8_MAX) {
		add_byte(aml, BYTE_PREFIX);
		add_number(aml, value, 1);
	} else if (value <= UINT16_MAX) {
		add_byte(aml, WORD_PREFIX);
		add_number(aml, value, 2);
	} else {
		add_byte(aml, DWORD_PREFIX);
		add_number(aml, value, 4);
	}
}

void og_aml_string(struct og_aml *aml, const char *text)
{
	add_byte(aml, STRING_PREFIX);
	add(aml, text, strlen(text) + 1);
}

static uint32_t hex_digit(char c)
{
	return c >= 'A' ? (uint32_t)(c - 'A') + 10 : (uint32_t)(c - '0');
}

/* Three letters of 5 bits and four hexadecimal digits, high byte first (6.1.5). */
void og_aml_eisa_id(struct og_aml *aml, const char *id)
{
	uint32_t packed = 0;
	uint8_t bytes[5] = { DWORD_PREFIX };

	for (unsigned i = 0; i < 3; i++)
		packed = packed << 5 | (uint32_t)(id[i] - 0x40);
	for (unsigned i = 3; i < 7; i++)
		packed = packed << 4 | hex_digit(id[i]);
	for (unsigned i = 0; i < 4; i++)
		bytes[1 + i] = (uint8_t)(packed >> (24 - 8 * i));
	add(aml, bytes, sizeof(bytes));
}

void og_aml_open_resources(struct og_aml *aml)
{
	add_byte(aml, BUFFER_OP);
	open_length(aml);
	add(aml, "\x0b\0\0", BUFFER_SIZE_BYTES); /* filled in when it is closed */
}

void og_aml_close_resources(struct og_aml *aml)
{
	size_t start = aml->open[aml->depth - 1] + PKG_LENGTH_BYTES + BUFFER_SIZE_BYTES;
	size_t len;

	add(aml, "\x79\0", 2); /* end tag; a checksum of 0 is not checked (6.4.2.9) */
	if (!aml->failed) {
		len = aml->len - start;
		aml->buf[start - 2] = (uint8_t)len;
		aml->buf[start - 1] = (uint8_t)(len >> 8);
	}
	og_aml_close(aml);
}

/* I/O port descriptor (6.4.2.5). */
void og_aml_ports(struct og_aml *aml, uint16_t base, uint8_t count)
{
	add_byte(aml, 0x47);
	add_byte(aml, 1); /* 16 bits are decoded */
	add_number(aml, base, 2);
	add_number(aml, base, 2);
	add_byte(aml, 1); /* alignment */
	add_byte(aml, count);
}

/* 32-bit fixed memory range descriptor (6.4.3.4). */
void og_aml_memory(struct og_aml *aml, uint32_t base, uint32_t bytes)
{
	add_byte(aml, 0x86);
	add_number(aml, 9, 2);
	add_byte(aml, 1); /* may be written */
	add_number(aml, base, 4);
	add_number(aml, bytes, 4);
}

/* Extended interrupt descriptor (6.4.3.6). */
void og_aml_interrupt(struct og_aml *aml, uint32_t gsi)
{
	add_byte(aml, 0x89);
	add_number(aml, 6, 2);
	add_byte(aml, 0x03); /* consumer, edge, active high, exclusive */
	add_byte(aml, 1);
	add_number(aml, gsi, 4);
}

enum {
	SPACE_MEMORY = 0,
	SPACE_PORTS = 1,
	SPACE_BUS = 2
};

#define SPACE_PRODUCED 0x0c /* a window that a bridge hands down, with both ends fixed */

/* Address space descriptors of 16 and 32 bits (6.4.3.5): numbers of @bytes bytes each. */
static void add_space(struct og_aml *aml, unsigned tag, unsigned type, unsigned flags,
		      uint32_t base, uint32_t last, size_t bytes)
{
	add_byte(aml, tag);
	add_number(aml, (uint32_t)(3 + 5 * bytes), 2);
	add_byte(aml, type);
	add_byte(aml, SPACE_PRODUCED);
	add_byte(aml, flags);
	add_number(aml, 0, bytes); /* granularity */
	add_number(aml, base, bytes);
	add_number(aml, last, bytes);
	add_number(aml, 0, bytes); /* as seen from the other side */
	add_number(aml, last - base + 1, bytes);
}

void og_aml_bus_numbers(struct og_aml *aml, uint16_t first, uint16_t last)
{
	add_space(aml, 0x88, SPACE_BUS, 0, first, last, 2);
}

void og_aml_port_window(struct og_aml *aml, uint16_t base, uint16_t last)
{
	add_space(aml, 0x88, SPACE_PORTS, 3, base, last, 2);
}

void og_aml_memory_window(struct og_aml *aml, uint32_t base, uint32_t last)
{
	add_space(aml, 0x87, SPACE_MEMORY, 1, base, last, 4);
}
