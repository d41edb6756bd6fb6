/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP(S) requests: a thin face over libcurl (GnuTLS), and its only user. A client is used by one
 * thread at a time and keeps its connections for the next request. Redirects are followed here, so
 * that credentials stay with the host they were meant for and no URL is asked that the caller would not.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/err.h"

#define OG_HTTP_REDIRECTS_MAX 5
#define OG_HTTP_URL_MAX	      8192	  /* chars; signed storage URLs reach 2,000 */
#define OG_HTTP_HEADERS_MAX   (64U << 10) /* bytes of all headers of one answer */
#define OG_HTTP_CONNECT_MS    30000	  /* until a connection stands */
#define OG_HTTP_STALL_S	      60	  /* without a byte, then the transfer is broken */

struct og_http_client;

/* Errors: -ENOMEM. On success *@ret_client is the caller's to free. */
int og_http_client_new(struct og_http_client **ret_client, struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_http_client *og_http_client_free(struct og_http_client *client);
OG_DEFINE_CLEANUP(struct og_http_client, og_http_client_free)

struct og_http_response;

/* May @url (http or https) be asked? Called for the first URL and for each redirect. */
typedef bool og_http_may_fn(void *data, const char *url);

/*
 * May @address be connected to, which the host of @url is or was resolved to? Called for each address just
 * before it is tried, so that what a name says the next time changes nothing. Where the environment names
 * a proxy the address is the proxy's.
 */
typedef bool og_http_reach_fn(void *data, const char *url, const struct sockaddr *address);

/*
 * Takes a piece of the body of an answer with status 200 or 206, whose headers are already in
 * @response. A negative errno ends the request with that code.
 */
typedef int og_http_body_fn(void *data, const struct og_http_response *response, const void *buf,
			    size_t len);

/* Called about once a second or more often; a negative errno ends the request with that code. */
typedef int og_http_tick_fn(void *data);

/* Gives the next bytes to send: their number, 0 at the end, or a negative errno that ends the request. */
typedef ssize_t og_http_source_fn(void *data, void *buf, size_t len);

#define OG_HTTP_SIZE_UNKNOWN UINT64_MAX

/* What is sent as a request's body: @buf, else what @source gives, else @size bytes of @fd. */
struct og_http_upload {
	const void *buf;
	og_http_source_fn *source;
	void *source_data;
	int fd;		  /* a file; its position is not looked at or moved */
	uint64_t offset;  /* of @fd: the first byte sent */
	uint64_t size;	  /* bytes; of a @source also OG_HTTP_SIZE_UNKNOWN: sent in chunks */
	const char *type; /* Content-Type; NULL: application/octet-stream */
};

/* What og_http_ask() asks. A server's side of it is og_http_request (base/http_server.h). */
struct og_http_question {
	const char *url;
	const char *method; /* "HEAD", "PUT", "POST", "PATCH", "DELETE"; NULL: GET, with @form POST */
	const struct og_http_upload *upload; /* NULL: none */
	const char *const *headers; /* "Name: value" or "" for none; NULL-terminated, or NULL */
	const char *authorization;  /* its value, sent to the first URL's host alone; NULL: none */
	const char *form;	   /* POST this application/x-www-form-urlencoded text; NULL: GET */
	const char *ca_file;	   /* trust these certificates alone; NULL: the system's */
	const char *extra_ca_file; /* trust these beside the system's; not with @ca_file */
	const char *cert_file; /* PEM: show this certificate to the first URL's host; NULL: none */
	const char *key_file;  /* PEM: its key */
	bool unverified;       /* take any certificate */
	size_t max_body_bytes; /* of an answer that is kept; longer: -E2BIG */
	og_http_may_fn *may;   /* must not be NULL */
	og_http_reach_fn *reach; /* NULL: any address */
	og_http_body_fn *body;	 /* NULL: the body is kept in the response */
	og_http_tick_fn *tick;	 /* may be NULL */
	void *data;		 /* for the four */
};

/*
 * Asks, and follows redirects: of GET and HEAD all, of what has a body 307 and 308 when it can be sent
 * again, which that of a source cannot; others are the answer. An answer of any status is success. On success *@ret_response is
 * the caller's to free. @err names the host.
 *
 * Errors: -EHOSTUNREACH (unknown or unreachable), -ECONNREFUSED, -ETIMEDOUT, -ECONNRESET (broken off, may
 * be tried again), -EKEYREJECTED (certificate), -EPROTO (no HTTP, no TLS), -EPERM (@may or @reach forbids),
 * -ELOOP (redirects), -E2BIG, -ENOMEM, and what @body, @tick and the source return.
 */
int og_http_ask(struct og_http_client *client, const struct og_http_question *question,
		struct og_http_response **ret_response, struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_http_response *og_http_response_free(struct og_http_response *response);
OG_DEFINE_CLEANUP(struct og_http_response, og_http_response_free)

int og_http_status(const struct og_http_response *response);

/* The @index-th header @name in any capitals, NULL when there is none. Borrowed. */
const char *og_http_header(const struct og_http_response *response, const char *name, size_t index);

/* What was kept of the body, NUL-terminated; of a streamed one, only that of an error. */
const char *og_http_body(const struct og_http_response *response, size_t *ret_len);

/* The absolute form of @location as seen from @base, the caller's to free. Errors: -EPROTO, -ENOMEM. */
int og_http_resolve(const char *base, const char *location, char **ret_url);

/* Are both URLs of one scheme, host and port? */
bool og_http_same_origin(const char *a, const char *b);

/* "https", "host:port" of a URL, for the caller's policy; the port is always there. */
struct og_http_origin {
	char scheme[8];
	char host[256]; /* "example.org", "[::1]" */
	unsigned int port;
};

/* Errors: -EINVAL (not http or https, a user in it, or no host). */
int og_http_origin(const char *url, struct og_http_origin *ret_origin);

/* @text as a part of a query, the caller's to free; NULL when memory ran out. */
char *og_http_escape(struct og_http_client *client, const char *text);
