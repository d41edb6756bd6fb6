/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/i8042.h"

#include <errno.h>
#include <unistd.h>

#include "base/test.h"
#include "vmm/device/event.h"

#define DATA   0
#define STATUS OG_I8042_STATUS
#define FULL   1

struct machine {
	struct og_power power;
	struct og_i8042 i8042;
	og_count resets;
};

static void init(struct machine *m, bool present)
{
	*m = (struct machine){ .power.stop_fd = og_event_new() };
	CHECK_OK(og_i8042_init(&m->i8042, present, &m->power, NULL));
	m->i8042.resets = &m->resets;
}

static void done(struct machine *m)
{
	og_i8042_done(&m->i8042);
	(void)close(m->power.stop_fd);
}

static void put(struct machine *m, uint64_t port, uint64_t value)
{
	og_i8042_access(&m->i8042, port, &value, 1, true);
}

static uint8_t get(struct machine *m, uint64_t port)
{
	uint64_t value = UINT64_MAX;

	og_i8042_access(&m->i8042, port, &value, 1, false);
	return (uint8_t)value;
}

static bool is_full(struct machine *m)
{
	return (get(m, STATUS) & FULL) != 0;
}

/* How often it interrupted since this was asked last. */
static uint64_t interrupts(struct machine *m)
{
	uint64_t n = 0;

	return read(m->i8042.interrupt_fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

/* Reads all that there is and compares. */
static void expect(struct machine *m, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		CHECK(is_full(m));
		CHECK_EQ(get(m, DATA), bytes[i]);
	}
	CHECK(!is_full(m));
}

#define EXPECT(m, ...) \
	expect(m, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void set_control(struct machine *m, uint8_t value)
{
	put(m, STATUS, 0x60);
	put(m, DATA, value);
}

static int press(struct machine *m)
{
	return og_i8042_press(&m->i8042, NULL);
}

TEST(what_linux_asks_the_controller_is_answered)
{
	struct machine m;

	init(&m, true);
	CHECK(!is_full(&m));
	put(&m, STATUS, 0xaa);
	EXPECT(&m, 0x55);
	put(&m, STATUS, 0x20);
	EXPECT(&m, 0x64); /* tested, no mouse, translating */
	set_control(&m, 0x74);
	put(&m, STATUS, 0x20);
	EXPECT(&m, 0x74);
	put(&m, STATUS, 0xab);
	EXPECT(&m, 0);
	put(&m, STATUS, 0xd0);
	EXPECT(&m, 3);
	put(&m, STATUS, 0xad);
	put(&m, STATUS, 0x20);
	EXPECT(&m, 0x74);
	put(&m, STATUS, 0xae);
	put(&m, STATUS, 0x20);
	EXPECT(&m, 0x64);
	CHECK_EQ(get(&m, STATUS) & 0x1c, 0x1c); /* a command came last; tested; not locked */
	CHECK_EQ(interrupts(&m), 0);
	CHECK_EQ(atomic_load(&m.power.outcome), OG_RUNNING);
	done(&m);
}

TEST(what_linux_asks_the_keyboard_is_answered)
{
	struct machine m;

	init(&m, true);
	put(&m, DATA, 0xf2);
	EXPECT(&m, 0xfa, 0xab, 0x83);
	for (unsigned i = 0; i < 2; i++) {
		put(&m, DATA, i == 0 ? 0xed : 0xf3);
		EXPECT(&m, 0xfa);
		put(&m, DATA, 0xff); /* not a reset: the lights, or the rate */
		EXPECT(&m, 0xfa);
	}
	put(&m, DATA, 0xf4);
	EXPECT(&m, 0xfa);
	put(&m, DATA, 0xee);
	EXPECT(&m, 0xee);
	put(&m, DATA, 0xf0);
	put(&m, DATA, 0);
	EXPECT(&m, 0xfa, 0xfa, 2);
	put(&m, DATA, 0x12);
	EXPECT(&m, 0xfe);
	put(&m, DATA, 0xff);
	EXPECT(&m, 0xfa, 0xaa);
	done(&m);
}

TEST(the_three_keys_go_down_and_up_in_both_sets)
{
	struct machine m;

	init(&m, true);
	set_control(&m, 0x40);
	CHECK_OK(press(&m));
	EXPECT(&m, 0x1d, 0x38, 0xe0, 0x53, 0xe0, 0xd3, 0xb8, 0x9d);
	set_control(&m, 0);
	CHECK_OK(press(&m));
	EXPECT(&m, 0x14, 0x11, 0xe0, 0x71, 0xe0, 0xf0, 0x71, 0xf0, 0x11, 0xf0, 0x14);
	put(&m, DATA, 0xf0);
	put(&m, DATA, 1);
	EXPECT(&m, 0xfa, 0xfa);
	CHECK_OK(press(&m));
	EXPECT(&m, 0x1d, 0x38, 0xe0, 0x53, 0xe0, 0xd3, 0xb8, 0x9d);
	done(&m);
}

TEST(each_byte_interrupts_once_where_that_is_on)
{
	struct machine m;

	init(&m, true);
	set_control(&m, 0x40);
	CHECK_OK(press(&m));
	CHECK_EQ(interrupts(&m), 0);
	set_control(&m, 0x41); /* now something waits */
	for (unsigned i = 0; i < 8; i++) {
		CHECK_EQ(interrupts(&m), 1);
		(void)get(&m, DATA);
	}
	CHECK_EQ(interrupts(&m), 0);
	CHECK(!is_full(&m));
	(void)get(&m, DATA);
	CHECK_EQ(interrupts(&m), 0);
	done(&m);
}

TEST(a_keyboard_that_is_held_keeps_its_bytes)
{
	struct machine m;

	init(&m, true);
	put(&m, STATUS, 0xad);
	CHECK_OK(press(&m));
	CHECK(!is_full(&m));
	put(&m, STATUS, 0x20); /* the controller's own answer passes it */
	EXPECT(&m, 0x74);
	put(&m, STATUS, 0xae);
	CHECK_EQ(get(&m, DATA), 0x1d);
	done(&m);
}

TEST(pressing_is_refused_where_nobody_would_notice)
{
	struct og_err err = {};
	struct machine m;

	init(&m, false);
	CHECK_EQ(og_i8042_press(&m.i8042, &err), -ENODEV);
	CHECK(strstr(err.text, "no keyboard") != NULL);
	done(&m);
	init(&m, true);
	(void)get(&m, STATUS); /* whoever only looks drives nothing */
	CHECK_EQ(press(&m), -ENOTCONN);
	put(&m, STATUS, 0x20);
	EXPECT(&m, 0x64);
	CHECK_OK(press(&m));
	CHECK_EQ(press(&m), -EAGAIN);
	for (unsigned i = 0; i < 8; i++)
		(void)get(&m, DATA);
	CHECK_OK(press(&m));
	done(&m);
}

static enum og_outcome after(bool present, const uint16_t *writes, size_t n)
{
	enum og_outcome outcome;
	struct machine m;

	init(&m, present);
	for (size_t i = 0; i < n; i++)
		put(&m, writes[i] >> 8, writes[i] & 0xff);
	outcome = (enum og_outcome)atomic_load(&m.power.outcome);
	CHECK_EQ(atomic_load(&m.resets), outcome == OG_REBOOTED);
	done(&m);
	return outcome;
}

#define AFTER(present, ...)                               \
	after(present, (const uint16_t[]){ __VA_ARGS__ }, \
	      sizeof((const uint16_t[]){ __VA_ARGS__ }) / sizeof(uint16_t))

TEST(its_reset_line_ends_the_machine)
{
	for (unsigned present = 0; present < 2; present++) {
		CHECK_EQ(AFTER(present, 0x4fe), OG_REBOOTED);
		CHECK_EQ(AFTER(present, 0x0fe), OG_RUNNING);
		CHECK_EQ(AFTER(present, 0x4d1), OG_RUNNING);
		CHECK_EQ(AFTER(present, 0x4d1, 0x003), OG_RUNNING);
	}
	CHECK_EQ(AFTER(true, 0x4d1, 0x002), OG_REBOOTED);
	CHECK_EQ(AFTER(true, 0x4d1, 0x420, 0x002), OG_RUNNING); /* another command came between */
}

TEST(other_widths_and_ports_are_no_accesses)
{
	struct machine m;

	init(&m, true);
	for (unsigned len = 2; len <= 8; len++)
		for (uint64_t port = 0; port < OG_I8042_PORTS; port++) {
			uint64_t value = 0xfefefefefefefefe;

			og_i8042_access(&m.i8042, port, &value, len, true);
			og_i8042_access(&m.i8042, port, &value, len, false);
			CHECK_EQ(value, 0xfefefefefefefefe);
		}
	for (uint64_t port = 1; port < 4; port++) {
		put(&m, port, 0xfe);
		CHECK_EQ(get(&m, port), 0);
	}
	CHECK_EQ(press(&m), -ENOTCONN);
	CHECK_EQ(atomic_load(&m.power.outcome), OG_RUNNING);
	done(&m);
}

static void move_into(struct machine *from, struct machine *to)
{
	uint8_t bytes[64];
	struct og_pack pack;
	struct og_unpack unpack;

	og_pack_init(&pack, bytes, sizeof(bytes));
	og_i8042_save(&from->i8042, &pack);
	CHECK(!pack.failed);
	og_unpack_init(&unpack, bytes, pack.len);
	CHECK(og_i8042_load(&to->i8042, &unpack));
	CHECK(og_unpack_done(&unpack));
	for (size_t cut = 0; cut < pack.len; cut++) {
		struct machine other;

		init(&other, true);
		og_unpack_init(&unpack, bytes, cut);
		CHECK(!og_i8042_load(&other.i8042, &unpack));
		done(&other);
	}
}

TEST(a_restored_one_goes_on_where_it_was)
{
	struct machine m, restored;

	init(&m, true);
	init(&restored, true);
	set_control(&m, 0x41);
	CHECK_OK(press(&m));
	CHECK_EQ(get(&m, DATA), 0x1d);
	put(&m, STATUS, 0x60); /* and half a command */
	move_into(&m, &restored);
	CHECK_EQ(interrupts(&restored), 0);
	og_i8042_resumed(&restored.i8042);
	CHECK_EQ(interrupts(&restored), 1);
	CHECK_EQ(press(&restored), -EAGAIN);
	put(&restored, DATA, 0x40);
	EXPECT(&restored, 0x38, 0xe0, 0x53, 0xe0, 0xd3, 0xb8, 0x9d);
	done(&restored);
	done(&m);
}

TEST(a_queue_that_cannot_be_is_not_loaded)
{
	uint8_t bytes[64] = { [10] = OG_I8042_QUEUE + 1 };
	struct og_unpack unpack;
	struct machine m;

	init(&m, true);
	og_unpack_init(&unpack, bytes, sizeof(bytes));
	CHECK(!og_i8042_load(&m.i8042, &unpack));
	bytes[10] = OG_I8042_QUEUE;
	og_unpack_init(&unpack, bytes, sizeof(bytes));
	CHECK(og_i8042_load(&m.i8042, &unpack));
	done(&m);
}

/* Of both ports and all values but those that end the machine; it is well again after a reset. */
TEST(no_sequence_of_accesses_breaks_it)
{
	uint64_t random = 88172645463325252ULL;
	struct machine m;

	init(&m, true);
	for (unsigned i = 0; i < 1000000; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		if ((random & 0xff) == 0)
			(void)press(&m);
		else if ((random & 1) != 0)
			(void)get(&m, random >> 8 & 4);
		else if ((random >> 16 & 0xff) != 0xfe && (random >> 16 & 0xff) != 0xd1)
			put(&m, random >> 8 & 4, random >> 16 & 0xff);
		CHECK(m.i8042.len <= OG_I8042_QUEUE && m.i8042.start < OG_I8042_QUEUE);
	}
	CHECK_EQ(atomic_load(&m.power.outcome), OG_RUNNING);
	set_control(&m, 0x40);
	while (is_full(&m))
		(void)get(&m, DATA);
	put(&m, DATA, 0xf4); /* or the byte of a command that was begun */
	while (is_full(&m))
		(void)get(&m, DATA);
	put(&m, DATA, 0xff);
	EXPECT(&m, 0xfa, 0xaa);
	done(&m);
}

TEST_MAIN(TEST_ENTRY(what_linux_asks_the_controller_is_answered),
	  TEST_ENTRY(what_linux_asks_the_keyboard_is_answered),
	  TEST_ENTRY(the_three_keys_go_down_and_up_in_both_sets),
	  TEST_ENTRY(each_byte_interrupts_once_where_that_is_on),
	  TEST_ENTRY(a_keyboard_that_is_held_keeps_its_bytes),
	  TEST_ENTRY(pressing_is_refused_where_nobody_would_notice),
	  TEST_ENTRY(its_reset_line_ends_the_machine),
	  TEST_ENTRY(other_widths_and_ports_are_no_accesses),
	  TEST_ENTRY(a_restored_one_goes_on_where_it_was),
	  TEST_ENTRY(a_queue_that_cannot_be_is_not_loaded),
	  TEST_ENTRY(no_sequence_of_accesses_breaks_it))
