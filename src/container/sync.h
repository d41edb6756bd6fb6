/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the runtime and the workload's first process say to each other while they set it up. When
 * either of them dies, the other sees the end of the stream and gives up.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "runtime/notes.h"

enum og_sync {
	OG_SYNC_MAP = 'm',   /* child: map my user namespace */
	OG_SYNC_HOOKS = 'h', /* child: everything is mounted, nothing pivoted: your hooks */
	OG_SYNC_SAVED = 's', /* parent: the state knows your pid */
	OG_SYNC_READY = 'r', /* child: all done but the program */
	OG_SYNC_GO = 'g',    /* parent: carry on */
	OG_SYNC_PID = 'p',   /* child: another one takes my place */
	OG_SYNC_FAIL = 'f',  /* child: with code and text */
};

struct og_sync_pair {
	int parent_fd, child_fd;
};

int og_sync_open(struct og_sync_pair *ret_pair, struct og_err *err);

int og_sync_send(int fd, enum og_sync what, struct og_err *err);

/* Sends what @err holds. Allocates nothing. */
void og_sync_fail(int fd, const struct og_err *err);

/* Sends OG_SYNC_READY with @notes from the one numbered @first on; too long ones are cut. */
int og_sync_ready(int fd, const struct og_notes *notes, size_t first, struct og_err *err);

/* Waits for that. @notes gets the lines. */
int og_sync_expect_ready(int fd, struct og_notes *notes, struct og_err *err);

/* The number of a process, and waiting for it. */
int og_sync_send_pid(int fd, pid_t pid, struct og_err *err);
int og_sync_expect_pid(int fd, pid_t *ret_pid, struct og_err *err);

/* Waits for @what. Errors: what the other side sent, or -EPIPE when it is gone. */
int og_sync_expect(int fd, enum og_sync what, struct og_err *err);

/* Waits for the other side to close by execve(): 0, or what it sent. */
int og_sync_closed(int fd, struct og_err *err);
