/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a machine's process may not do itself once it is confined: it asks whoever started it, over a
 * pair of SEQPACKET sockets (struct og_device_world's broker_fd), and gets a descriptor.
 *
 * Whoever serves takes requests for a guest's: there is one kind, it names no path, and each costs
 * one socket at most.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum og_broker_kind {
	OG_BROKER_VSOCK_CONNECT = 1, /* a stream to the program that listens for @port */
};

struct og_broker_request {
	uint32_t kind;
	uint32_t port;
	uint64_t tag; /* comes back with the answer */
};

struct og_broker_answer {
	uint64_t tag;
	int32_t code; /* 0, and then a descriptor is with it; or a negative errno */
	uint32_t reserved;
};

/* The machine's side, both without waiting. Errors: -EAGAIN, -EPIPE. */
int og_broker_ask(int fd, const struct og_broker_request *request);

/* Returns 1, 0 (none) or an error; *@ret_fd is the caller's, negative without success. */
int og_broker_hear(int fd, struct og_broker_answer *ret_answer, int *ret_fd);

/*
 * Serves one request that waits at @fd; guests reach port P at the Unix socket @vsock_path_P. Never
 * waits for that socket's owner. Returns 1, 0 (none waits) or -EPIPE (nobody asks any more).
 */
int og_broker_serve(int fd, const char *vsock_path);

/* A pair: @ret_fds[0] for the machine, @ret_fds[1] for who serves. Both the caller's. */
int og_broker_pair(int ret_fds[2], struct og_err *err);

/*
 * Where nobody serves yet: starts a process that does nothing else, and ends when the machine's end
 * of the pair is closed everywhere. *@ret_fd is the caller's.
 */
int og_broker_start(const char *vsock_path, int *ret_fd, struct og_err *err);

/* A listening socket at @path, made anew. *@ret_fd is the caller's. */
int og_broker_listen(const char *path, int *ret_fd, struct og_err *err);
