/* SPDX-License-Identifier: Apache-2.0 */
/* Work that shows whether memory and devices go on as they were: in a snapshot, in a fork. */
#include "guest.h"

#define PAGE	    4096U
#define WORK_PAGES  256U
#define WORK_GPA    0x1800000UL
#define FILL_GPA    0x2000000UL
#define VMGENID_GPA 0xf0000UL
#define QUIET_LOOPS 200U

/* The first word of each page: what the round has come to. */
static volatile uint64_t *page(uint64_t gpa, uint64_t index)
{
	return (volatile uint64_t *)(gpa + index * PAGE);
}

/* Tells when the machine has become another one: one word of it, read once, for it may do so here. */
static void look_at_generation(void)
{
	static uint64_t known;
	uint64_t now = *(const volatile uint64_t *)VMGENID_GPA;

	if (known != 0 && known != now)
		say("G");
	known = now;
}

/*
 * Each round raises all pages from its number to the next, in order, and looks at each before: a
 * memory that is not of one instant shows as a page that is ahead or behind.
 */
static void count_pages(uint64_t gpa, uint64_t pages)
{
	for (uint64_t round = 1;; round++) {
		for (uint64_t i = 0; i < pages; i++) {
			if (*page(gpa, i) != round - 1)
				say_line("\nbroken page", i);
			*page(gpa, i) = round;
		}
		look_at_generation();
		say(".");
	}
}

void test_pages(void)
{
	count_pages(WORK_GPA, WORK_PAGES);
}

/* All memory behind the first 32 MiB has something in each page; then counts. */
void test_fill(uint64_t end)
{
	uint64_t pages = (end - FILL_GPA) / PAGE;

	for (uint64_t i = 0; i < pages; i++)
		*page(FILL_GPA, i) = i + 1;
	say_line("filled", pages);
	count_pages(WORK_GPA, WORK_PAGES);
}

/* Writes all of it again and again. */
void test_refill(uint64_t end)
{
	count_pages(FILL_GPA, (end - FILL_GPA) / PAGE);
}

static struct {
	uint32_t type, reserved;
	uint64_t sector;
} header;

static uint8_t status;

static int request(unsigned device, struct queue *q, uint32_t type, uint64_t *data)
{
	header.type = type;
	header.sector = 1;
	status = 254;
	set_desc(q, 0, &header, sizeof(header), NEXT, 1);
	set_desc(q, 1, data, 512, (uint16_t)(NEXT | (type == 1 ? 0 : WRITE)), 2);
	set_desc(q, 2, &status, 1, WRITE, 0);
	offer(q, 0);
	notify(device, 0);
	return wait_answer(device, q) < 0 ? 255 : READ_ONCE(status);
}

/*
 * What was written before must be there, on the disk and in a page that only the device writes;
 * then @round is.
 */
static int blk_sector(unsigned device, struct queue *q, uint64_t round)
{
	static uint64_t kept[512] __attribute__((aligned(PAGE)));
	static uint64_t data[64];

	if (round > 2 && READ_ONCE(kept[7]) != round - 2)
		return -1;
	if (request(device, q, 0, kept) != 0 || (round > 1 && READ_ONCE(kept[7]) != round - 1))
		return -1;
	data[7] = round;
	return request(device, q, 1, data);
}

/* Writes, reads back and asks for entropy, over and over, on one set of queues. */
void test_devices(void)
{
	static struct queue blk_queue[1], rng_queue[1];
	static uint8_t random[64];
	unsigned blk = find_device(2, 0), rng = find_device(4, 0);

	if (bring_up(blk, 0xffffffff, blk_queue, 1) != 0 ||
	    bring_up(rng, 0xffffffff, rng_queue, 1) != 0)
		say("no agreement\n");
	for (uint64_t round = 1;; round++) {
		set_desc(&rng_queue[0], 0, random, sizeof(random), 2, 0);
		offer(&rng_queue[0], 0);
		notify(rng, 0);
		if (wait_answer(rng, &rng_queue[0]) != sizeof(random))
			say("\nno entropy\n");
		if (blk_sector(blk, &blk_queue[0], round) != 0)
			say("\nbroken disk\n");
		look_at_generation();
		say(".");
		for (volatile unsigned i = 0; i < QUIET_LOOPS; i++)
			;
	}
}
