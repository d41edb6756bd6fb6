/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver for device tests: plain memory in place of a guest's, and the moves that a guest makes,
 * the honest ones and the others.
 */
#pragma once

#include <assert.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vmm/device/virtio_mmio.h"

#define RAM_BYTES    (1U << 20)
#define QUEUE_GPA(i) (0x1000U + 0x3000U * (i))
#define DATA_GPA     0x20000U

struct driver {
	uint8_t *ram; /* from malloc(), so that ASan watches its ends */
	struct og_mem mem;
	struct og_virtio_mmio mmio;
	uint16_t size;
	uint16_t avail[OG_VIRTIO_QUEUES_MAX];
};

static inline void driver_init(struct driver *d, uint16_t size)
{
	*d = (struct driver){ .ram = calloc(1, RAM_BYTES), .size = size };
	assert(d->ram != NULL);
	og_mem_borrow(&d->mem, d->ram, RAM_BYTES);
}

/* Likewise, but of whole pages of a mapping, for devices that give pages back. */
static inline void driver_init_mapped(struct driver *d, uint16_t size)
{
	*d = (struct driver){ .size = size };
	assert(og_mem_init(&d->mem, RAM_BYTES, NULL) == 0);
	d->ram = d->mem.regions[0].host;
}

static inline void driver_done(struct driver *d)
{
	if (d->mem.reserved == NULL)
		free(d->ram);
	og_mem_done(&d->mem);
}

static inline uint16_t ram16(const struct driver *d, uint32_t gpa)
{
	uint16_t value;

	memcpy(&value, d->ram + gpa, sizeof(value));
	return value;
}

static inline void set_ram16(struct driver *d, uint32_t gpa, uint16_t value)
{
	memcpy(d->ram + gpa, &value, sizeof(value));
}

static inline void driver_desc(struct driver *d, unsigned q, uint16_t index, uint64_t gpa,
			       uint32_t len, uint16_t flags, uint16_t next)
{
	struct vring_desc desc = { .addr = gpa, .len = len, .flags = flags, .next = next };

	memcpy(d->ram + QUEUE_GPA(q) + sizeof(desc) * index, &desc, sizeof(desc));
}

/* Makes the chain that begins at @head available. */
static inline void driver_offer(struct driver *d, unsigned q, uint16_t head)
{
	uint32_t avail = QUEUE_GPA(q) + 0x1000;

	set_ram16(d, avail + 4 + 2U * (d->avail[q] % d->size), head);
	set_ram16(d, avail + 2, ++d->avail[q]);
}

static inline uint16_t driver_used(const struct driver *d, unsigned q)
{
	return ram16(d, QUEUE_GPA(q) + 0x2000 + 2);
}

/* What the device wrote for its @nth answer. */
static inline struct vring_used_elem driver_answer(const struct driver *d, unsigned q, uint16_t nth)
{
	struct vring_used_elem elem;

	memcpy(&elem, d->ram + QUEUE_GPA(q) + 0x2000 + 4 + sizeof(elem) * (nth % d->size),
	       sizeof(elem));
	return elem;
}

static inline void driver_set(struct driver *d, uint64_t reg, uint32_t value)
{
	og_virtio_mmio_write(&d->mmio, reg, value, 4);
}

static inline uint32_t driver_get(struct driver *d, uint64_t reg)
{
	return (uint32_t)og_virtio_mmio_read(&d->mmio, reg, 4);
}

static inline void driver_set_up_queue(struct driver *d, unsigned q)
{
	driver_set(d, VIRTIO_MMIO_QUEUE_SEL, q);
	driver_set(d, VIRTIO_MMIO_QUEUE_NUM, d->size);
	driver_set(d, VIRTIO_MMIO_QUEUE_DESC_LOW, QUEUE_GPA(q));
	driver_set(d, VIRTIO_MMIO_QUEUE_AVAIL_LOW, QUEUE_GPA(q) + 0x1000);
	driver_set(d, VIRTIO_MMIO_QUEUE_USED_LOW, QUEUE_GPA(q) + 0x2000);
	driver_set(d, VIRTIO_MMIO_QUEUE_READY, 1);
}

#define STATUS_KNOWN (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER)

/* Resets the device and agrees on these features; VERSION_1 comes by itself. */
static inline void driver_negotiate(struct driver *d, uint64_t features)
{
	features |= OG_VIRTIO_VERSION_1;
	memset(d->avail, 0, sizeof(d->avail));
	driver_set(d, VIRTIO_MMIO_STATUS, 0);
	driver_set(d, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	driver_set(d, VIRTIO_MMIO_STATUS, STATUS_KNOWN);
	for (unsigned word = 0; word < 2; word++) {
		driver_set(d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, word);
		driver_set(d, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(features >> (32 * word)));
	}
	driver_set(d, VIRTIO_MMIO_STATUS, STATUS_KNOWN | VIRTIO_CONFIG_S_FEATURES_OK);
}

/* All that Linux does before its first request. */
static inline void driver_bring_up(struct driver *d, struct og_virtio *virtio, uint64_t features)
{
	d->mmio = (struct og_virtio_mmio){ .virtio = virtio };
	driver_negotiate(d, features);
	for (unsigned q = 0; q < virtio->ops->n_queues; q++)
		driver_set_up_queue(d, q);
	driver_set(d, VIRTIO_MMIO_STATUS,
		   STATUS_KNOWN | VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
}

static inline int driver_needs_reset(struct driver *d)
{
	return (driver_get(d, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET) != 0;
}

static inline int is_signalled(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}
