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
#include "vmm/metrics.h"
#include "vmm/snapshot/pack.h"

/* Room for the device with the most. */
#define OG_VIRTIO_QUEUES_MAX 8

/* A device's state in a snapshot, beside what all devices have. */
#define OG_VIRTIO_STATE_MAX 65536U

/* Offered by every device, beside its own: VERSION_1 and what our queues can do. */
#define OG_VIRTIO_RING_INDIRECT (1ULL << 28)
#define OG_VIRTIO_RING_EVENT	(1ULL << 29)
#define OG_VIRTIO_VERSION_1	(1ULL << 32)
#define OG_VIRTIO_COMMON	(OG_VIRTIO_RING_INDIRECT | OG_VIRTIO_RING_EVENT | OG_VIRTIO_VERSION_1)

struct og_virtio;
struct og_kvm;
struct og_loop;

/* What devices share. All is borrowed and outlives them. */
struct og_device_world {
	const struct og_mem *mem;
	struct og_kvm *kvm;   /* for memory that a device brings itself; NULL in tests */
	uint64_t *free_gpa;   /* where the guest's addresses end; such a device moves it on */
	struct og_loop *loop; /* the I/O thread's; NULL in tests, which call the device themselves */
	struct og_metrics *metrics; /* may be NULL */
	unsigned index;		    /* the device's place in its kind */
	int broker_fd;		    /* whom to ask for what this process may not do; or negative */
};

/*
 * How the guest is reached. NULL in place of it: a word and an event descriptor, as the MMIO
 * transport has them and as tests look at them.
 */
struct og_virtio_transport {
	/* @q used buffers up; NULL: the configuration changed. Any thread, @lock held. */
	void (*interrupt)(struct og_virtio *virtio, const struct og_virtq *q);

	/* The driver reset the device. @lock held. */
	void (*reset)(struct og_virtio *virtio);
};

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

	/* Back to the state before the driver came. @lock held. May be NULL, as all below. */
	void (*reset)(struct og_virtio *virtio);

	/* Gives back all that the device's new() took, @virtio too. Never NULL. */
	void (*free)(struct og_virtio *virtio);

	/* The driver wrote @len (1, 2, 4 or 8) bytes at @offset of the configuration. @lock held. */
	void (*write_config)(struct og_virtio *virtio, uint64_t offset, uint64_t value,
			     unsigned len);

	/* I/O thread, vCPUs stopped: returns when no request is in flight any more. */
	void (*quiesce)(struct og_virtio *virtio);

	/*
	 * The state that a snapshot keeps beside struct og_virtio's own. load() gets what a file
	 * says and judges it; it is called on a fresh device. A negative result refuses.
	 */
	int (*save)(struct og_virtio *virtio, struct og_pack *pack, struct og_err *err);
	int (*load)(struct og_virtio *virtio, struct og_unpack *unpack, struct og_err *err);

	/* The machine goes on elsewhere: after a restore, or as a fork. Before the vCPUs run. */
	void (*resumed)(struct og_virtio *virtio);

	/*
	 * What the operator changes or asks while the guest runs: the structs are in the device's
	 * header. Descriptors that it keeps it takes by setting them to a negative number.
	 */
	int (*command)(struct og_virtio *virtio, const void *command, int *fds, unsigned n_fds,
		       void *reply, struct og_err *err);

	/* The guest has ended: hands on what it said last. */
	void (*drain)(struct og_virtio *virtio);
};

struct og_virtio {
	const struct og_virtio_ops *ops;
	void *device; /* what @ops work on; borrowed */

	/* The device's configuration, little endian; borrowed. Changed with @lock held. */
	const void *config;
	size_t config_bytes;
	uint32_t config_generation; /* grows with each change */
	uint64_t extra_features;    /* those that this one device offers beyond its row */

	pthread_mutex_t lock;
	struct og_virtq queues[OG_VIRTIO_QUEUES_MAX];
	uint64_t features; /* what the driver accepted */
	uint8_t status;
	bool stopped; /* the machine is paused: requests wait */
	atomic_uint interrupt_status;
	struct og_virtio_metrics *metrics; /* borrowed; may be NULL */
	const struct og_virtio_transport *transport;
	void *transport_data; /* borrowed */

	int kick_fd;	  /* eventfd: the driver did something, I/O thread please look; owned */
	int interrupt_fd; /* eventfd: raises the guest's interrupt; owned */
};

/*
 * For devices: makes the two descriptors. On success og_virtio_done() is the caller's to call.
 * A device as a whole is made by its own
 *	int og_virtio_NAME_new(const struct og_NAME_config *config,
 *			       const struct og_device_world *world, struct og_virtio **ret_virtio,
 *			       struct og_err *err);
 * and freed by og_virtio_free().
 */
int og_virtio_init(struct og_virtio *virtio, const struct og_virtio_ops *ops, void *device,
		   const struct og_mem *mem, struct og_err *err);
void og_virtio_done(struct og_virtio *virtio);

/* Accepts NULL. Always returns NULL. */
struct og_virtio *og_virtio_free(struct og_virtio *virtio);

/*
 * I/O thread: works on whatever waits; a driver that broke the rules makes the device fail. While
 * the machine is paused nothing is done, so a descriptor that stays readable is watched by edge or
 * for one event; when it goes on, each device is kicked.
 */
void og_virtio_work(struct og_virtio *virtio);
void og_virtio_stop(struct og_virtio *virtio);
void og_virtio_go_on(struct og_virtio *virtio);

/* @lock held: interrupts the guest for @q, whether it wants that or not. */
void og_virtio_interrupt(struct og_virtio *virtio, const struct og_virtq *q);

/* @lock held: tells the driver that the configuration is another now. */
void og_virtio_config_changed(struct og_virtio *virtio);

/*
 * Status, features and queues, and then the device's own. Loading is for a fresh device, after
 * its memory. Errors: -EBADMSG (what the bytes say cannot be), those of the device.
 */
int og_virtio_save(struct og_virtio *virtio, struct og_pack *pack, struct og_err *err);
int og_virtio_load(struct og_virtio *virtio, struct og_unpack *unpack, struct og_err *err);

/* A request cannot be served now; the device's work is called when it can. */
#define OG_VIRTIO_WAIT 1

/*
 * Serves one request of @q and pushes it: 0. @iov is the request's, to be changed at will.
 * OG_VIRTIO_WAIT leaves it where it was, and those behind it. A negative result means that the
 * driver broke the rules.
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

/* The driver's accesses to the configuration, any thread; 0, and nothing, where there is none. */
uint64_t og_virtio_read_config(struct og_virtio *virtio, uint64_t offset, unsigned len);
void og_virtio_write_config(struct og_virtio *virtio, uint64_t offset, uint64_t value,
			    unsigned len);
