/* SPDX-License-Identifier: Apache-2.0 */
/* Private to http_server.c and http_request.c: one request, shared by two threads. */
#pragma once

#include <microhttpd.h>
#include <pthread.h>

#include "base/http_server.h"

/* A stream's writer waits when so much has not been sent yet. */
#define HTTP_STREAM_MAX (256U * 1024U)

struct http_pair {
	char *name;
	char *value;
};

struct http_pairs {
	struct http_pair *items;
	size_t count;
	bool failed; /* out of memory, or a value that is refused */
};

enum http_answer {
	HTTP_NONE,     /* the handler has not decided */
	HTTP_REPLY,    /* status, type, out */
	HTTP_FILE,     /* status, type, file */
	HTTP_STREAM,   /* status, type, and `out` fills and drains */
	HTTP_UPGRADE,  /* asked for; the connection's thread makes it */
	HTTP_UPGRADED, /* raw is valid */
};

/*
 * The connection's thread (libmicrohttpd's) brings the body in and takes the answer away; the
 * handler's thread does the work. Everything below `lock` is guarded by it; what is above is set
 * before the handler's thread starts.
 */
struct og_http_request {
	struct og_http_server *server;
	struct MHD_Connection *connection; /* only the connection's thread uses it */
	int client_fd;
	char *method;
	char *path;
	char *raw_path;
	bool slash_escaped;
	char peer[64];
	struct http_pairs headers;
	struct http_pairs query;
	bool has_body;
	bool wants_upgrade;
	uint64_t drained; /* bytes of body after the handler was done; connection's thread only */
	pthread_t thread;
	bool thread_started;
	int wake_fd; /* eventfd: `out` has something, or the handler has returned */
	int gone_fd; /* eventfd: the client has left, or the server ends */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	const char *chunk; /* the piece of body that waits to be read; libmicrohttpd's memory */
	size_t chunk_len;
	bool body_done; /* all of it has come */
	bool gone;
	bool finished; /* the handler has returned */
	bool broken;   /* the stream shall not look complete */
	enum http_answer answer;
	int status;
	char *type;
	int file_fd;
	uint64_t file_offset;
	uint64_t size;		 /* of a file or a stream; MHD_SIZE_UNKNOWN */
	struct http_pairs extra; /* headers of the answer */
	char *out;		 /* the reply's body, or the stream's not yet sent bytes */
	size_t out_len;
	size_t out_at; /* of these, how many are sent */
	size_t out_room;
	struct og_http_raw raw;
	char *early; /* raw.early, owned */
};

/* Below, all for http_server.c. */

struct og_http_request *http_request_new(struct og_http_server *server);
struct og_http_request *http_request_free(struct og_http_request *request);
OG_DEFINE_CLEANUP(struct og_http_request, http_request_free)

bool http_pairs_add(struct http_pairs *pairs, const char *name, const char *value);
const char *http_pairs_get(const struct http_pairs *pairs, const char *name, size_t index,
			   bool any_case);

/* Hands a piece of body to the handler and waits until it is used. Returns the bytes that nobody
 * wants any more. */
size_t http_request_feed(struct og_http_request *request, const char *buf, size_t len);
void http_request_body_done(struct og_http_request *request);

/* Waits until the handler has answered or returned; tells how. */
enum http_answer http_request_await(struct og_http_request *request);

void http_request_set_gone(struct og_http_request *request);
void http_request_set_raw(struct og_http_request *request, int fd, const char *early, size_t len);
void http_request_await_finish(struct og_http_request *request);

/* libmicrohttpd's content reader for HTTP_STREAM. */
ssize_t http_request_drain(void *request, uint64_t offset, char *buf, size_t max);

/* Runs the handler in a thread of its own. */
int http_request_start(struct og_http_request *request, og_http_fn *handle, void *data);

int http_server_stop_fd(const struct og_http_server *server);
