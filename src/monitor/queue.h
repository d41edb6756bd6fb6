/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that wait until a descriptor takes them. Zero-initialise it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct og_queue {
	uint8_t *buf;
	size_t start; /* of what waits */
	size_t len;   /* of what waits */
	size_t room;
};

void og_queue_done(struct og_queue *queue);

/* Puts bytes at the end. Errors: -ENOMEM. */
int og_queue_add(struct og_queue *queue, const void *bytes, size_t len);

/* Writes what the descriptor takes without waiting. Returns the bytes written or a negative errno. */
ptrdiff_t og_queue_flush(struct og_queue *queue, int fd);

/*
 * Sends the pieces in @iov, behind what waits already, and keeps what the descriptor does not take
 * now. @iov is used up. Errors: -ENOMEM, or what writev() says except -EAGAIN.
 */
int og_queue_send(struct og_queue *queue, int fd, struct iovec *iov, int iov_count);
