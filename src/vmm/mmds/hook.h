/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metadata service, as vmm/ needs it: packets come and go here (stack.h), and what a request says
 * is read and answered by whoever gives the hook, which may parse text (vmmapi/). It is called in the
 * machine's process, under its seccomp filter, by the I/O thread alone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* The longest request that is collected for the hook; more is never taken from the guest. */
#define OG_MMDS_REQUEST_ROOM 8192U

/* 169.254.169.254, where guests look. */
#define OG_MMDS_IPV4_DEFAULT 0xa9fea9feU

struct og_metrics;

struct og_mmds_reply {
	size_t taken;	 /* bytes of the request */
	bool keep_alive; /* more requests may follow on this connection */
};

struct og_mmds_config {
	/*
	 * Answers the request at the front of the @len bytes, up to OG_MMDS_REQUEST_ROOM of them, that
	 * came so far. @now_ms only grows, @nonce is random. Returns the bytes written to @answer, of
	 * @size = @answer_max; 0: the request is not complete yet. NULL: there is no metadata service.
	 */
	size_t (*respond)(void *data, const char *request, size_t len, uint64_t now_ms,
			  uint64_t nonce, char *answer, size_t size,
			  struct og_mmds_reply *ret_reply);

	/* OG_COMMAND_MMDS: @fd, which stays the caller's, holds the new data. */
	int (*update)(void *data, int fd, struct og_err *err);

	/*
	 * In a clone, before its guest runs: nothing that the first machine gave out is good here.
	 * @metrics is the clone's own. Returns 0 or a negative errno.
	 */
	int (*cloned)(void *data, struct og_metrics *metrics);

	void *data;	   /* for all; borrowed; may be at another place than where it was made */
	size_t data_bytes; /* of @data */
	size_t answer_max; /* of any answer; each connection has as much memory when it is used */
	uint32_t ipv4;	   /* the service's address, in the host's order; 0: the default */
};
