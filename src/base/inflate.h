/* SPDX-License-Identifier: Apache-2.0 */
/* A whole piece of compressed data at once: RFC 1951 (deflate, as in zip) and RFC 1950 (zlib). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum og_inflate_kind {
	OG_INFLATE_RAW,
	OG_INFLATE_ZLIB
};

struct og_inflate_source {
	enum og_inflate_kind kind;
	const void *buf;
	size_t len;
	size_t max_bytes; /* that it may become */
};

/*
 * On success *@ret_buf is the caller's to free, has a NUL behind it, and *@ret_len is its length without
 * that. What follows the end of the data is not looked at.
 *
 * Errors: -EBADMSG (damaged, cut short), -EFBIG (over max_bytes), -ENOMEM.
 */
int og_inflate(const struct og_inflate_source *source, char **ret_buf, size_t *ret_len,
	       struct og_err *err);
