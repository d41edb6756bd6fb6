/* SPDX-License-Identifier: Apache-2.0 */
/* A file in memory for the EROFS writer, small enough for a fuzzer. */
#pragma once

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "format/erofs_write.h"

#define MEMORY_MAX (24U << 20)

struct memory {
	uint8_t *bytes; /* free() it */
	size_t len;
};

static inline int memory_write(void *data, uint64_t offset, const void *buf, size_t len,
			       struct og_err *err)
{
	struct memory *memory = data;

	if (offset > MEMORY_MAX || len > MEMORY_MAX - offset)
		return og_fail(err, -EFBIG, "too much for a test");
	if (memory->bytes == NULL)
		memory->bytes = calloc(1, MEMORY_MAX);
	if (memory->bytes == NULL)
		return og_fail(err, -ENOMEM, "allocate file");
	memcpy(memory->bytes + offset, buf, len);
	if (offset + len > memory->len)
		memory->len = (size_t)(offset + len);
	return 0;
}
