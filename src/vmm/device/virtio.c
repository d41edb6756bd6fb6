/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/virtio.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <string.h>

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

struct og_virtio *og_virtio_free(struct og_virtio *virtio)
{
	if (virtio != NULL)
		virtio->ops->free(virtio);
	return NULL;
}

/* @q: whose buffers were used; NULL: the configuration changed. */
static void interrupt(struct og_virtio *virtio, const struct og_virtq *q)
{
	unsigned why = q != NULL ? VIRTIO_MMIO_INT_VRING : VIRTIO_MMIO_INT_CONFIG;

	if (virtio->transport != NULL) {
		virtio->transport->interrupt(virtio, q);
		return;
	}
	(void)atomic_fetch_or(&virtio->interrupt_status, why);
	og_event_signal(virtio->interrupt_fd);
}

void og_virtio_interrupt(struct og_virtio *virtio, const struct og_virtq *q)
{
	interrupt(virtio, q);
}

void og_virtio_config_changed(struct og_virtio *virtio)
{
	virtio->config_generation++;
	if ((virtio->status & VIRTIO_CONFIG_S_DRIVER_OK) != 0)
		interrupt(virtio, NULL);
}

static void fail(struct og_virtio *virtio)
{
	virtio->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	if (virtio->metrics != NULL)
		og_counted(&virtio->metrics->protocol_fails, 1);
	if ((virtio->status & VIRTIO_CONFIG_S_DRIVER_OK) != 0)
		interrupt(virtio, NULL);
}

static bool is_working(const struct og_virtio *virtio)
{
	unsigned bad = VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED;

	return (virtio->status & (VIRTIO_CONFIG_S_DRIVER_OK | bad)) == VIRTIO_CONFIG_S_DRIVER_OK;
}

void og_virtio_work(struct og_virtio *virtio)
{
	(void)pthread_mutex_lock(&virtio->lock);
	if (virtio->metrics != NULL)
		og_counted(&virtio->metrics->event_count, 1);
	if (!virtio->stopped && is_working(virtio) && virtio->ops->work(virtio) < 0)
		fail(virtio);
	(void)pthread_mutex_unlock(&virtio->lock);
}

void og_virtio_stop(struct og_virtio *virtio)
{
	(void)pthread_mutex_lock(&virtio->lock);
	virtio->stopped = true;
	(void)pthread_mutex_unlock(&virtio->lock);
	if (virtio->ops->quiesce != NULL)
		virtio->ops->quiesce(virtio);
}

