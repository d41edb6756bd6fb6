/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line's side of the Docker Engine API: where the daemon is, and calls of it. When
 * nothing listens on the unix socket, the daemon of this installation is started, once.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "client/http.h"

#define OG_DEFAULT_HOST "unix:///run/onggi/onggi.sock"

/* The API of dockerd 20.10, the oldest that we want to talk to. */
#define OG_API "/v1.41"

/* Answers that are read whole. An inspect of a large image list stays far below. */
#define OG_ANSWER_MAX (64U << 20)

struct og_session {
	struct og_host host;
	bool daemon_started; /* by us: it is not tried twice */
};

/* @host: what -H said; NULL: ONGGI_HOST, or the default. */
int og_session_init(struct og_session *session, const char *host, struct og_err *err);
void og_session_done(struct og_session *session);

/* og_http_open(), which starts the daemon where it has to. */
int og_session_open(struct og_session *session, const struct og_http_call *call,
		    struct og_http **ret_http, struct og_err *err);

/*
 * Checks an answer's status: below 400 it is returned; else -EREMOTEIO, and the text is the
 * daemon's message. *@ret_status (may be NULL) is the status in both cases.
 */
int og_answer_check(struct og_http *http, int *ret_status, struct og_err *err);

struct og_call {
	const char *method;
	const char *path; /* behind OG_API, with its query */
	const char *const *headers;
	struct og_json *body; /* taken over; NULL: none */
	int interrupt_fd;     /* as of og_http_call */
	int status;	      /* result: HTTP's, 0 when there was no answer */
};

/*
 * One call and its whole answer. On success *@ret_answer (may be NULL) is the caller's to free;
 * NULL when the answer was empty.
 */
int og_session_call(struct og_session *session, struct og_call *call, struct og_json **ret_answer,
		    struct og_err *err);

/* A call with a path built from a format, and no body. @ret_answer may be NULL. */
int og_session_ask(struct og_session *session, const char *method, struct og_json **ret_answer,
		   struct og_err *err, const char *path_fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* Adds @text with all but unreserved characters as %XX; @keep names further ones to leave. */
void og_url_add(struct og_text *url, const char *text, const char *keep);

/* The same into new memory. For a name within a path: keeps "/:@". */
char *og_url_name(const char *text);

/* Runs sbin/onggid of this installation for @host and waits until it listens. */
int og_daemon_start(const struct og_host *host, struct og_err *err);
