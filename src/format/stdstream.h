/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Docker's stream frames ("application/vnd.docker.multiplexed-stream"): standard output and
 * standard error on one connection. A frame is 8 bytes, {stream, 0, 0, 0, length big-endian}, and
 * then `length` bytes. No I/O.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define OG_STDSTREAM_HEADER 8

enum og_stdstream_id {
	OG_STDIN = 0,
	OG_STDOUT = 1,
	OG_STDERR = 2,
	OG_STDSYSTEM = 3, /* an error of the daemon, for people */
};

void og_stdstream_put(uint8_t ret_header[OG_STDSTREAM_HEADER], enum og_stdstream_id id,
		      uint32_t length);

/* Where a reader stands. Zero-initialise it. */
struct og_stdstream {
	uint8_t header[OG_STDSTREAM_HEADER];
	size_t header_len;
	uint32_t left; /* bytes of this frame's content still to come */
};

struct og_stdstream_part {
	enum og_stdstream_id id;
	const uint8_t *content; /* within the buffer that was given; */
	size_t len;		/* 0: nothing yet, a header was read */
};

/*
 * Takes the next part from the front of @buf (@len > 0): content of any size without copying it.
 * Returns the bytes consumed, over 0, or -EBADMSG: these are no frames.
 */
ptrdiff_t og_stdstream_next(struct og_stdstream *state, const uint8_t *buf, size_t len,
			    struct og_stdstream_part *ret_part);
