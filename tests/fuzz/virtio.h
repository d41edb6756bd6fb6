/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drives one virtio device by the input's bytes: a driver that knows the moves and keeps no rule.
 * Each step is an opcode (its low 3 bits) and operands; the input's end ends it.
 *
 *	0  bring the device up, all features that the next byte's bits allow
 *	1  write a register: offset u16, value u32
 *	2  read and write a register at any width: offset u16, value u32
 *	3  write memory: address u24, length u8, bytes
 *	4  write a descriptor: queue u8, index u8, address u64, length u32, flags u8, next u8
 *	5  make a chain available: queue u8, head u8
 *	6  let the device work
 *	7  what the target adds: u8
 */
#pragma once

#include "../unit/vmm/driver.h"

struct input {
	const uint8_t *at;
	size_t left;
};

static inline uint64_t take(struct input *in, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes && in->left > 0; i++, in->at++, in->left--)
		value |= (uint64_t)*in->at << (8 * i);
	return value;
}

static inline void write_memory(struct driver *d, struct input *in)
{
	uint32_t gpa = (uint32_t)take(in, 3) % RAM_BYTES;
	uint32_t len = (uint32_t)take(in, 1);

	for (uint32_t i = 0; i < len && gpa + i < RAM_BYTES; i++)
		d->ram[gpa + i] = (uint8_t)take(in, 1);
}

static inline void write_descriptor(struct driver *d, struct input *in)
{
	unsigned q = (unsigned)take(in, 1) % OG_VIRTIO_QUEUES_MAX;
	uint16_t index = (uint16_t)take(in, 1);
	uint64_t gpa = take(in, 8);
	uint32_t len = (uint32_t)take(in, 4);
	uint16_t flags = (uint16_t)take(in, 1);

	driver_desc(d, q, index, gpa, len, flags, (uint16_t)take(in, 1));
}

static inline void touch_register(struct driver *d, struct input *in)
{
	static const unsigned widths[] = { 1, 2, 4, 8 };
	uint16_t offset = (uint16_t)take(in, 2);
	uint32_t value = (uint32_t)take(in, 4);

	(void)og_virtio_mmio_read(&d->mmio, offset, widths[offset >> 14]);
	og_virtio_mmio_write(&d->mmio, offset % 0x1000, value, widths[value % 4]);
}

typedef void extra_fn(void *target, uint8_t argument);

static inline void drive(struct driver *d, struct og_virtio *virtio, struct input in,
			 extra_fn *extra, void *target)
{
	d->mmio = (struct og_virtio_mmio){ .virtio = virtio };
	while (in.left > 0) {
		unsigned q, offset;

		switch (take(&in, 1) & 7) {
		case 0:
			driver_bring_up(d, virtio,
					og_virtio_offers(virtio) & (take(&in, 1) << 28 | 0xffffff));
			break;
		case 1:
			offset = (unsigned)take(&in, 2) % 0x200;
			og_virtio_mmio_write(&d->mmio, offset, take(&in, 4), 4);
			break;
		case 2:
			touch_register(d, &in);
			break;
		case 3:
			write_memory(d, &in);
			break;
		case 4:
			write_descriptor(d, &in);
			break;
		case 5:
			q = (unsigned)take(&in, 1) % OG_VIRTIO_QUEUES_MAX;
			driver_offer(d, q, (uint16_t)take(&in, 1));
			break;
		case 6:
			og_virtio_work(virtio);
			break;
		default:
			extra(target, (uint8_t)take(&in, 1));
			break;
		}
	}
	og_virtio_work(virtio);
}
