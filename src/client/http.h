/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One exchange with the daemon: a request is sent, the head of its answer read, then its body, or
 * after an upgrade raw bytes both ways. One connection each.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/err.h"

/* Where the daemon listens: unix:///path or tcp://address:port. */
struct og_host {
	const char *text; /* as it was given */
	char *unix_path;  /* owned; NULL for tcp */
	char *address;	  /* owned; NULL for unix */
	char *port;	  /* owned; NULL for unix */
};

/* Errors: -EINVAL. On success the caller calls og_host_done(). @text is borrowed. */
int og_host_parse(const char *text, struct og_host *ret_host, struct og_err *err);
void og_host_done(struct og_host *host);

/* Connects, and no more. Returns a descriptor; errors: what connect() says. */
int og_host_connect(const struct og_host *host, struct og_err *err);

struct og_http_call {
	const char *method;
	const char *path;	    /* with its query */
	const char *const *headers; /* "Name: value", NULL-terminated; NULL: none */
	const char *body;	    /* JSON text; NULL: none */
	int body_fd;		    /* > 0: sent in chunks instead, read to its end */
	bool upgrade;		    /* asks for a raw stream */
	int interrupt_fd; /* > 0: when this is readable, waiting for the answer ends with -EINTR */
};

struct og_http;

/*
 * Sends @call and reads the answer's head. On success *@ret_http is the caller's to free, whatever
 * the answer's status.
 */
int og_http_open(const struct og_host *host, const struct og_http_call *call,
		 struct og_http **ret_http, struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_http *og_http_free(struct og_http *http);
OG_DEFINE_CLEANUP(struct og_http, og_http_free)

int og_http_answer_status(const struct og_http *http);

/* To wait for an answer's body beside other things. What was read ahead is not waiting there. */
int og_http_fd(const struct og_http *http);
bool og_http_has_early(const struct og_http *http);

/* Reads some of the body; 0 at its end. Errors: -ECONNRESET (it ended early), -EBADMSG. */
ssize_t og_http_read(struct og_http *http, void *buf, size_t len, struct og_err *err);

/* Reads all of the body, at most @max_bytes. *@ret_text is the caller's to free. */
int og_http_read_all(struct og_http *http, size_t max_bytes, char **ret_text, size_t *ret_len,
		     struct og_err *err);
