/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/virtio.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include "base/cleanup.h"
#include "vmm/device/event.h"

/* Requests in a row before other devices have their turn. */
#define SERVE_MAX OG_VIRTQ_SIZE_MAX

int og_virtio_init(struct og_virtio *virtio, const struct og_virtio_ops *ops, void *device,
		   const struct og_mem *mem, struct og_err *err)
{
	*virtio = (struct og_virtio){
		.ops = ops,
		.device = device,
		.kick_fd = og_event_new(),
		.interrupt_fd = og_event_new(),
	};
	if (virtio->kick_fd < 0 || virtio->interrupt_fd < 0) {
		int r = -errno;

		og_virtio_done(virtio);
		return og_fail(err, r, "make event descriptors of %s", ops->name);
	}

	(void)pthread_mutex_init(&virtio->lock, NULL);
	for (unsigned i = 0; i < ops->n_queues; i++)
		virtio->queues[i].mem = mem;
	return 0;
}

void og_virtio_done(struct og_virtio *virtio)
{
	virtio->kick_fd = og_close(virtio->kick_fd);
	virtio->interrupt_fd = og_close(virtio->interrupt_fd);
}

static void interrupt(struct og_virtio *virtio, unsigned why)
{
	(void)atomic_fetch_or(&virtio->interrupt_status, why);
	og_event_signal(virtio->interrupt_fd);
}

static void fail(struct og_virtio *virtio)
{
	virtio->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	if ((virtio->status & VIRTIO_CONFIG_S_DRIVER_OK) != 0)
		interrupt(virtio, VIRTIO_MMIO_INT_CONFIG);
}

static bool is_working(const struct og_virtio *virtio)
{
	unsigned bad = VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED;

	return (virtio->status & (VIRTIO_CONFIG_S_DRIVER_OK | bad)) == VIRTIO_CONFIG_S_DRIVER_OK;
}

void og_virtio_work(struct og_virtio *virtio)
{
	(void)pthread_mutex_lock(&virtio->lock);
	if (is_working(virtio) && virtio->ops->work(virtio) < 0)
		fail(virtio);
	(void)pthread_mutex_unlock(&virtio->lock);
}

int og_virtio_serve(struct og_virtio *virtio, struct og_virtq *q, og_virtio_serve_fn *serve)
{
	struct iovec iov[OG_CHAIN_MAX];
	struct og_chain chain;
	unsigned served = 0;
	int r;

	og_virtq_mute(q);
	do {
		while ((r = og_virtq_pop(q, iov, &chain)) > 0) {
			r = serve(virtio, q, &chain, iov);
			if (r < 0)
				return r;
			og_virtio_pushed(virtio, q);
			if (++served == SERVE_MAX) {
				og_virtio_kick(virtio);
				return 0;
			}
		}
		if (r < 0)
			return r;
	} while (og_virtq_unmute(q));
	return 0;
}

void og_virtio_pushed(struct og_virtio *virtio, struct og_virtq *q)
{
	if (og_virtq_wants_interrupt(q))
		interrupt(virtio, VIRTIO_MMIO_INT_VRING);
}

void og_virtio_kick(struct og_virtio *virtio)
{
	og_event_signal(virtio->kick_fd);
}

uint64_t og_virtio_offers(const struct og_virtio *virtio)
{
	return virtio->ops->features | virtio->extra_features | OG_VIRTIO_COMMON;
}

static void reset(struct og_virtio *virtio)
{
	for (unsigned i = 0; i < virtio->ops->n_queues; i++)
		og_virtq_reset(&virtio->queues[i]);
	virtio->features = 0;
	virtio->status = 0;
	atomic_store(&virtio->interrupt_status, 0);
	if (virtio->ops->reset != NULL)
		virtio->ops->reset(virtio);
}

/* The order of 3.1.1: a bit may be set only when those before it are. */
static bool in_order(uint8_t status)
{
	static const uint8_t order[] = {
		VIRTIO_CONFIG_S_ACKNOWLEDGE,
		VIRTIO_CONFIG_S_DRIVER,
		VIRTIO_CONFIG_S_FEATURES_OK,
		VIRTIO_CONFIG_S_DRIVER_OK,
	};
	bool missing = false;

	for (unsigned i = 0; i < sizeof(order); i++) {
		if ((status & order[i]) == 0)
			missing = true;
		else if (missing)
			return false;
	}
	return true;
}

static void agree_on_features(struct og_virtio *virtio)
{
	for (unsigned i = 0; i < virtio->ops->n_queues; i++) {
		virtio->queues[i].event_idx = (virtio->features & OG_VIRTIO_RING_EVENT) != 0;
		virtio->queues[i].indirect = (virtio->features & OG_VIRTIO_RING_INDIRECT) != 0;
	}
}

bool og_virtio_set_status(struct og_virtio *virtio, uint8_t status)
{
	uint8_t old = virtio->status;
	uint8_t now;

	if (status == 0) {
		reset(virtio);
		return true;
	}

	/* Nothing is taken back but by a reset, and the device's own bit is not the driver's. */
	if ((old & ~status & ~VIRTIO_CONFIG_S_NEEDS_RESET) != 0)
		return false;
	now = (uint8_t)((status & ~VIRTIO_CONFIG_S_NEEDS_RESET) |
			(old & VIRTIO_CONFIG_S_NEEDS_RESET));
	if (!in_order(now))
		return false;

	if ((now & ~old & VIRTIO_CONFIG_S_FEATURES_OK) != 0) {
		/* What we cannot serve shows by the bit staying clear (3.1.1, step 6). */
		if ((virtio->features & ~og_virtio_offers(virtio)) != 0 ||
		    (virtio->features & OG_VIRTIO_VERSION_1) == 0)
			return false;
		agree_on_features(virtio);
	}
	virtio->status = now;
	if ((now & ~old & VIRTIO_CONFIG_S_DRIVER_OK) != 0)
		og_virtio_kick(virtio);
	return true;
}

bool og_virtio_set_features(struct og_virtio *virtio, unsigned word, uint32_t features)
{
	unsigned shift = word * 32;

	if (word > 1 || (virtio->status & VIRTIO_CONFIG_S_DRIVER) == 0 ||
	    (virtio->status & VIRTIO_CONFIG_S_FEATURES_OK) != 0)
		return false;

	virtio->features = (virtio->features & ~(0xffffffffULL << shift)) |
			   ((uint64_t)features << shift);
	return true;
}

bool og_virtio_may_configure(const struct og_virtio *virtio, const struct og_virtq *q)
{
	return (virtio->status & VIRTIO_CONFIG_S_FEATURES_OK) != 0 &&
	       (virtio->status & VIRTIO_CONFIG_S_DRIVER_OK) == 0 && !q->ready;
}

bool og_virtio_start_queue(struct og_virtio *virtio, struct og_virtq *q)
{
	return og_virtio_may_configure(virtio, q) && og_virtq_start(q) == 0;
}
