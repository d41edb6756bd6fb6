/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decompression of a stream that is pushed in: gzip (RFC 1952, any number of members, by ISA-L),
 * zstd (RFC 8878, any number of frames), or plain, found by the first bytes. What is behind the end
 * of the compressed data is an error, and so is its missing end.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

/* A frame may ask for this much memory; it is zstd's own default, and that of image builders. */
#define OG_ZSTD_WINDOW_LOG_MAX 27

enum og_compression {
	OG_COMPRESSION_UNKNOWN, /* too few bytes came yet */
	OG_COMPRESSION_NONE,
	OG_COMPRESSION_GZIP,
	OG_COMPRESSION_ZSTD,
};

/* What a stream may grow to. 0: no bound. */
struct og_decompress_limits {
	uint64_t max_bytes;
	uint64_t max_ratio;	   /* bytes out to bytes in ... */
	uint64_t ratio_from_bytes; /* ... once this much came out */
};

/*
 * Takes decompressed bytes, in large pieces. @buf stays as it is until the call after next, or, with
 * no compression, at least until og_decompress_feed() returns.
 */
typedef int og_decompress_fn(void *data, const void *buf, size_t len, struct og_err *err);

struct og_decompress;

int og_decompress_new(const struct og_decompress_limits *limits, og_decompress_fn *fn, void *data,
		      struct og_decompress **ret_decompress, struct og_err *err);
struct og_decompress *og_decompress_free(struct og_decompress *decompress);
OG_DEFINE_CLEANUP(struct og_decompress, og_decompress_free)

/* Errors: -EBADMSG (damaged), -EFBIG (a limit), -ENOMEM, what @fn returned. */
int og_decompress_feed(struct og_decompress *decompress, const void *buf, size_t len,
		       struct og_err *err);

/* The end of the stream: hands out the rest. Errors: also -EBADMSG (cut short). */
int og_decompress_finish(struct og_decompress *decompress, struct og_err *err);

enum og_compression og_decompress_kind(const struct og_decompress *decompress);
