/* SPDX-License-Identifier: Apache-2.0 */
/* Drives the entropy device behind the PCI bus, by polling. */
#include "guest.h"

#define ECAM	  0xe0000000ULL
#define WINDOW	  0xc0000000ULL
#define RNG	  0x10441af4U
#define NONE	  0xffffffffU
#define BAR_BYTES 0x8000

enum {
	STATUS = 0x14,
	DRIVER_FEATURES_SEL = 0x08,
	DRIVER_FEATURES = 0x0c,
	QUEUE_ENTRIES = 0x18,
	QUEUE_ENABLE = 0x1c,
	QUEUE_DESC = 0x20,
	QUEUE_AVAIL = 0x28,
	QUEUE_USED = 0x30,
	NOTIFY = 0x3000,
};

static struct queue queue;
static uint8_t buffer[64] __attribute__((aligned(64)));

/* Behind map_devices(), which made the directory of the fourth GiB. */
static void map(uint64_t gpa)
{
	uint64_t *level4, *level3, *directory;

	__asm__ volatile("mov %%cr3, %0" : "=r"(level4));
	level3 = (uint64_t *)(uintptr_t)(level4[0] & ~0xfffULL);
	directory = (uint64_t *)(uintptr_t)(level3[3] & ~0xfffULL);
	directory[gpa >> 21 & 511] = gpa | 0x93;
	__asm__ volatile("mov %0, %%cr3" : : "r"(level4) : "memory");
}

static volatile uint32_t *config(unsigned device, unsigned offset)
{
	return (volatile uint32_t *)(uintptr_t)(ECAM + (device << 15) + offset);
}

static unsigned find(uint32_t what)
{
	for (unsigned device = 0; device < 32; device++)
		if (*config(device, 0) == what)
			return device;
	return 99;
}

static volatile uint8_t *at(uint64_t bar, unsigned offset)
{
	return (volatile uint8_t *)(uintptr_t)(bar + offset);
}

static void set16(uint64_t bar, unsigned offset, uint16_t value)
{
	*(volatile uint16_t *)(volatile void *)at(bar, offset) = value;
}

static void set32(uint64_t bar, unsigned offset, uint32_t value)
{
	*(volatile uint32_t *)(volatile void *)at(bar, offset) = value;
}

static void set64(uint64_t bar, unsigned offset, uint64_t value)
{
	*(volatile uint64_t *)(volatile void *)at(bar, offset) = value;
}

static void bring_up_rng(uint64_t bar)
{
	queue.added = queue.seen = queue.avail.idx = queue.used.idx = 0;
	*at(bar, STATUS) = 0;
	*at(bar, STATUS) = 3;
	set32(bar, DRIVER_FEATURES_SEL, 1);
	set32(bar, DRIVER_FEATURES, 1);
	*at(bar, STATUS) = 11;
	set16(bar, QUEUE_ENTRIES, QUEUE_SIZE);
	set64(bar, QUEUE_DESC, (uintptr_t)queue.desc);
	set64(bar, QUEUE_AVAIL, (uintptr_t)&queue.avail);
	set64(bar, QUEUE_USED, (uintptr_t)&queue.used);
	set16(bar, QUEUE_ENABLE, 1);
	*at(bar, STATUS) = 15;
}

/* Fills the buffer and returns how many of its bytes differ from its first. */
static unsigned draw(uint64_t bar)
{
	unsigned different = 0;

	set_desc(&queue, 0, buffer, sizeof(buffer), WRITE, 0);
	offer(&queue, 0);
	set16(bar, NOTIFY, 0);
	while (READ_ONCE(queue.used.idx) == queue.seen)
		;
	queue.seen++;
	for (unsigned i = 1; i < sizeof(buffer); i++)
		different += buffer[i] != buffer[0];
	return different;
}

static void fill(uint64_t bar)
{
	unsigned different;

	bring_up_rng(bar);
	different = draw(bar);
	say_line("filled", queue.used.ring[0].len);
	say(different > 32 ? "random\n" : "not random\n");
}

/* A dot for each time that it drew, for ever. */
void test_pci_count(void)
{
	uint64_t bar;

	map(ECAM);
	map(WINDOW);
	bar = *config(find(RNG), 0x10);
	bring_up_rng(bar);
	for (;;)
		say(draw(bar) > 32 ? "." : "broken");
}

/* Every kind of access to every place of the configuration space and of the BAR. */
static void hurt(unsigned device, uint64_t bar)
{
	for (unsigned i = 0; i < BAR_BYTES; i += 61) {
		*at(bar, i) = 0xff;
		set16(bar, i, 0xffff);
		set64(bar, i, ~0ULL);
		(void)*at(bar, i);
	}
	for (unsigned i = 0; i < 4096; i += 7) {
		*(volatile uint8_t *)(volatile void *)config(device, i) = 0xff;
		(void)*(volatile uint16_t *)(volatile void *)config(device, i & 0xffe);
	}
	for (unsigned i = 0; i < 8; i++) {
		outb((uint16_t)(0xcf8 + i), 0xff);
		(void)inb((uint16_t)(0xcf8 + i));
	}
}

void test_pci(void)
{
	unsigned device;
	uint64_t bar;

	map(ECAM);
	map(WINDOW);
	device = find(RNG);
	say_line("entropy is device", device);
	bar = *config(device, 0x10);
	say_line("its bar is at", bar);
	fill(bar);
	hurt(device, bar);
	*config(device, 0x10) = NONE;
	say_line("bytes of the bar", -(*config(device, 0x10) & ~15U));
	bar = WINDOW + 0x100000;
	*config(device, 0x10) = (uint32_t)bar;
	*config(device, 4) = 2;
	set32(bar, 0x4000 + 16 * 9, 1);
	fill(bar); /* it moved, and is well again */
}
