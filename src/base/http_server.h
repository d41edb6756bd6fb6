/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP/1.1 server (RFC 9112) on unix sockets and TCP, with TLS where it is given. It knows
 * nothing of what it serves.
 *
 * Every request is handled by one call of a function in a worker's thread, written as if nothing
 * else went on: it reads the body as it comes, answers at once, or answers with a stream, or takes
 * the connection over (101). A connection carries one request after the other. Requests of
 * strangers reach the function only when nothing about them is ambiguous: lines that end without
 * CR, folded headers, repeated or contradicting Content-Length, Transfer-Encoding and Host, control
 * characters, "." and ".." and empty path segments, and bad percent escapes are answered with 400
 * and the connection is closed (attacks A31 to A33, A38). On loopback also what a web page could
 * have sent: an Origin, or a Host that is no address of this machine's loopback (A35).
 *
 * The program ignores SIGPIPE.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/err.h"

/* Connections at a time and, of these, requests being handled, each in a thread: what one host's
 * tools need, and no more than 1,000 threads (A40). */
#define OG_HTTP_CONNECTIONS_MAX 512U

/* A head must have come so long after its first byte, or after the connection was made. */
#define OG_HTTP_HEAD_TIMEOUT_S 30U

/* Request line and headers together. Registry credentials in X-Registry-Auth are the largest. */
#define OG_HTTP_HEAD_MAX (64U * 1024U)

/* A connection that says nothing for so long is closed, unless an answer is being made (A40). */
#define OG_HTTP_IDLE_S 120U

/*
 * What a client may still send of a body that nobody reads any more before it is cut off. It hears
 * the answer, "No space left" say, only behind the body: so the size of a large image.
 */
#define OG_HTTP_DRAIN_MAX (64ULL * 1024 * 1024 * 1024)

struct og_http_server;
struct og_http_request;
struct og_tls_server;

/* Handles one request; in a worker's thread. One that returns without an answer is a 500. */
typedef void og_http_fn(struct og_http_request *request, void *data);

/* What strangers may take of this machine. Zero: the default. */
struct og_http_limits {
	unsigned connections_max; /* one more is answered 503; OG_HTTP_CONNECTIONS_MAX */
	unsigned head_timeout_s;  /* OG_HTTP_HEAD_TIMEOUT_S */
	unsigned idle_timeout_s;  /* between requests, and within a body; OG_HTTP_IDLE_S */
	/* Bytes a second that a body must come with, and an answer of known length be taken with,
	 * on average once idle_timeout_s have passed; none. */
	unsigned min_rate;
	/* Of a body that nobody reads any more; what has more left is answered and hung up on;
	 * OG_HTTP_DRAIN_MAX. */
	uint64_t drain_max;
};

struct og_http_config {
	og_http_fn *handle;
	/* Called when a handled request is over: its answer is sent, or its client gone; for access
	 * logs. In the handler's thread. NULL: nobody wants to know. */
	og_http_fn *done;
	void *data; /* of both */
	struct og_http_limits limits;
	bool trailing_slash; /* a path may end with '/', as "/v2/" does; else that is a 400 */
	/* Makes the body of an answer that the server itself gives (400, 500): the caller's form.
	 * The result is freed by the server. */
	char *(*error_body)(int status, const char *text);
	const char *error_type; /* its Content-Type */
	/* How long a body may be (else 413, A32); path as of og_http_path(). */
	uint64_t (*body_max)(const char *method, const char *path);
};

/* On success *@ret_server is the caller's to free. It listens nowhere yet. */
int og_http_server_new(const struct og_http_config *config, struct og_http_server **ret_server,
		       struct og_err *err);

enum og_http_peers {
	OG_HTTP_LOCAL,	  /* of a unix socket: known by its permissions */
	OG_HTTP_LOOPBACK, /* of this machine: Host and Origin are checked (A35) */
	OG_HTTP_ANYBODY,  /* of anywhere: who they are is the handler's to find out */
};

struct og_http_listen {
	enum og_http_peers peers;
	struct og_tls_server *tls; /* borrowed until the server is freed; NULL: no TLS */
};

/* Serves @listen_fd, a listening socket, which is taken over (also on an error). */
int og_http_server_listen(struct og_http_server *server, int listen_fd,
			  const struct og_http_listen *options, struct og_err *err);

/*
 * Stops listening, tells running handlers that their clients are gone, and waits for them.
 * Accepts NULL. Always returns NULL.
 */
struct og_http_server *og_http_server_free(struct og_http_server *server);
OG_DEFINE_CLEANUP(struct og_http_server, og_http_server_free)

/*
 * Makes a listening unix socket at @path, which is ours: a socket that nobody serves any more is
 * replaced, one that is served is -EADDRINUSE. @gid: group that may connect (mode 0660), or -1
 * for the owner alone (0600). Returns the descriptor or a negative errno.
 */
int og_http_listen_unix(const char *path, gid_t gid, struct og_err *err);

/* Makes a listening TCP socket on a loopback address ("127.0.0.1:2375", "[::1]:2375"). -EPERM: the
 * address is another one. */
int og_http_listen_loopback(const char *address, struct og_err *err);

/* Likewise on any address of this machine: "0.0.0.0:5000", "[::]:5000", ":5000" (which is both). */
int og_http_listen_tcp(const char *address, struct og_err *err);

/* ---- the request; all text is borrowed until the handler returns ---- */

