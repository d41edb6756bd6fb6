/* SPDX-License-Identifier: Apache-2.0 */
/* Private to http_*.c: one request and its answer; its worker's alone, and on that one's stack. */
#pragma once

#include "base/http_conn.h"

#define HTTP_HEADERS_MAX 200U
#define HTTP_QUERY_MAX	 256U

struct http_pair {
	const char *name;
	const char *value;
};

enum http_answer {
	HTTP_NONE, /* the handler has not decided */
	HTTP_REPLY,
	HTTP_FILE,
	HTTP_STREAM,
	HTTP_UPGRADED,
};

struct og_http_request {
	struct http_conn *conn;
	struct http_scratch *scratch;

	/* Text without an owner is in the connection's buffer. */
	const char *method;
	const char *raw_path;
	char *path; /* owned, or raw_path itself */
	bool slash_escaped;
	int minor;
	bool refused; /* no handler sees it; its body is not looked at */
	bool keep;    /* the connection is good for another request */
	bool head_only;
	bool wants_upgrade;
	bool expects_continue; /* and was not told yet */
	struct http_pair headers[HTTP_HEADERS_MAX];
	size_t header_count;
	struct http_pair query[HTTP_QUERY_MAX];
	size_t query_count;

	int64_t content_length; /* -1: chunked */
	uint64_t left;		/* of a body whose length is known */
	uint64_t body_max;
	uint64_t body_read;
	bool body_done;
	struct og_http_chunks chunks;
	struct http_pace in;

	enum http_answer answer;
	int status;
	char *type;	      /* owned */
	struct og_text extra; /* headers of the answer, each with its CR LF */
	char *body;	      /* owned: of a reply */
	int file_fd;	      /* owned */
	uint64_t file_offset;
	struct og_http_hold hold; /* of a file; its data is owned, by its free() */
	int64_t size;		  /* of the answer's body; -1: not known */
	struct og_text early;	  /* of a stream, while the request's body is not read */
	bool head_sent;
	bool cut; /* the stream shall not look complete */
	uint64_t sent;
	struct http_pace out;
};

/* ---- http_request.c ---- */

const char *http_pair_get(const struct http_pair *pairs, size_t count, const char *name,
			  size_t index, bool any_case);

/* Reads what is left of the body, if that is not too much. False: some remains. */
bool http_request_drain(struct og_http_request *request);

/* ---- http_answer.c ---- */

/* Sends what a stream has kept, now that the request's body is read. */
int http_answer_flush(struct og_http_request *request);

/* The server's own answer. */
void http_answer_refuse(struct og_http_request *request, int status, const char *text);

/* The handler has returned: sends its answer, or the end of it. False: close the connection. */
bool http_answer_finish(struct og_http_request *request);
