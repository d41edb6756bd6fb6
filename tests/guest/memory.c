/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

enum {
	BALLOON = 5,
	MEM = 24,
	PMEM = 27
};

#define ALL_FEATURES 0xffffffffU
#define CONFIG_REG   0x100
#define GIB	     (1ULL << 30)
#define BLOCK	     (2ULL << 20)

static struct queue queues[5];
static uint8_t pages[16][4096] __attribute__((aligned(4096)));

/* Makes the GiB that @gpa is in reachable at its own address. */
static void map_gib(uint64_t gpa)
{
	static uint64_t directories[4][512] __attribute__((aligned(4096)));
	static unsigned used;
	uint64_t *level4, *level3, *directory = directories[used++ % 4];

	__asm__ volatile("mov %%cr3, %0" : "=r"(level4));
	level3 = (uint64_t *)(uintptr_t)(level4[0] & ~0xfffULL);
	for (uint64_t i = 0; i < 512; i++)
		directory[i] = ((gpa & ~(GIB - 1)) + i * BLOCK) |
			       0x83; /* present, writable, large */
	level3[gpa / GIB] = (uintptr_t)directory | 3;
	__asm__ volatile("mov %0, %%cr3" : : "r"(level4) : "memory");
}

static void spin(void)
{
	for (;;)
		__asm__ volatile("pause");
}

static uint64_t read64(unsigned device, unsigned offset)
{
	return reg_read(device, CONFIG_REG + offset) |
	       (uint64_t)reg_read(device, CONFIG_REG + offset + 4) << 32;
}

static int begin(unsigned *device, uint32_t kind, unsigned n_queues)
{
	*device = find_device(kind, 0);
	if (*device != 99 && bring_up(*device, ALL_FEATURES, queues, n_queues) == 0)
		return 1;
	say("no device\n");
	return 0;
}

static int64_t give(unsigned device, unsigned queue, void *at, uint32_t len, uint16_t flags)
{
	set_desc(&queues[queue], 0, at, len, flags, 0);
	offer(&queues[queue], 0);
	notify(device, queue);
	return wait_answer(device, &queues[queue]);
}

void test_balloon(void)
{
	static uint32_t frames[4];
	unsigned device;

	if (!begin(&device, BALLOON, 3))
		return;
	say_line("wanted", reg_read(device, CONFIG_REG));
	for (unsigned i = 0; i < 16; i++)
		pages[i][0] = (uint8_t)(i + 1);
	for (unsigned i = 0; i < 4; i++)
		frames[i] = (uint32_t)((uintptr_t)pages[i] >> 12);
	say_line("inflated", (uint64_t)give(device, 0, frames, sizeof(frames), 0));
	reg_write(device, CONFIG_REG + 4, 4);
	say_line("actual", reg_read(device, CONFIG_REG + 4));
	say_line("first", READ_ONCE(pages[0][0]));
	say_line("fifth", READ_ONCE(pages[4][0]));
	WRITE_ONCE(pages[0][0], 77);
	say_line("again", READ_ONCE(pages[0][0]));
	say_line("deflated", (uint64_t)give(device, 1, frames, sizeof(frames), 0));
	say_line("reported", (uint64_t)give(device, 2, pages[8], 2 * 4096, WRITE));
	say_line("eighth", READ_ONCE(pages[7][0]));
	say_line("ninth", READ_ONCE(pages[8][0]));
	say_line("eleventh", READ_ONCE(pages[10][0]));
}

/* A dot for each page that went into the balloon, came back, and is memory again, for ever. */
void test_balloon_count(void)
{
	static uint32_t frame;
	unsigned device;

	if (!begin(&device, BALLOON, 3))
		return;
	for (unsigned i = 0;; i = (i + 1) % 16) {
		frame = (uint32_t)((uintptr_t)pages[i] >> 12);
		if (give(device, 0, &frame, sizeof(frame), 0) < 0 ||
		    give(device, 1, &frame, sizeof(frame), 0) < 0)
			say("broken");
		WRITE_ONCE(pages[i][0], (uint8_t)(i + 1));
		say(READ_ONCE(pages[i][0]) == i + 1 ? "." : "broken");
	}
}

enum {
	STATS = 2,
	HINTS = 3
};

/* Tells statistics three times, each when it is asked to, and then hints at two pages. */
void test_balloon_live(void)
{
	static struct {
		uint16_t tag;
		uint64_t value;
	} __attribute__((packed)) stats[2];

	static uint32_t id;
	unsigned device;

	if (!begin(&device, BALLOON, 4))
		return;
	for (unsigned i = 1; i <= 3; i++) {
		stats[0].tag = 4; /* free memory */
		stats[0].value = i * 1000;
		stats[1].tag = 15; /* direct reclaim */
		stats[1].value = i;
		say_line("asked", (uint64_t)give(device, STATS, stats, sizeof(stats), 0));
	}
	say("waiting\n");
	do
		id = reg_read(device, CONFIG_REG + 8);
	while (id < 2);
	pages[0][0] = pages[3][0] = 7;
	(void)give(device, HINTS, &id, sizeof(id), 0);
	(void)give(device, HINTS, pages[0], 2 * 4096, WRITE);
	id = 0;
	(void)give(device, HINTS, &id, sizeof(id), 0);
	say_line("hinted", READ_ONCE(pages[0][0]));
	say_line("kept", READ_ONCE(pages[3][0]));
	while (reg_read(device, CONFIG_REG + 8) != 1)
		;
	say("acknowledged\n");
	spin();
}

