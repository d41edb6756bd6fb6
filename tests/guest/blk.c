/* SPDX-License-Identifier: Apache-2.0 */
/* What a disk does beyond reading and writing; and every device under a driver that keeps no rule. */
#include "guest.h"

enum {
	BLK = 2
};

enum {
	T_IN = 0,
	T_OUT = 1,
	T_FLUSH = 4,
	T_DISCARD = 11,
	T_ZEROES = 13
};

#define ALL_FEATURES 0xffffffffU
#define STATUS_REG   0x070
#define NEEDS_RESET  64
#define DEVICES	     19
#define FLIGHTS	     16U
#define PIECE	     4096U

static struct queue queue;
static uint8_t data[FLIGHTS * PIECE] __attribute__((aligned(4096)));

static struct {
	uint32_t type, reserved;
	uint64_t sector;
} headers[FLIGHTS];

static uint8_t statuses[FLIGHTS];

static void add(unsigned nth, uint32_t type, uint64_t sector, const void *at, uint32_t len)
{
	headers[nth].type = type;
	headers[nth].sector = sector;
	statuses[nth] = 254;
	set_desc(&queue, nth * 3, &headers[nth], sizeof(headers[nth]), NEXT,
		 (uint16_t)(nth * 3 + 1));
	set_desc(&queue, nth * 3 + 1, at, len, (uint16_t)(NEXT | (type == T_IN ? WRITE : 0)),
		 (uint16_t)(nth * 3 + 2));
	set_desc(&queue, nth * 3 + 2, &statuses[nth], 1, WRITE, 0);
	offer(&queue, (uint16_t)(nth * 3));
}

static unsigned ask(unsigned device, uint32_t type, uint64_t sector, const void *at, uint32_t len)
{
	add(0, type, sector, at, len);
	notify(device, 0);
	return wait_answer(device, &queue) < 0 ? 255 : READ_ONCE(statuses[0]);
}

static unsigned range(unsigned device, uint32_t type, uint64_t sector, uint32_t n, uint32_t flags)
{
	static struct {
		uint64_t sector;
		uint32_t n, flags;
	} named;

	named.sector = sector;
	named.n = n;
	named.flags = flags;
	return ask(device, type, 0, &named, sizeof(named));
}

static void fly(unsigned device, uint32_t type)
{
	for (unsigned i = 0; i < FLIGHTS; i++)
		add(i, type, i * (PIECE / 512), data + i * PIECE, PIECE);
	notify(device, 0);
}

/* Writes sixteen pieces at once, discards the second, zeroes a part of the third, and reads. */
void test_blk_more(void)
{
	unsigned device = find_device(BLK, 0), good = 0, kept = 0;

	(void)bring_up(device, ALL_FEATURES, &queue, 1);
	for (unsigned i = 0; i < FLIGHTS; i++)
		for (unsigned at = 0; at < PIECE; at += 512)
			data[i * PIECE + at] = (uint8_t)(i + 1);
	fly(device, T_OUT);
	for (unsigned i = 0; i < FLIGHTS; i++)
		(void)wait_answer(device, &queue);
	for (unsigned i = 0; i < FLIGHTS; i++)
		good += READ_ONCE(statuses[i]) == 0;
	say_line("written", good);
	say_line("flush", ask(device, T_FLUSH, 0, data, 0));
	say_line("discard", range(device, T_DISCARD, 8, 8, 0));
	say_line("zeroes", range(device, T_ZEROES, 17, 2, 0));
	say_line("behind", range(device, T_ZEROES, 1ULL << 40, 2, 0));
	say_line("flags", range(device, T_DISCARD, 8, 8, 1));

	/* The driver resets while sixteen requests are in flight; then memory is its own again. */
	fly(device, T_IN);
	reg_write(device, STATUS_REG, 0);
	for (unsigned i = 0; i < sizeof(data); i += 512)
		data[i] = 77;
	(void)bring_up(device, ALL_FEATURES, &queue, 1);
	say_line("read", ask(device, T_IN, 0, data, 512));
	for (unsigned i = 512; i < sizeof(data); i += 512)
		kept += data[i] == 77;
	say_line("kept", kept);
}

/* A reset must bring it back, whatever it was told. */
static unsigned lie(unsigned device, unsigned q, const struct desc *desc, uint16_t jump)
{
	static struct queue all[8];

	(void)bring_up(device, ALL_FEATURES & ~(1U << 29), all, q + 1);
	all[q].desc[0] = *desc;
	offer(&all[q], 0);
	if (jump != 0)
		WRITE_ONCE(all[q].avail.idx, jump);
	notify(device, q);
	for (unsigned i = 0; i < 20; i++)
		if ((reg_read(device, STATUS_REG) & NEEDS_RESET) != 0)
			break;
	reg_write(device, STATUS_REG, 0);
	return reg_read(device, STATUS_REG) == 0;
}

/* A67 to A69, for each device and its first queues. */
void test_hostile_all(void)
{
	static const struct {
		struct desc desc;
		uint16_t jump;
	} lies[] = {
		{ { 1ULL << 40, 64, WRITE, 0 }, 0 },	  { { 0xd0000000, 64, 0, 0 }, 0 },
		{ { UINT64_MAX - 8, 64, WRITE, 0 }, 0 },  { { 0x100000, UINT32_MAX, 0, 0 }, 0 },
		{ { 0x100000, 64, WRITE | NEXT, 0 }, 0 }, { { 0x100000, 0, NEXT, 0 }, 0 },
		{ { 0x100000, 64, NEXT, 9999 }, 0 },	  { { 0x100000, 17, INDIRECT, 0 }, 0 },
		{ { 0x100000, 16, 0, 0 }, 30000 },
	};

	unsigned devices = 0, survived = 0;

	for (unsigned device = 0; device < DEVICES && reg_read(device, 0) == 0x74726976; device++) {
		devices++;
		for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
			for (unsigned q = 0; q < 3; q++)
				survived += lie(device, q, &lies[i].desc, lies[i].jump);
	}
	say_line("devices", devices);
	say_line("survived", survived);
}
