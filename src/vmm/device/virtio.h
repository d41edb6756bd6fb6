/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio device, apart from how the guest reaches it (Virtual I/O Device 1.2).
 *
 * A device is a row: identity, features, queues and what it does. struct og_virtio is the state that
 * all devices share: status, features, queues, interrupt. Transports (virtio_mmio.h) change it from
 * vCPU threads; requests are worked on by the I/O thread alone. @lock keeps the two apart, so a
 * reset waits for the request under way and nothing is in flight after it.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/device/virtqueue.h"

/* As many as the console has. */
#define OG_VIRTIO_QUEUES_MAX 4

/* Offered by every device, beside its own: VERSION_1 and what our queues can do. */
#define OG_VIRTIO_RING_INDIRECT (1ULL << 28)
#define OG_VIRTIO_RING_EVENT	(1ULL << 29)
#define OG_VIRTIO_VERSION_1	(1ULL << 32)
#define OG_VIRTIO_COMMON	(OG_VIRTIO_RING_INDIRECT | OG_VIRTIO_RING_EVENT | OG_VIRTIO_VERSION_1)

struct og_virtio;

struct og_virtio_ops {
	const char *name; /* for messages */
	uint32_t device_id;
	uint64_t features; /* beside OG_VIRTIO_COMMON */
	unsigned n_queues;

	/*
	 * Works on what waits in the queues. Called on the I/O thread, @lock held, while the driver
	 * is ready, after notifications and when a descriptor of the device's own is ready.
	 * A negative result means that the driver broke the rules: the device wants its reset.
	 */
	int (*work)(struct og_virtio *virtio);

	/* Back to the state before the driver came. @lock held. May be NULL. */
	void (*reset)(struct og_virtio *virtio);
};

struct og_virtio {
	const struct og_virtio_ops *ops;
	void *device;	    /* what @ops work on; borrowed */
	const void *config; /* the device's configuration, little endian; borrowed, constant */
	size_t config_bytes;
	uint64_t extra_features; /* those that this one device offers beyond its row */

	pthread_mutex_t lock;
	struct og_virtq queues[OG_VIRTIO_QUEUES_MAX];
	uint64_t features; /* what the driver accepted */
	uint8_t status;
	atomic_uint interrupt_status;

	int kick_fd;	  /* eventfd: the driver did something, I/O thread please look; owned */
	int interrupt_fd; /* eventfd: raises the guest's interrupt; owned */
};

/* Makes its two descriptors. On success og_virtio_done() is the caller's to call. */
int og_virtio_init(struct og_virtio *virtio, const struct og_virtio_ops *ops, void *device,
		   const struct og_mem *mem, struct og_err *err);
void og_virtio_done(struct og_virtio *virtio);

/* I/O thread: works on whatever waits; a driver that broke the rules makes the device fail. */
void og_virtio_work(struct og_virtio *virtio);

/*
 * Serves one request of @q and pushes it. @iov is the request's, to be changed at will. A negative
 * result means that the driver broke the rules.
 */
typedef int og_virtio_serve_fn(struct og_virtio *virtio, struct og_virtq *q,
			       const struct og_chain *chain, struct iovec *iov);

/* Serves what waits in @q, for a while: a driver that never stops does not starve the others. */
int og_virtio_serve(struct og_virtio *virtio, struct og_virtq *q, og_virtio_serve_fn *serve);

/* Interrupts the guest if it wants that for what was pushed to @q. */
void og_virtio_pushed(struct og_virtio *virtio, struct og_virtq *q);

uint64_t og_virtio_offers(const struct og_virtio *virtio);

/* What the driver may set, any thread. Each returns false where the driver must not do so now. */
bool og_virtio_set_status(struct og_virtio *virtio, uint8_t status);
bool og_virtio_set_features(struct og_virtio *virtio, unsigned word, uint32_t features);
bool og_virtio_start_queue(struct og_virtio *virtio, struct og_virtq *q);
bool og_virtio_may_configure(const struct og_virtio *virtio, const struct og_virtq *q);
void og_virtio_kick(struct og_virtio *virtio);
