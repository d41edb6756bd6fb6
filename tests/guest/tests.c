/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

enum {
	BLK = 2,
	CONSOLE = 3,
	RNG = 4
};

#define ALL_FEATURES 0xffffffffU
/* Without event indexes: every piece is notified and answered. */
#define NO_EVENT   (~(1U << 29))
#define STATUS_REG 0x070
#define CONFIG_REG 0x100

static struct queue queues[4];
static uint8_t buffer[1U << 20] __attribute__((aligned(4096)));
static uint8_t second[65536] __attribute__((aligned(4096)));

struct header {
	uint32_t type, reserved;
	uint64_t sector;
};

/* Runs one request and returns its status, 255 where the device wants its reset. */
static uint8_t blk_request(unsigned device, uint32_t type, uint64_t sector, void *data,
			   uint32_t len)
{
	static struct header header;
	static uint8_t status;

	header = (struct header){ .type = type, .sector = sector };
	status = 254;
	set_desc(&queues[0], 0, &header, sizeof(header), NEXT, 1);
	set_desc(&queues[0], 1, data, len, (uint16_t)(NEXT | (type == 1 ? 0 : WRITE)), 2);
	set_desc(&queues[0], 2, &status, 1, WRITE, 0);
	offer(&queues[0], 0);
	notify(device, 0);
	return wait_answer(device, &queues[0]) < 0 ? 255 : READ_ONCE(status);
}

static void blk_show(unsigned device)
{
	uint64_t sectors = reg_read(device, CONFIG_REG) | (uint64_t)reg_read(device, CONFIG_REG + 4)
								  << 32;
	uint64_t sum = 0;

	say_line("sectors", sectors);
	for (uint64_t at = 0; at < sectors; at += 128) {
		uint64_t n = sectors - at < 128 ? sectors - at : 128;

		if (blk_request(device, 0, at, buffer, (uint32_t)n * 512) != 0)
			say_line("cannot read", at);
		for (uint64_t i = 0; i < n; i++) /* ring 0 is slow where it is emulated */
			sum = sum * 31 + buffer[i * 512];
	}
	say_line("sum", sum);
	say_line("write", blk_request(device, 1, sectors - 1, second, 512));
	say_line("flush", blk_request(device, 4, 0, second, 0));
	say_line("behind", blk_request(device, 0, sectors, buffer, 512));
	say_line("identity", blk_request(device, 8, 0, buffer, 20));
	buffer[20] = 0;
	say((const char *)buffer);
	say("\n");
}

void test_blk(void)
{
	for (unsigned i = 0; i < sizeof(second); i++)
		second[i % 512] = 'w';
	for (unsigned nth = 0;; nth++) {
		unsigned device = find_device(BLK, nth);

		if (device == 99)
			break;
		if (bring_up(device, ALL_FEATURES, queues, 1) != 0)
			say("no agreement\n");
		blk_show(device);
	}
}

void test_rng(void)
{
	unsigned device = find_device(RNG, 0), different = 0;

	if (bring_up(device, ALL_FEATURES, queues, 1) != 0)
		say("no agreement\n");
	set_desc(&queues[0], 0, buffer, 64, WRITE, 0);
	offer(&queues[0], 0);
	notify(device, 0);
	say_line("filled", (uint64_t)wait_answer(device, &queues[0]));
	for (unsigned i = 1; i < 64; i++)
		different += buffer[i] != buffer[0];
	say(different > 32 ? "random\n" : "not random\n");
}

struct control {
	uint32_t id;
	uint16_t event, value;
};

static void console_tell(unsigned device, uint16_t event, uint16_t value)
{
	static struct control message;

	message = (struct control){ .event = event, .value = value };
	set_desc(&queues[3], 0, &message, sizeof(message), 0, 0);
	offer(&queues[3], 0);
	notify(device, 3);
	(void)wait_answer(device, &queues[3]);
}

static void console_open(unsigned device, uint32_t features)
{
	static struct {
		struct control message;
		char text[24];
	} heard[3];

	if (bring_up(device, features, queues, 4) != 0)
		say("no agreement\n");
	for (unsigned i = 0; i < 3; i++) {
		set_desc(&queues[2], i, &heard[i], sizeof(heard[i]), WRITE, 0);
		offer(&queues[2], (uint16_t)i);
	}
	console_tell(device, 0, 1);
	(void)wait_answer(device, &queues[2]);
	console_tell(device, 3, 1);
	(void)wait_answer(device, &queues[2]);
	(void)wait_answer(device, &queues[2]);
	say("port ");
	say(heard[1].text);
	say("\n");
	console_tell(device, 6, 1);
}

