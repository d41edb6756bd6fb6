/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What passes between a caller and its workload beside the bundle: descriptors of the caller's
 * that the program inherits, and the process as a descriptor for the caller.
 */
#pragma once

#include "runtime/command_line.h"
#include "runtime/state.h"

/*
 * How many descriptors from 3 on are the workload's: those of socket activation (sd_listen_fds(3):
 * LISTEN_FDS, if LISTEN_PID is ours) where @listening, then those of --preserve-fds. Checks that
 * they are there.
 */
int og_handover_fds(const struct og_args *args, bool listening, unsigned *ret_count,
		    struct og_err *err);

/* Tells the workload's program of its sockets by its environment. Does nothing without any. */
int og_handover_listening(struct og_workload *workload, struct og_err *err);

/* Sends a pidfd of @pid, a child, to the unix socket of --pidfd-socket, if there is one. With it
 * go the words that runc sends: "standard" for a first process, "setns" for a further one. */
int og_handover_pidfd(const struct og_args *args, pid_t pid, const char *what, struct og_err *err);
