/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors over a unix socket (SCM_RIGHTS), with the bytes that say what they are. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

#define OG_FDPASS_MAX 32

/* Sends all of @bytes (at least one) in one message with @fds, which stay the caller's. */
int og_fdpass_send(int socket_fd, const void *bytes, size_t len, const int *fds, size_t fd_count,
		   struct og_err *err);

/*
 * Receives one message: up to @size bytes, up to @fd_room descriptors, close-on-exec, the
 * caller's. Those beyond are closed. Returns the bytes (0: the other side has closed), or a
 * negative errno.
 */
ssize_t og_fdpass_receive(int socket_fd, void *bytes, size_t size, int *fds, size_t fd_room,
			  size_t *ret_fd_count, struct og_err *err);
