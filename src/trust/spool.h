/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that arrives in pieces and is then read at will: in memory while it is small, else in a file
 * without a name, used for one after the other. Private to trust/.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "format/bytes.h"

#define OG_SPOOL_MEMORY (8U << 20) /* bytes; larger ones are programs and jars */

/* Zero-initialise it, with fd -EBADF. */
struct og_spool {
	uint8_t *buf; /* owned */
	size_t room;
	int fd; /* owned; -EBADF until it is needed */
	uint64_t size;
	bool in_file;
};

#define OG_SPOOL_INIT        \
	{                    \
		.fd = -EBADF \
	}

/* The next file, of @size bytes, all zero where nothing is written. */
int og_spool_begin(struct og_spool *spool, uint64_t size, struct og_err *err);

/* Errors: -ERANGE (beyond its size), -ENOSPC, what write() says. */
int og_spool_write(struct og_spool *spool, uint64_t offset, const void *buf, size_t len,
		   struct og_err *err);

/* Valid until the next begin. */
struct og_bytes og_spool_bytes(struct og_spool *spool);

void og_spool_done(struct og_spool *spool);

/* A file without a name, where there is room for large ones. Returns it or a negative errno. */
int og_spool_file(struct og_err *err);