const char *og_http_method(const struct og_http_request *request);

/* Decoded, begins with '/', has no empty, "." or ".." segments and no control characters; an empty
 * one at the end where the configuration says so. */
const char *og_http_path(const struct og_http_request *request);

/* As it was sent, with its escapes. */
const char *og_http_raw_path(const struct og_http_request *request);

/* A '/' of the path was sent as %2F: who takes segments for names must refuse it (A55). */
bool og_http_slash_escaped(const struct og_http_request *request);

/* The peer's numeric address without a port; "" on a unix socket. */
const char *og_http_peer_address(const struct og_http_request *request);

bool og_http_is_tls(const struct og_http_request *request);

/* Whom the client's certificate, which was checked, names: its subject's common name, else its
 * first alternative name; NULL: it sent none. */
const char *og_http_client_name(const struct og_http_request *request);

/* Of a header or a query parameter, the first value; NULL: not there. */
const char *og_http_request_header(const struct og_http_request *request, const char *name);
const char *og_http_query(const struct og_http_request *request, const char *name);

/* The @index-th value of a query parameter that may be repeated; NULL: no more. */
const char *og_http_query_at(const struct og_http_request *request, const char *name, size_t index);

/* Of the body: 0 when there is none, -1 when its length is not known before its end (chunked). */
int64_t og_http_content_length(const struct og_http_request *request);

/* True when there is a body, of announced or unknown length. */
bool og_http_has_body(const struct og_http_request *request);

/* The request asks to take the connection over (Connection: Upgrade). */
bool og_http_wants_upgrade(const struct og_http_request *request);

/* Reads on in the body. Returns bytes, 0 at its end, -ECONNRESET: the client left in its midst, or
 * was too slow; -EFBIG: one of unknown length is longer than body_max. */
ssize_t og_http_read(struct og_http_request *request, void *buf, size_t len);

/* Reads the whole body; *@ret_buf is the caller's and NUL-terminated. Errors: -EFBIG, -ECONNRESET. */
int og_http_read_body(struct og_http_request *request, size_t max_bytes, char **ret_buf,
		      size_t *ret_len, struct og_err *err);

/*
 * ---- the answer: one of reply, reply_file, stream, upgrade ----
 *
 * To HEAD it is given as to GET: Content-Length stands, and no body is sent.
 */

/* Adds a header to the answer; before it is given. */
void og_http_set_header(struct og_http_request *request, const char *name, const char *value);

/* Answers. @type may be NULL when there is no body. @body is copied. */
void og_http_reply(struct og_http_request *request, int status, const char *type, const void *body,
		   size_t len);

/* The last bytes of an answer are kept back until it is known whether it may be whole. */
struct og_http_hold {
	uint64_t bytes;		    /* all of the answer, where it has fewer */
	int ready_fd;		    /* borrowed until free(): readable once there is a verdict */
	int (*verdict)(void *data); /* negative: the connection breaks off without them */
	void (*free)(void *data);   /* called once, however it ends */
	void *data;
};

/*
 * Answers with @len bytes at @offset of the file @fd, which is taken over, when the handler has
 * returned. It must not shrink meanwhile: then the connection breaks off. For HEAD @fd may be
 * negative. @hold is copied; NULL: nothing is kept back.
 */
void og_http_reply_file(struct og_http_request *request, int status, const char *type, int fd,
			uint64_t offset, uint64_t len, const struct og_http_hold *hold);

/* Begins an answer of unknown length, sent at once. It ends when the handler returns. */
int og_http_stream(struct og_http_request *request, int status, const char *type,
		   struct og_err *err);

/* Likewise of @len bytes: a Content-Length, and no chunks. One that ends before breaks off; to
 * write more is -EMSGSIZE. */
int og_http_stream_sized(struct og_http_request *request, int status, const char *type,
			 uint64_t len, struct og_err *err);

/*
 * Writes on in the stream; waits while the client is slow. -EPIPE: it has left. While the request's
 * body is still being read nothing is sent, so then at most OG_HTTP_EARLY_MAX bytes are kept and
 * -EAGAIN is returned for more: drop them, or fail.
 */
#define OG_HTTP_EARLY_MAX (1024U * 1024U)
int og_http_write(struct og_http_request *request, const void *buf, size_t len);

/*
 * A stream has failed in the midst: when the handler returns, the connection breaks off after what
 * was written, so that no client takes it for the whole.
 */
void og_http_break(struct og_http_request *request);

/* Becomes readable when the client has left, or its side of the connection has ended, or the server
 * ends. Borrowed. */
int og_http_gone_fd(const struct og_http_request *request);

/* A connection taken over: it is the handler's until it returns, then closed. */
struct og_http_raw {
	int fd;		   /* borrowed; blocking */
	const void *early; /* what the client had sent already, borrowed */
	size_t early_len;
	int gone_fd; /* readable when the server ends; borrowed */
};

/* Answers 101 with @protocol in Upgrade. -EPIPE: the client has left; -ENOTSUP: over TLS. */
int og_http_upgrade(struct og_http_request *request, const char *protocol, const char *type,
		    struct og_http_raw *ret_raw, struct og_err *err);

/* True once an answer was given or begun. */
bool og_http_answered(const struct og_http_request *request);
int og_http_answer_status(const struct og_http_request *request);

/* Of the answer's body, bytes sent so far. */
uint64_t og_http_answer_bytes(const struct og_http_request *request);
