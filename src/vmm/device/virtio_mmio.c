/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/virtio_mmio.h"

#include <linux/virtio_mmio.h>

#define MAGIC	  0x74726976 /* "virt" */
#define VERSION	  2
#define VENDOR_ID 0x4767676f /* "oggG"; nobody asks */

static struct og_virtq *selected(struct og_virtio_mmio *mmio)
{
	return mmio->queue_sel < mmio->virtio->ops->n_queues
		       ? &mmio->virtio->queues[mmio->queue_sel]
		       : NULL;
}

static uint32_t read_device_features(struct og_virtio_mmio *mmio)
{
	uint64_t offered = og_virtio_offers(mmio->virtio);

	if (mmio->device_features_sel > 1)
		return 0;
	return (uint32_t)(offered >> (32 * mmio->device_features_sel));
}

static uint32_t read_register(struct og_virtio_mmio *mmio, uint64_t offset)
{
	const struct og_virtq *q = selected(mmio);

	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return MAGIC;
	case VIRTIO_MMIO_VERSION:
		return VERSION;
	case VIRTIO_MMIO_DEVICE_ID:
		return mmio->virtio->ops->device_id;
	case VIRTIO_MMIO_VENDOR_ID:
		return VENDOR_ID;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return read_device_features(mmio);
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return q != NULL ? OG_VIRTQ_SIZE_MAX : 0;
	case VIRTIO_MMIO_QUEUE_READY:
		return q != NULL && q->ready;
	case VIRTIO_MMIO_STATUS:
		return mmio->virtio->status;
	/* No shared memory: its length is all ones (4.2.2). */
	case VIRTIO_MMIO_SHM_LEN_LOW:
	case VIRTIO_MMIO_SHM_LEN_HIGH:
	case VIRTIO_MMIO_SHM_BASE_LOW:
	case VIRTIO_MMIO_SHM_BASE_HIGH:
		return UINT32_MAX;
	case VIRTIO_MMIO_CONFIG_GENERATION:
		return mmio->virtio->config_generation;
	default:
		return 0;
	}
}

static void set_low(uint64_t *address, uint32_t value)
{
	*address = (*address & ~0xffffffffULL) | value;
}

static void set_high(uint64_t *address, uint32_t value)
{
	*address = (*address & 0xffffffffULL) | ((uint64_t)value << 32);
}

static void write_queue(struct og_virtio_mmio *mmio, struct og_virtq *q, uint64_t offset,
			uint32_t value)
{
	if (offset == VIRTIO_MMIO_QUEUE_READY) {
		if (value == 1)
			(void)og_virtio_start_queue(mmio->virtio, q);
		else if (value == 0)
			q->ready = false;
		return;
	}
	if (!og_virtio_may_configure(mmio->virtio, q))
		return;

	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NUM:
		/* Too large a number stays one that og_virtq_start() refuses. */
		q->size = value <= OG_VIRTQ_SIZE_MAX ? (uint16_t)value : 0;
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
		set_low(&q->desc_gpa, value);
		break;
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_high(&q->desc_gpa, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
		set_low(&q->avail_gpa, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_high(&q->avail_gpa, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
		set_low(&q->used_gpa, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		set_high(&q->used_gpa, value);
		break;
	default:
		break;
	}
}

static void write_status(struct og_virtio_mmio *mmio, uint32_t value)
{
	(void)og_virtio_set_status(mmio->virtio, (uint8_t)value);
	if (mmio->virtio->status == 0)
		*mmio = (struct og_virtio_mmio){ .virtio = mmio->virtio };
}

static void write_register(struct og_virtio_mmio *mmio, uint64_t offset, uint32_t value)
{
	struct og_virtq *q;

	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		mmio->device_features_sel = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		mmio->driver_features_sel = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		(void)og_virtio_set_features(mmio->virtio, mmio->driver_features_sel, value);
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		mmio->queue_sel = value;
		break;
	case VIRTIO_MMIO_STATUS:
		write_status(mmio, value);
		break;
	default:
		q = selected(mmio);
		if (q != NULL)
			write_queue(mmio, q, offset, value);
		break;
	}
}

static bool is_register(uint64_t offset, unsigned len)
{
	return len == 4 && offset % 4 == 0;
}

uint64_t og_virtio_mmio_read(struct og_virtio_mmio *mmio, uint64_t offset, unsigned len)
{
	uint32_t value;

	if (len == 0 || len > 8)
		return 0;
	if (offset >= VIRTIO_MMIO_CONFIG)
		return og_virtio_read_config(mmio->virtio, offset - VIRTIO_MMIO_CONFIG, len);
	if (!is_register(offset, len))
		return 0;

	/* Read in every interrupt: never waits for a request under way. */
	if (offset == VIRTIO_MMIO_INTERRUPT_STATUS)
		return atomic_load(&mmio->virtio->interrupt_status);

	(void)pthread_mutex_lock(&mmio->virtio->lock);
	value = read_register(mmio, offset);
	(void)pthread_mutex_unlock(&mmio->virtio->lock);
	return value;
}

void og_virtio_mmio_write(struct og_virtio_mmio *mmio, uint64_t offset, uint64_t value,
			  unsigned len)
{
	if (offset >= VIRTIO_MMIO_CONFIG && offset < OG_VIRTIO_MMIO_BYTES) {
		og_virtio_write_config(mmio->virtio, offset - VIRTIO_MMIO_CONFIG, value, len);
		return;
	}
	if (!is_register(offset, len))
		return;

	switch (offset) {
	case VIRTIO_MMIO_INTERRUPT_ACK:
		(void)atomic_fetch_and(&mmio->virtio->interrupt_status, ~(unsigned)value);
		return;
	case VIRTIO_MMIO_QUEUE_NOTIFY:
		og_virtio_kick(mmio->virtio);
		return;
	default:
		break;
	}
	(void)pthread_mutex_lock(&mmio->virtio->lock);
	write_register(mmio, offset, (uint32_t)value);
	(void)pthread_mutex_unlock(&mmio->virtio->lock);
}

void og_virtio_mmio_save(const struct og_virtio_mmio *mmio, struct og_pack *pack)
{
	og_pack_u32(pack, mmio->device_features_sel);
	og_pack_u32(pack, mmio->driver_features_sel);
	og_pack_u32(pack, mmio->queue_sel);
}

void og_virtio_mmio_load(struct og_virtio_mmio *mmio, struct og_unpack *unpack)
{
	mmio->device_features_sel = og_unpack_u32(unpack);
	mmio->driver_features_sel = og_unpack_u32(unpack);
	mmio->queue_sel = og_unpack_u32(unpack);
}
