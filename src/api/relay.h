/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes between a client and a workload's streams. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct relay {
	int client_fd;	   /* a socket */
	int stream_fd;	   /* a socket, of og_monitor_attach() */
	int gone_fd;	   /* readable: give up; -1: never */
	bool in;	   /* what the client sends is for the workload; else it is dropped */
	const void *early; /* the client sent this already */
	size_t early_len;
};

/*
 * Carries both directions, neither waiting for the other, until the stream has ended or the client
 * has left. A client that only closes its own direction ends the workload's input.
 */
void relay_run(const struct relay *relay);