void og_virtio_go_on(struct og_virtio *virtio)
{
	(void)pthread_mutex_lock(&virtio->lock);
	virtio->stopped = false;
	(void)pthread_mutex_unlock(&virtio->lock);
	og_virtio_kick(virtio);
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
			if (r == OG_VIRTIO_WAIT)
				og_virtq_unpop(q, 1);
			if (r != 0)
				return r < 0 ? r : 0;
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
		interrupt(virtio, q);
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
	if (virtio->transport != NULL)
		virtio->transport->reset(virtio);
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

/* Whether the driver may access @len bytes at @offset of the configuration at once. */
static bool in_config(const struct og_virtio *virtio, uint64_t offset, unsigned len)
{
	return len > 0 && len <= 8 && offset < virtio->config_bytes &&
	       len <= virtio->config_bytes - offset;
}

uint64_t og_virtio_read_config(struct og_virtio *virtio, uint64_t offset, unsigned len)
{
	uint64_t value = 0;

	(void)pthread_mutex_lock(&virtio->lock);
	if (in_config(virtio, offset, len))
		memcpy(&value, (const uint8_t *)virtio->config + offset, len);
	(void)pthread_mutex_unlock(&virtio->lock);
	return value;
}

void og_virtio_write_config(struct og_virtio *virtio, uint64_t offset, uint64_t value, unsigned len)
{
	if (virtio->ops->write_config == NULL)
		return;
	(void)pthread_mutex_lock(&virtio->lock);
	if (in_config(virtio, offset, len))
		virtio->ops->write_config(virtio, offset, value, len);
	(void)pthread_mutex_unlock(&virtio->lock);
}

bool og_virtio_may_configure(const struct og_virtio *virtio, const struct og_virtq *q)
{
	return (virtio->status & VIRTIO_CONFIG_S_FEATURES_OK) != 0 &&
	       (virtio->status & VIRTIO_CONFIG_S_DRIVER_OK) == 0 && !q->ready;
}

bool og_virtio_start_queue(struct og_virtio *virtio, struct og_virtq *q)
{
	if (!og_virtio_may_configure(virtio, q))
		return false;
	if (og_virtq_start(q) < 0) {
		if (virtio->metrics != NULL)
			og_counted(&virtio->metrics->activate_fails, 1);
		return false;
	}
	return true;
}

static void save_queue(const struct og_virtq *q, struct og_pack *pack)
{
	og_pack_u16(pack, q->size);
	og_pack_u8(pack, q->ready);
	og_pack_u64(pack, q->desc_gpa);
	og_pack_u64(pack, q->avail_gpa);
	og_pack_u64(pack, q->used_gpa);
	og_pack_u16(pack, q->next_avail);
	og_pack_u16(pack, q->next_used);
	og_pack_u16(pack, q->told_used);
}

int og_virtio_save(struct og_virtio *virtio, struct og_pack *pack, struct og_err *err)
{
	size_t own;
	int r = 0;

	og_pack_u32(pack, virtio->ops->device_id);
	og_pack_u64(pack, og_virtio_offers(virtio));
	og_pack_u64(pack, virtio->features);
	og_pack_u8(pack, virtio->status);
	og_pack_u32(pack, atomic_load(&virtio->interrupt_status));
	og_pack_u32(pack, virtio->config_generation);
	og_pack_u8(pack, (uint8_t)virtio->ops->n_queues);
	for (unsigned i = 0; i < virtio->ops->n_queues; i++)
		save_queue(&virtio->queues[i], pack);
	own = og_pack_open(pack);
	if (virtio->ops->save != NULL)
		r = virtio->ops->save(virtio, pack, err);
	og_pack_close(pack, own);
	if (r == 0 && pack->failed)
		r = og_fail(err, -ENOSPC, "the state of %s is too large", virtio->ops->name);
	return r;
}

/* The driver's side of the queue is in guest memory; ours is taken from the file and judged. */
static bool load_queue(struct og_virtq *q, struct og_unpack *unpack)
{
	bool ready;
	uint16_t next_avail, next_used, told_used;

	q->size = og_unpack_u16(unpack);
	ready = og_unpack_bool(unpack);
	q->desc_gpa = og_unpack_u64(unpack);
	q->avail_gpa = og_unpack_u64(unpack);
	q->used_gpa = og_unpack_u64(unpack);
	next_avail = og_unpack_u16(unpack);
	next_used = og_unpack_u16(unpack);
	told_used = og_unpack_u16(unpack);
	if (unpack->failed || q->size > OG_VIRTQ_SIZE_MAX)
		return false;
	if (!ready)
		return true;
	if (og_virtq_start(q) < 0)
		return false;
	q->next_avail = next_avail;
	q->next_used = next_used;
	q->told_used = told_used;
	return true;
}

static int load_common(struct og_virtio *virtio, struct og_unpack *unpack, struct og_err *err)
{
	uint32_t device_id = og_unpack_u32(unpack);
	uint64_t offered = og_unpack_u64(unpack), features = og_unpack_u64(unpack);
	uint8_t status = og_unpack_u8(unpack);
	uint32_t interrupt_status = og_unpack_u32(unpack);

	virtio->config_generation = og_unpack_u32(unpack);
	if (device_id != virtio->ops->device_id || og_unpack_u8(unpack) != virtio->ops->n_queues)
		return og_fail(err, -EBADMSG, "the state is not that of %s", virtio->ops->name);
	if ((features & ~og_virtio_offers(virtio)) != 0)
		return og_fail(err, -EBADMSG,
			       "%s: the driver uses features 0x%llx of 0x%llx that are not "
			       "offered here",
			       virtio->ops->name, (unsigned long long)features,
			       (unsigned long long)offered);
	if (!in_order(status & (uint8_t) ~(VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED)))
		return og_fail(err, -EBADMSG, "%s: no status is 0x%x", virtio->ops->name, status);
	virtio->features = features;
	virtio->status = status;
	atomic_store(&virtio->interrupt_status, interrupt_status);
	agree_on_features(virtio);
	for (unsigned i = 0; i < virtio->ops->n_queues; i++)
		if (!load_queue(&virtio->queues[i], unpack))
			return og_fail(err, -EBADMSG, "%s: queue %u cannot be", virtio->ops->name,
				       i);
	return 0;
}

int og_virtio_load(struct og_virtio *virtio, struct og_unpack *unpack, struct og_err *err)
{
	struct og_unpack own;
	int r = load_common(virtio, unpack, err);

	if (r < 0)
		return r;
	own = og_unpack_part(unpack);
	if (virtio->ops->load != NULL)
		r = virtio->ops->load(virtio, &own, err);
	if (r == 0 && !og_unpack_done(&own))
		r = og_fail(err, -EBADMSG, "the state of %s cannot be", virtio->ops->name);
	return r;
}
