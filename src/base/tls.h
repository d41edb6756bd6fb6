/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS 1.2 and 1.3 as a server speaks it: certificate and key out of files, clients' certificates
 * where they are asked for. A thin face over GnuTLS, and with sha256.c its only user.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/err.h"

struct og_tls_files {
	const char *certificate; /* PEM: ours, and those up to the root's */
	const char *key;	 /* PEM */
	const char *client_ca; /* PEM: who signs clients' certificates; NULL: none are asked for */
	bool client_optional;  /* a client may come without one; never with a bad one */
};

struct og_tls_server;

/* On success *@ret_tls is the caller's to free; the file names are copied. */
int og_tls_server_new(const struct og_tls_files *files, struct og_tls_server **ret_tls,
		      struct og_err *err);

/*
 * Reads the files again, for connections that come from now on; on an error the old ones go on.
 * May be called while others use @tls.
 */
int og_tls_server_reload(struct og_tls_server *tls, struct og_err *err);

/* When no session is left. Accepts NULL, returns NULL. */
struct og_tls_server *og_tls_server_free(struct og_tls_server *tls);
OG_DEFINE_CLEANUP(struct og_tls_server, og_tls_server_free)

/* ---- one connection ---- */

struct og_tls;

/* @fd: connected, non-blocking, borrowed. On success *@ret_tls is the caller's to free. */
int og_tls_accept(struct og_tls_server *server, int fd, struct og_tls **ret_tls);

/* Goes on with the handshake. 0: done; -EAGAIN: og_tls_wants_write() says what to wait for;
 * -EPROTO, -EKEYREJECTED (the client's certificate), -ECONNRESET. */
int og_tls_handshake(struct og_tls *tls);

/* The last call that was -EAGAIN waits for room to write, else for something to read. */
bool og_tls_wants_write(const struct og_tls *tls);

/* Bytes; 0 from og_tls_read(): the peer has ended its side. Errors: -EAGAIN, -ECONNRESET, -EPROTO.
 * After -EAGAIN og_tls_write() is called with the same bytes again. */
ssize_t og_tls_read(struct og_tls *tls, void *buf, size_t len);
ssize_t og_tls_write(struct og_tls *tls, const void *buf, size_t len);

/* More is written at once: packets may wait to be filled, until it is said that nothing follows. */
void og_tls_more(struct og_tls *tls, bool more);

/* See og_http_client_name(). Borrowed. */
const char *og_tls_client_name(const struct og_tls *tls);

/* Says goodbye if that needs no waiting. Accepts NULL, returns NULL. */
struct og_tls *og_tls_free(struct og_tls *tls);
OG_DEFINE_CLEANUP(struct og_tls, og_tls_free)
