/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

enum {
	MAGIC = 0x000,
	DEVICE_ID = 0x008,
	DEVICE_FEATURES = 0x010,
	DRIVER_FEATURES = 0x020,
	DRIVER_FEATURES_SEL = 0x024,
	QUEUE_SEL = 0x030,
	QUEUE_NUM = 0x038,
	QUEUE_READY = 0x044,
	QUEUE_NOTIFY = 0x050,
	STATUS = 0x070,
	QUEUE_DESC = 0x080,
	QUEUE_AVAIL = 0x090,
	QUEUE_USED = 0x0a0,
};

enum {
	ACKNOWLEDGE = 1,
	DRIVER = 2,
	DRIVER_OK = 4,
	FEATURES_OK = 8,
	NEEDS_RESET = 64
};

#define IS_VIRTIO 0x74726976U
#define NONE	  99

/* In the fourth GiB, 2 MiB from where the devices begin. */
#define DEVICES_INDEX ((0xd0000000ULL >> 21) & 511)

void map_devices(void)
{
	static uint64_t directory[512] __attribute__((aligned(4096)));
	uint64_t *level4, *level3;

	__asm__ volatile("mov %%cr3, %0" : "=r"(level4));
	level3 = (uint64_t *)(uintptr_t)(level4[0] & ~0xfffULL);
	directory[DEVICES_INDEX] = 0xd0000000ULL | 0x93; /* present, writable, uncached, large */
	level3[3] = (uintptr_t)directory | 3;
	__asm__ volatile("mov %0, %%cr3" : : "r"(level4) : "memory");
}

uint32_t reg_read(unsigned device, unsigned offset)
{
	return *(volatile uint32_t *)(uintptr_t)(VIRTIO_GPA(device) + offset);
}

void reg_write(unsigned device, unsigned offset, uint32_t value)
{
	*(volatile uint32_t *)(uintptr_t)(VIRTIO_GPA(device) + offset) = value;
}

unsigned find_device(uint32_t kind, unsigned nth)
{
	for (unsigned i = 0; i < 19 && reg_read(i, MAGIC) == IS_VIRTIO; i++)
		if (reg_read(i, DEVICE_ID) == kind && nth-- == 0)
			return i;
	return NONE;
}

static void set_queue(unsigned device, unsigned index, struct queue *q)
{
	const uint64_t parts[] = { (uintptr_t)q->desc, (uintptr_t)&q->avail, (uintptr_t)&q->used };
	static const unsigned regs[] = { QUEUE_DESC, QUEUE_AVAIL, QUEUE_USED };

	q->avail.idx = q->used.idx = q->added = q->seen = 0;
	reg_write(device, QUEUE_SEL, index);
	reg_write(device, QUEUE_NUM, QUEUE_SIZE);
	for (unsigned i = 0; i < 3; i++) {
		reg_write(device, regs[i], (uint32_t)parts[i]);
		reg_write(device, regs[i] + 4, (uint32_t)(parts[i] >> 32));
	}
	reg_write(device, QUEUE_READY, 1);
}

int bring_up(unsigned device, uint32_t features, struct queue *queues, unsigned n_queues)
{
	reg_write(device, STATUS, 0);
	reg_write(device, STATUS, ACKNOWLEDGE);
	reg_write(device, STATUS, ACKNOWLEDGE | DRIVER);
	reg_write(device, DRIVER_FEATURES_SEL, 0);
	reg_write(device, DRIVER_FEATURES, reg_read(device, DEVICE_FEATURES) & features);
	reg_write(device, DRIVER_FEATURES_SEL, 1);
	reg_write(device, DRIVER_FEATURES, 1); /* version 1 */
	reg_write(device, STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	if ((reg_read(device, STATUS) & FEATURES_OK) == 0)
		return -1;
	for (unsigned i = 0; i < n_queues; i++)
		set_queue(device, i, &queues[i]);
	reg_write(device, STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
	return 0;
}

void set_desc(struct queue *q, unsigned index, const void *at, uint32_t len, uint16_t flags,
	      uint16_t next)
{
	q->desc[index] = (struct desc){ (uintptr_t)at, len, flags, next };
}

void offer(struct queue *q, uint16_t head)
{
	q->avail.ring[q->added % QUEUE_SIZE] = head;
	q->added++;
	barrier();
	WRITE_ONCE(q->avail.idx, q->added);
	barrier();
}

void notify(unsigned device, unsigned queue)
{
	reg_write(device, QUEUE_NOTIFY, queue);
}

int64_t wait_answer(unsigned device, struct queue *q)
{
	unsigned rounds = 0;

	while (READ_ONCE(q->used.idx) == q->seen)
		if (++rounds % 64 == 0 && (reg_read(device, STATUS) & NEEDS_RESET) != 0)
			return -1;
	barrier();
	return q->used.ring[q->seen++ % QUEUE_SIZE].len;
}
