/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal side of an attached workload or exec: our stdin goes to it, its output comes to
 * our stdout and stderr, signals and the window's size are passed on.
 */
#pragma once

#include "client/session.h"

struct og_attach {
	const char *path;	 /* "/containers/ID" or "/exec/ID", for kill and resize */
	const char *detach_keys; /* NULL: the default */
	bool tty;		 /* it has a terminal: output is raw */
	bool in;		 /* pass our stdin on */
	bool pass_signals;	 /* else they end us */
};

enum og_attach_end {
	OG_ATTACH_ENDED,    /* the stream is at its end */
	OG_ATTACH_DETACHED, /* by the keys */
};

/*
 * Blocks the signals that og_attach_run() takes, so that none is lost before it runs. Returns a
 * descriptor that is readable while one waits, or a negative errno.
 */
int og_attach_hold_signals(struct og_err *err);

/* Takes the first waiting signal but SIGWINCH from that descriptor; 0: there is none. */
int og_attach_waiting_signal(int signal_fd);

/*
 * Pumps until the stream's end. Returns an og_attach_end, 128 + N when signal N ended us, or a
 * negative errno. The terminal is as before in every case.
 */
int og_attach_run(struct og_session *session, struct og_http *http, const struct og_attach *attach,
		  struct og_err *err);

/* Tells a terminal our window's size, if we have one. */
void og_attach_resize(struct og_session *session, const char *path);