void test_balloon_hostile(void)
{
	static const uint32_t bad[] = { 0xffffffff, 0xd0000, 0x7fffffff, 0x100000 };
	static uint32_t frames[2048];
	unsigned device;

	for (unsigned i = 0; i < 4; i++) {
		if (!begin(&device, BALLOON, 3))
			return;
		frames[0] = bad[i];
		say(give(device, 0, frames, 4, 0) < 0 ? "refused\n" : "served\n");
	}
	if (begin(&device, BALLOON, 3))
		say(give(device, 0, frames, sizeof(frames), 0) < 0 ? "refused\n" : "served\n");
	if (begin(&device, BALLOON, 3))
		say(give(device, 2, (void *)(63ULL << 20), 2U << 20, WRITE) < 0 ? "refused\n"
										: "served\n");
}

struct request {
	uint16_t type, padding[3];
	uint64_t addr;
	uint16_t blocks, more[3];
};

static uint16_t ask(unsigned device, uint16_t type, uint64_t addr, uint16_t blocks)
{
	static struct request request;
	static uint16_t answer[5];

	request = (struct request){ .type = type, .addr = addr, .blocks = blocks };
	set_desc(&queues[0], 0, &request, sizeof(request), NEXT, 1);
	set_desc(&queues[0], 1, answer, sizeof(answer), WRITE, 0);
	offer(&queues[0], 0);
	notify(device, 0);
	return wait_answer(device, &queues[0]) < 0 ? 99 : READ_ONCE(answer[0]);
}

void test_hotplug(void)
{
	volatile uint64_t *at;
	unsigned device;
	uint64_t gpa;

	if (!begin(&device, MEM, 1))
		return;
	gpa = read64(device, 16);
	say_line("region at", gpa);
	say_line("region bytes", read64(device, 24));
	say_line("requested", read64(device, 48));
	map_gib(gpa);
	at = (volatile uint64_t *)(uintptr_t)gpa;

	say_line("plug", ask(device, 0, gpa, 1));
	say_line("too much", ask(device, 0, gpa + BLOCK, 30000));
	say_line("plugged", read64(device, 40));
	say_line("holds", at[0]);
	at[0] = 0x1234;
	at[BLOCK / 8 - 1] = 0x5678;
	say_line("keeps", at[0] + at[BLOCK / 8 - 1]);
	say_line("unplug", ask(device, 1, gpa, 1));
	say_line("plugged", read64(device, 40));
	say(at[0] == 0x1234 ? "still there\n" : "gone\n");
	at[0] = 5;
	say_line("plug", ask(device, 0, gpa, 2));
	say_line("holds", at[0]);
	say_line("unplug all", ask(device, 2, 0, 0));
	say_line("outside", ask(device, 0, 0, 1));
}

/* Does what the operator asks for: plugs until there is enough, and unplugs all again. */
void test_hotplug_live(void)
{
	unsigned device;
	uint64_t gpa, requested;

	if (!begin(&device, MEM, 1))
		return;
	gpa = read64(device, 16);
	say("ready\n");
	while ((requested = read64(device, 48)) == 0)
		;
	say_line("plug", ask(device, 0, gpa, (uint16_t)(requested / BLOCK)));
	say_line("plugged", read64(device, 40));
	while (read64(device, 48) != 0)
		;
	say_line("unplug", ask(device, 1, gpa, (uint16_t)(requested / BLOCK)));
	say_line("plugged", read64(device, 40));
	spin();
}

/* Plugs a block and counts in it for ever: a dot a step, "broken" where it holds another number. */
void test_hotplug_count(void)
{
	volatile uint64_t *at;
	unsigned device;
	uint64_t gpa;

	if (!begin(&device, MEM, 1))
		return;
	gpa = read64(device, 16);
	map_gib(gpa);
	at = (volatile uint64_t *)(uintptr_t)gpa;
	if (ask(device, 0, gpa, 1) != 0)
		say("not plugged\n");
	for (uint64_t step = 1;; step++) {
		at[step % 512 * 512] = step;
		at[0] = step;
		for (volatile unsigned i = 0; i < 1000; i++)
			;
		say(at[0] == step && at[step % 512 * 512] == step ? "." : "broken");
	}
}

void test_pmem(void)
{
	static uint32_t request, answer;
	volatile uint8_t *at;
	unsigned device;
	uint64_t gpa;

	if (!begin(&device, PMEM, 1))
		return;
	gpa = read64(device, 0);
	say_line("bytes", read64(device, 8));
	map_gib(gpa);
	at = (volatile uint8_t *)(uintptr_t)gpa;
	say_line("begins with", at[0]);
	at[1] = 'W';
	say_line("then", at[1]);
	answer = 99;
	set_desc(&queues[0], 0, &request, sizeof(request), NEXT, 1);
	set_desc(&queues[0], 1, &answer, sizeof(answer), WRITE, 0);
	offer(&queues[0], 0);
	notify(device, 0);
	(void)wait_answer(device, &queues[0]);
	say_line("flush", READ_ONCE(answer));
}
