/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file as readers of large ones see it: bytes at an offset, wherever they are kept. The reading is
 * a function of the caller's, so that a reader does no I/O itself and needs no more memory than it
 * looks at.
 */
#pragma once

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct og_bytes {
	/* Fills all of @buf or fails: never asked for anything beyond @size. */
	int (*read)(void *data, uint64_t offset, void *buf, size_t len);
	void *data;
	uint64_t size;
};

/* Errors: -ERANGE (beyond the end), what ->read says. */
static inline int og_bytes_read(const struct og_bytes *bytes, uint64_t offset, void *buf,
				size_t len)
{
	if (offset > bytes->size || len > bytes->size - offset)
		return -ERANGE;
	return len > 0 ? bytes->read(bytes->data, offset, buf, len) : 0;
}

struct og_memory {
	const uint8_t *at;
	size_t len;
};

static inline int og_memory_read(void *data, uint64_t offset, void *buf, size_t len)
{
	const struct og_memory *memory = data;

	memcpy(buf, memory->at + offset, len);
	return 0;
}

/* @memory must outlive it. */
static inline struct og_bytes og_bytes_of_memory(struct og_memory *memory)
{
	return (struct og_bytes){ .read = og_memory_read, .data = memory, .size = memory->len };
}
