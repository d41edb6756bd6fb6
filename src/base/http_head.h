/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of an HTTP/1.1 request (RFC 9112, sections 2 to 5), line by line, and the framing of a
 * chunked body (section 7.1). One reading or none: lines end with CR LF and nothing else, no header
 * is folded, a name is a token with its colon behind it, a value has no control characters (A33).
 * No I/O, no memory of its own. What headers mean is their reader's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Within the head, not terminated. */
struct og_http_text {
	const char *at;
	size_t len;
};

struct og_http_head {
	struct og_http_text method; /* a token */
	struct og_http_text target; /* visible characters, at least one */
	int minor;		    /* of the version: 0 or 1 */
	const char *at, *end;	    /* private: what is not read yet */
};

/*
 * The length of the head at the front of @buf, its empty line included; 0: it has not come whole;
 * -EBADMSG: a line ends without CR. @from: so much was looked at before, in vain.
 */
ptrdiff_t og_http_head_length(const char *buf, size_t len, size_t from);

/*
 * Reads the request line of a whole head, up to and including its empty line. NULL, or what is
 * wrong with it, for a 400.
 */
const char *og_http_head_start(struct og_http_head *head, const char *buf, size_t len);

/* 1: the next header, without the blanks around its value; 0: there is none; -EBADMSG. */
int og_http_head_next(struct og_http_head *head, struct og_http_text *ret_name,
		      struct og_http_text *ret_value);

/* In any case. */
bool og_http_text_is(struct og_http_text text, const char *word);

/* Decimal digits and nothing else, below 10^19. */
bool og_http_text_number(struct og_http_text text, uint64_t *ret_number);

/* ---- a chunked body; zero-initialise it ---- */

struct og_http_chunks {
	uint64_t left;	 /* bytes of content that come next */
	int state;	 /* private */
	unsigned digits; /* private */
	size_t extra;	 /* private: bytes of extensions and trailers */
	bool done;	 /* the body is complete */
};

/*
 * Passes over what is no content at the front of @buf, until content comes (@left > 0), all is
 * done, or @buf is used up. Returns the bytes consumed, or -EBADMSG. Of the content the caller
 * takes off @left what it has read.
 */
ptrdiff_t og_http_chunks_skip(struct og_http_chunks *chunks, const char *buf, size_t len);
