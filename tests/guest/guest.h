/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest of a few hundred lines that drives onggi-vmm's devices without interrupts and without
 * vector instructions, so that it runs on any /dev/kvm, one that emulates ring 0 too.
 *
 * The first word of its command line names what it does; it tells on the serial port how that went.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define VIRTIO_GPA(n) (0xd0000000ULL + 0x1000ULL * (n))
#define QUEUE_SIZE    64

/* Written by one side and read by the other without a lock. */
#define READ_ONCE(x)	 (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#define barrier()	 __asm__ volatile("mfence" : : : "memory")

static inline void outb(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

void say(const char *text);
void say_number(uint64_t number);
void say_line(const char *what, uint64_t number);

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

enum {
	NEXT = 1,
	WRITE = 2,
	INDIRECT = 4
};

/* A queue's memory and how far we are. */
struct queue {
	struct desc desc[QUEUE_SIZE] __attribute__((aligned(16)));

	struct {
		uint16_t flags, idx, ring[QUEUE_SIZE], used_event;
	} avail __attribute__((aligned(16)));

	struct {
		uint16_t flags, idx;

		struct {
			uint32_t id, len;
		} ring[QUEUE_SIZE];

		uint16_t avail_event;
	} used __attribute__((aligned(16)));

	uint16_t added, seen;
};

uint32_t reg_read(unsigned device, unsigned offset);
void reg_write(unsigned device, unsigned offset, uint32_t value);

/* Begins with the first GiB mapped; this adds where the devices are. */
void map_devices(void);

/* The number of the device of that kind, the @nth of them; 99 where there is none. */
unsigned find_device(uint32_t kind, unsigned nth);

/* Brings it up with its first feature word ANDed with @features; 0 on success. */
int bring_up(unsigned device, uint32_t features, struct queue *queues, unsigned n_queues);

void set_desc(struct queue *q, unsigned index, const void *at, uint32_t len, uint16_t flags,
	      uint16_t next);
void offer(struct queue *q, uint16_t head);
void notify(unsigned device, unsigned queue);

/* Waits for one more answer, or for the device to want its reset; returns its length or -1. */
int64_t wait_answer(unsigned device, struct queue *q);

/* What the guest can do. */
void test_blk(void);
void test_blk_more(void);
void test_hostile_all(void);
void test_console(void);
void test_send(void);
void test_rng(void);
void test_hostile(void);
void test_bus(void);
void test_pages(void);
void test_fill(uint64_t end);
void test_refill(uint64_t end);
void test_devices(void);
void test_pci(void);
void test_pci_count(void);
void test_net(void);
void test_net_flood(void);
void test_net_slow(void);
void test_net_hostile(void);
void test_fs(void);
void test_vsock(void);
void test_vsock_out(void);
void test_vsock_hostile(void);
void test_balloon(void);
void test_balloon_hostile(void);
void test_balloon_live(void);
void test_balloon_count(void);
void test_hotplug_live(void);
void test_hotplug(void);
void test_hotplug_count(void);
void test_pmem(void);
void test_keys(void);
void test_keys_hostile(void);
