/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 (RFC 9112) as a client reads it: the head of an answer, and where its body ends. No I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Status line and headers of one answer; Go's server and ours take less themselves. */
#define OG_HTTP1_HEAD_MAX 65536U

struct og_http1_head {
	int status; /* 100 to 599 */
	bool chunked;
	int64_t content_length; /* -1: not given */
	char content_type[64];	/* without parameters; longer ones are cut; "" when not given */
};

/*
 * Reads the head at the front of @buf. Returns its length, 0 when it is not complete yet, or
 * -EBADMSG (no HTTP/1, or two ways to read where the body ends), -E2BIG (over OG_HTTP1_HEAD_MAX).
 */
ptrdiff_t og_http1_parse_head(const char *buf, size_t len, struct og_http1_head *ret_head);

enum og_http1_framing {
	OG_HTTP1_LENGTH,
	OG_HTTP1_CHUNKED,
	OG_HTTP1_UNTIL_CLOSE,
};

/* Where a reader stands in a body. */
struct og_http1_body {
	enum og_http1_framing framing;
	uint64_t left; /* bytes of the body or of this chunk */
	int state;     /* private: within the lines around chunks */
	size_t line_len;
	bool done; /* the body is complete */
};

/* @is_head: the request was HEAD, so no body follows whatever the head says. */
void og_http1_body_start(struct og_http1_body *body, const struct og_http1_head *head,
			 bool is_head);

/*
 * Takes the next part from the front of @buf (@len > 0) while the body is not done. *@ret_part
 * with *@ret_part_len bytes (may be 0) is content within @buf. Returns the bytes consumed or
 * -EBADMSG.
 */
ptrdiff_t og_http1_body_next(struct og_http1_body *body, const char *buf, size_t len,
			     const char **ret_part, size_t *ret_part_len);

/* The connection is at its end. Errors: -ECONNRESET when the body is not complete. */
int og_http1_body_close(struct og_http1_body *body);
