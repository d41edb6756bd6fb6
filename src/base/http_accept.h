/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to http_server.c: who accepts connections. libmicrohttpd 0.9.75 takes bare line feeds and
 * folded headers, which other readers understand differently (A33), and has no limit on how long a
 * head may take (A40). So each connection's head is looked at whole before libmicrohttpd sees a
 * byte of it, and a connection carries one request: there is no second head nobody looked at.
 */
#pragma once

#include "base/http_request.h"

/* A head must have come so long after its connection. */
#define HTTP_HEAD_TIMEOUT_MS 30000U

struct http_acceptor;

/* Accepts on @listen_fd, which is taken over, and hands what is clean to @daemon. */
int http_acceptor_new(struct og_http_server *server, int listen_fd, struct MHD_Daemon *daemon,
		      struct http_acceptor **ret_acceptor, struct og_err *err);

/* After the server's stop descriptor became readable. Accepts NULL, returns NULL. */
struct http_acceptor *http_acceptor_free(struct http_acceptor *acceptor);

/*
 * Looks at the front of a connection. 0: a whole, clean head; -EAGAIN: incomplete so far; else the
 * HTTP status to refuse it with, and why.
 */
int http_head_check(const char *buf, size_t len, const char **ret_why);

const struct og_http_config *http_server_config(const struct og_http_server *server);
