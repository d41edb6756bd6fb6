/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 (RFC 9112) as a small server reads it: what the head of a request means that
 * base/http_head.h has read. Chunked bodies are refused: who sends to us knows the length.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Request line and headers: curl's take 150 bytes, a token's header 100. */
#define OG_HTTP_HEAD_MAX 8192U

enum og_http_method {
	OG_HTTP_GET,
	OG_HTTP_PUT,
	OG_HTTP_PATCH,
	OG_HTTP_OTHER, /* well-formed, and none of ours */
};

/* A header that the caller wants to see. */
struct og_http_header {
	const char *name;  /* in lower case */
	const char *value; /* within the request, not terminated; NULL: it did not come */
	size_t len;
};

struct og_http_request {
	enum og_http_method method;
	const char *method_text; /* within the request, not terminated */
	size_t method_len;
	const char *path; /* from its '/', without query; likewise */
	size_t path_len;
	bool has_body; /* Content-Length came */
	uint64_t content_length;
	bool keep_alive;
	bool expects_continue;
};

/* Why a request cannot be served: what to answer before the connection is closed. */
struct og_http_refusal {
	int status;
	const char *text;
};

/*
 * Reads the head at the front of @buf. Returns its length; 0 when it is not complete yet; -EBADMSG
 * (*@ret_refusal says what to answer). Of each of @headers the one that came is shown; one that
 * came twice is refused.
 */
ptrdiff_t og_http_parse(const char *buf, size_t len, struct og_http_request *ret_request,
			struct og_http_header *headers, size_t n_headers,
			struct og_http_refusal *ret_refusal);

/* "Bad Request" */
const char *og_http_reason(int status);

/*
 * Writes the head of an answer into @buf, terminated. @type may be NULL where @content_length is 0;
 * @more is further header lines, each with its CR LF. Returns its length, 0 when there is no room.
 */
size_t og_http_answer_head(char *buf, size_t size, int status, const char *type,
			   size_t content_length, bool keep_alive, const char *more);
