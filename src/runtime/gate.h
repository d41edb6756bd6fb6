/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What holds a created workload back until `start`: a socket ROOT/ID/start.sock that its first
 * process (for a VM the supervisor) listens on. `start` connects, removes the name (which makes
 * the workload count as started), and sends one byte. The other end then either closes the
 * connection by execve() (the user's process runs) or answers with what went wrong.
 */
#pragma once

#include "base/err.h"

#define OG_GATE_NAME "start.sock"

/* Makes the socket in @dir_fd (ROOT/ID). Returns the listening descriptor, or a negative errno. */
int og_gate_open(int dir_fd, struct og_err *err);

/*
 * Blocks until `start`. Returns a close-on-exec connection to be kept open until the user's
 * process runs, or a negative errno. Calls nothing but accept, read and close.
 */
int og_gate_wait(int listen_fd);

/* Answers a failed start. @code is the negative errno. */
void og_gate_fail(int connection_fd, int code, const char *text);

/* The side of `start`. Errors: -EALREADY (started before), -ESRCH (nobody listens), or the answer. */
int og_gate_start(int dir_fd, struct og_err *err);