/* Sends back what comes, until the host's end closes the stream's direction or says '.'. */
void test_console(void)
{
	unsigned device = find_device(CONSOLE, 0);
	int64_t got = 0;

	console_open(device, ALL_FEATURES);
	do {
		set_desc(&queues[0], 0, second, sizeof(second), WRITE, 0);
		offer(&queues[0], 0);
		notify(device, 0);
		got = wait_answer(device, &queues[0]);
		if (got <= 0)
			break;
		set_desc(&queues[1], 0, second, (uint32_t)got, 0, 0);
		offer(&queues[1], 0);
		notify(device, 1);
		(void)wait_answer(device, &queues[1]);
	} while (second[got - 1] != '.');
	say("echoed\n");
}

/* 100 MiB in pieces of 32 KiB, as a program under Linux writes them. */
void test_send(void)
{
	unsigned device = find_device(CONSOLE, 0), pieces = 3200;
	const uint32_t piece = 32768;

	console_open(device, ALL_FEATURES);
	for (unsigned i = 0; i < sizeof(buffer); i += 512)
		buffer[i] = (uint8_t)(i >> 15);
	for (unsigned i = 0; i < pieces; i++) {
		unsigned slot = i % QUEUE_SIZE;

		if (i >= QUEUE_SIZE)
			(void)wait_answer(device, &queues[1]);
		set_desc(&queues[1], slot, buffer + (i % 32) * piece, piece, 0, 0);
		offer(&queues[1], (uint16_t)slot);
		if (READ_ONCE(queues[1].used.avail_event) == (uint16_t)(queues[1].added - 1))
			notify(device, 1);
	}
	while (queues[1].seen != queues[1].added)
		(void)wait_answer(device, &queues[1]);
	say_line("sent", (uint64_t)pieces * piece);
}

/* Breaks one rule, sees the device ask for its reset, and uses it again. */
static void hostile_try(unsigned device, const char *what, uint64_t addr, uint32_t len,
			uint16_t flags, uint16_t next)
{
	(void)bring_up(device, NO_EVENT, queues, 1);
	queues[0].desc[0] = (struct desc){ addr, len, flags, next };
	offer(&queues[0], 0);
	notify(device, 0);
	say(what);
	say(wait_answer(device, &queues[0]) < 0 ? ": refused" : ": served");
	(void)bring_up(device, NO_EVENT, queues, 1);
	set_desc(&queues[0], 0, buffer, 64, WRITE, 0);
	offer(&queues[0], 0);
	notify(device, 0);
	say(wait_answer(device, &queues[0]) == 64 ? ", well again\n" : ", broken\n");
}

void test_hostile(void)
{
	unsigned device = find_device(RNG, 0);

	hostile_try(device, "beyond memory", 1ULL << 40, 64, WRITE, 0);
	hostile_try(device, "in the gap", 0xd0000000, 64, WRITE, 0);
	hostile_try(device, "wrapping", UINT64_MAX - 8, 64, WRITE, 0);
	hostile_try(device, "loop", (uintptr_t)buffer, 64, WRITE | NEXT, 0);
	hostile_try(device, "next outside", (uintptr_t)buffer, 64, WRITE | NEXT, 9999);
	hostile_try(device, "bad table", (uintptr_t)buffer, 17, INDIRECT, 0);
	(void)bring_up(device, NO_EVENT, queues, 1);
	WRITE_ONCE(queues[0].avail.idx, 30000);
	notify(device, 0);
	say(wait_answer(device, &queues[0]) < 0 ? "index jump: refused\n" : "index jump: served\n");
}

/* Every register at every width, and where no device is. */
void test_bus(void)
{
	uint64_t seen = 0;

	for (uint64_t at = 0xd0000000; at < 0xd0004000; at += 60) {
		seen += *(volatile uint8_t *)(uintptr_t)at;
		seen += *(volatile uint16_t *)(uintptr_t)(at + 1);
		seen += *(volatile uint64_t *)(uintptr_t)at;
		*(volatile uint8_t *)(uintptr_t)at = 1;
		*(volatile uint64_t *)(uintptr_t)(at + 3) = UINT64_MAX;
	}
	seen += inb(0x61);
	outb(0x70, 1);
	say(seen != 0 ? "bus survived\n" : "bus is all zeros\n");
	say_line("status", reg_read(find_device(RNG, 0), STATUS_REG));
}
