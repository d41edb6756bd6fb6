/* SPDX-License-Identifier: Apache-2.0 */
/* A disk's requests in flight: what is to be known of each when the kernel has done it. */
#pragma once

#include "vmm/block/ring.h"
#include "vmm/device/virtqueue.h"

struct og_flight {
	enum og_ring_op op;
	uint16_t head;	 /* its chain */
	uint8_t *status; /* where its answer goes, in guest memory */
	uint64_t offset; /* in the file */
	size_t bytes;

	/* Kept here: the kernel may look at it until the end. */
	struct iovec iov[OG_CHAIN_MAX];
	size_t n;
};

struct og_async {
	struct og_ring ring;
	unsigned in_flight;
	uint16_t idle[OG_RING_ENTRIES]; /* the first OG_RING_ENTRIES - in_flight are free */
	struct og_flight flights[OG_RING_ENTRIES];
};

/* On success *@ret_async is the caller's to free. Errors: those of og_ring_init(), -ENOMEM. */
int og_async_new(int file_fd, struct og_async **ret_async, struct og_err *err);

/* Nothing is in flight. Accepts NULL. Always returns NULL. */
struct og_async *og_async_free(struct og_async *async);

bool og_async_is_full(const struct og_async *async);

/* Queues one that is not full; @iov is copied. The kernel is told by og_ring_submit(). */
void og_async_start(struct og_async *async, const struct og_flight *flight, const struct iovec *iov,
		    size_t n);

/*
 * Takes one that is done; false, when there is none. It is valid until the next one is started.
 * *@ret_result is a negative errno or the bytes moved.
 */
bool og_async_take(struct og_async *async, struct og_flight **ret_flight, int32_t *ret_result);
