/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>

#include "base/test.h"
#include "driver.h"

#define SIZE 8

static struct og_virtq queue(struct driver *d)
{
	struct og_virtq q = {
		.mem = &d->mem,
		.size = d->size,
		.indirect = true,
		.desc_gpa = QUEUE_GPA(0),
		.avail_gpa = QUEUE_GPA(0) + 0x1000,
		.used_gpa = QUEUE_GPA(0) + 0x2000,
	};

	CHECK_OK(og_virtq_start(&q));
	return q;
}

static int pop_one(struct driver *d, struct og_chain *ret_chain, struct iovec *iov)
{
	struct og_virtq q = queue(d);

	driver_offer(d, 0, 0);
	return og_virtq_pop(&q, iov, ret_chain);
}

TEST(a_chain_is_popped_in_order_and_pushed_back)
{
	struct iovec iov[OG_CHAIN_MAX];
	struct og_chain chain;
	struct og_virtq q;
	struct driver d;

	driver_init(&d, SIZE);
	q = queue(&d);
	CHECK_EQ(og_virtq_pop(&q, iov, &chain), 0);

	driver_desc(&d, 0, 3, DATA_GPA, 16, VRING_DESC_F_NEXT, 5);
	driver_desc(&d, 0, 5, DATA_GPA + 512, 0, VRING_DESC_F_NEXT, 1);
	driver_desc(&d, 0, 1, DATA_GPA + 1024, 100, VRING_DESC_F_WRITE, 0);
	driver_offer(&d, 0, 3);
	CHECK_EQ(og_virtq_pop(&q, iov, &chain), 1);
	CHECK_EQ(chain.head, 3);
	CHECK_EQ(chain.n_out, 1); /* the empty one is left out */
	CHECK_EQ(chain.n_in, 1);
	CHECK_EQ(chain.out_bytes, 16);
	CHECK_EQ(chain.in_bytes, 100);
	CHECK(iov[1].iov_base == d.ram + DATA_GPA + 1024);
	CHECK_EQ(og_virtq_pop(&q, iov, &chain), 0);

	og_virtq_unpop(&q, 1);
	CHECK_EQ(og_virtq_pop(&q, iov, &chain), 1);
	og_virtq_push(&q, chain.head, 100);
	CHECK_EQ(driver_used(&d, 0), 1);
	CHECK_EQ(driver_answer(&d, 0, 0).id, 3);
	CHECK_EQ(driver_answer(&d, 0, 0).len, 100);
	driver_done(&d);
}

/* A67 */
TEST(descriptors_outside_memory_break_the_rules)
{
	static const struct {
		uint64_t gpa;
		uint32_t len;
	} bad[] = {
		{ RAM_BYTES, 1 },  { RAM_BYTES - 1, 2 },    { RAM_BYTES - 4096, UINT32_MAX },
		{ UINT64_MAX, 1 }, { UINT64_MAX - 15, 16 }, { UINT64_MAX - 15, 17 },
		{ 0, UINT32_MAX }, { OG_GAP_START, 4096 },  { OG_GAP_END, 4096 },
	};
	struct iovec iov[OG_CHAIN_MAX];
	struct og_chain chain;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct driver d;

		driver_init(&d, SIZE);
		driver_desc(&d, 0, 0, bad[i].gpa, bad[i].len, VRING_DESC_F_WRITE, 0);
		CHECK_EQ(pop_one(&d, &chain, iov), -EPROTO);
		driver_done(&d);
	}
}

TEST(memory_ends_are_exact_with_a_gap_between)
{
	uint8_t *host = (uint8_t *)(uintptr_t)0x1000; /* never touched */
	struct og_mem mem;

	og_mem_borrow(&mem, host, OG_GAP_START + 4096);
	CHECK_EQ(mem.n_regions, 2);
	CHECK(og_mem_at(&mem, OG_GAP_START - 1, 1) == host + OG_GAP_START - 1);
	CHECK(og_mem_at(&mem, OG_GAP_START - 1, 2) == NULL);
	CHECK(og_mem_at(&mem, OG_GAP_START, 1) == NULL);
	CHECK(og_mem_at(&mem, OG_GAP_END - 1, 1) == NULL);
	CHECK(og_mem_at(&mem, OG_GAP_END, 4096) == host + OG_GAP_START);
	CHECK(og_mem_at(&mem, OG_GAP_END, 4097) == NULL);
	CHECK(og_mem_at(&mem, OG_GAP_END + 4096, 0) != NULL);
	CHECK(og_mem_at(&mem, UINT64_MAX, 2) == NULL);
}

/* A68 */
TEST(a_loop_of_descriptors_ends)
{
	struct iovec iov[OG_CHAIN_MAX];
	struct og_chain chain;
	struct driver d;

	driver_init(&d, SIZE);
	driver_desc(&d, 0, 0, DATA_GPA, 1, VRING_DESC_F_NEXT, 1);
	driver_desc(&d, 0, 1, DATA_GPA, 0, VRING_DESC_F_NEXT, 0);
	CHECK_EQ(pop_one(&d, &chain, iov), -EPROTO);
	driver_done(&d);
}

/* A68 */
TEST(a_next_or_head_outside_the_queue_breaks_the_rules)
{
	struct iovec iov[OG_CHAIN_MAX];
	struct og_chain chain;
	struct og_virtq q;
	struct driver d;

	driver_init(&d, SIZE);
	driver_desc(&d, 0, 0, DATA_GPA, 1, VRING_DESC_F_NEXT, SIZE);
	CHECK_EQ(pop_one(&d, &chain, iov), -EPROTO);
	driver_done(&d);

	driver_init(&d, SIZE);
	q = queue(&d);
	driver_offer(&d, 0, SIZE);
	CHECK_EQ(og_virtq_pop(&q, iov, &chain), -EPROTO);
	driver_done(&d);
}

TEST(what_is_written_comes_behind_what_is_read)
{
	struct iovec iov[OG_CHAIN_MAX];
	struct og_chain chain;
	struct driver d;

	driver_init(&d, SIZE);
	driver_desc(&d, 0, 0, DATA_GPA, 1, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	driver_desc(&d, 0, 1, DATA_GPA, 1, 0, 0);
	CHECK_EQ(pop_one(&d, &chain, iov), -EPROTO);
	driver_done(&d);
}

static void put_indirect(struct driver *d, uint32_t gpa, uint16_t index, struct vring_desc desc)
{
	memcpy(d->ram + gpa + sizeof(desc) * index, &desc, sizeof(desc));
}

TEST(an_indirect_table_is_followed_once)
{
	uint32_t table = DATA_GPA + 8; /* nothing says that it is aligned to 16 */
	struct iovec iov[OG_CHAIN_MAX];
	struct og_chain chain;
	struct driver d;

	driver_init(&d, SIZE);
	driver_desc(&d, 0, 0, DATA_GPA + 4096, 1, VRING_DESC_F_NEXT, 1);
	driver_desc(&d, 0, 1, table, 32, VRING_DESC_F_INDIRECT, 0);
	put_indirect(&d, table, 0, (struct vring_desc){ DATA_GPA + 4096, 7, VRING_DESC_F_NEXT, 1 });
	put_indirect(&d, table, 1,
		     (struct vring_desc){ DATA_GPA + 4096, 9, VRING_DESC_F_WRITE, 0 });
	CHECK_EQ(pop_one(&d, &chain, iov), 1);
	CHECK_EQ(chain.out_bytes, 8);
	CHECK_EQ(chain.in_bytes, 9);
	driver_done(&d);
}

/* A68 */
TEST(bad_indirect_tables_break_the_rules)
{
	static const struct vring_desc bad[] = {
		{ DATA_GPA, 0, VRING_DESC_F_INDIRECT, 0 },
		{ DATA_GPA, 15, VRING_DESC_F_INDIRECT, 0 },
		{ DATA_GPA, 17, VRING_DESC_F_INDIRECT, 0 },
		{ DATA_GPA, 16 * (OG_CHAIN_MAX + 1), VRING_DESC_F_INDIRECT, 0 },
		{ DATA_GPA, 0xfffffff0, VRING_DESC_F_INDIRECT, 0 },
		{ RAM_BYTES - 16, 32, VRING_DESC_F_INDIRECT, 0 },
		{ DATA_GPA, 32, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 1 },
		{ DATA_GPA + 64, 16, VRING_DESC_F_INDIRECT, 0 }, /* holds another one */
		{ DATA_GPA + 80, 16, VRING_DESC_F_INDIRECT, 0 }, /* its next is outside */
		{ DATA_GPA + 96, 32, VRING_DESC_F_INDIRECT, 0 }, /* loops */
	};
	struct iovec iov[OG_CHAIN_MAX];
	struct og_chain chain;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct driver d;

		driver_init(&d, SIZE);
		driver_desc(&d, 0, 0, bad[i].addr, bad[i].len, bad[i].flags, bad[i].next);
		put_indirect(&d, DATA_GPA, 0, (struct vring_desc){ DATA_GPA, 8, 0, 0 });
		put_indirect(&d, DATA_GPA + 64, 0,
			     (struct vring_desc){ DATA_GPA, 16, VRING_DESC_F_INDIRECT, 0 });
		put_indirect(&d, DATA_GPA + 80, 0,
			     (struct vring_desc){ DATA_GPA, 16, VRING_DESC_F_NEXT, 1 });
		put_indirect(&d, DATA_GPA + 96, 0,
			     (struct vring_desc){ DATA_GPA, 16, VRING_DESC_F_NEXT, 1 });
		put_indirect(&d, DATA_GPA + 96, 1,
			     (struct vring_desc){ DATA_GPA, 16, VRING_DESC_F_NEXT, 0 });
		CHECK_EQ(pop_one(&d, &chain, iov), -EPROTO);
		driver_done(&d);
	}
}

TEST(a_chain_never_outgrows_the_callers_array)
{
	struct iovec iov[OG_CHAIN_MAX];
	struct og_chain chain;
	struct driver d;

	driver_init(&d, SIZE);
	driver_desc(&d, 0, 0, DATA_GPA, 1, VRING_DESC_F_NEXT, 1);
	driver_desc(&d, 0, 1, DATA_GPA, 16 * OG_CHAIN_MAX, VRING_DESC_F_INDIRECT, 0);
	for (uint16_t i = 0; i < OG_CHAIN_MAX; i++)
		put_indirect(&d, DATA_GPA, i,
			     (struct vring_desc){ DATA_GPA, 1,
						  i + 1 < OG_CHAIN_MAX ? VRING_DESC_F_NEXT : 0,
						  (uint16_t)(i + 1) });
	CHECK_EQ(pop_one(&d, &chain, iov), -EPROTO); /* one more than fits */
	driver_done(&d);
}

TEST(an_indirect_table_that_was_not_agreed_on_breaks_the_rules)
{
	struct iovec iov[OG_CHAIN_MAX];
	struct og_chain chain;
	struct og_virtq q;
	struct driver d;

	driver_init(&d, SIZE);
	q = queue(&d);
	q.indirect = false;
	driver_desc(&d, 0, 0, DATA_GPA, 16, VRING_DESC_F_INDIRECT, 0);
	driver_offer(&d, 0, 0);
	CHECK_EQ(og_virtq_pop(&q, iov, &chain), -EPROTO);
	driver_done(&d);
}

/* A69 */
TEST(an_index_that_jumps_breaks_the_rules)
{
	struct iovec iov[OG_CHAIN_MAX];
	struct og_chain chain;

	for (unsigned jump = SIZE + 1; jump <= UINT16_MAX; jump += 97) {
		struct og_virtq q;
		struct driver d;

		driver_init(&d, SIZE);
		q = queue(&d);
		set_ram16(&d, QUEUE_GPA(0) + 0x1000 + 2, (uint16_t)jump);
		CHECK_EQ(og_virtq_pop(&q, iov, &chain), -EPROTO);
		driver_done(&d);
	}
}

/* A71, A67 */
TEST(a_queue_of_bad_size_or_place_does_not_start)
{
	static const uint16_t sizes[] = { 0, 3, 7, 255, 257, 512, 65535, 32768 };
	static const uint64_t places[] = {
		1, RAM_BYTES, RAM_BYTES - 8, UINT64_MAX - 1, UINT64_MAX & ~15ULL, OG_GAP_START
	};
	struct og_virtq q;
	struct driver d;

	driver_init(&d, SIZE);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		q = queue(&d);
		q.size = sizes[i];
		CHECK_EQ(og_virtq_start(&q), -EINVAL);
	}
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		q = queue(&d);
		q.desc_gpa = places[i];
		CHECK_EQ(og_virtq_start(&q), -EINVAL);
		q = queue(&d);
		q.avail_gpa = places[i];
		CHECK_EQ(og_virtq_start(&q), -EINVAL);
		q = queue(&d);
		q.used_gpa = places[i];
		CHECK_EQ(og_virtq_start(&q), -EINVAL);
	}
	driver_done(&d);
}

TEST(interrupts_come_when_the_driver_wants_them)
{
	struct og_virtq q;
	struct driver d;

	driver_init(&d, SIZE);
	q = queue(&d);
	CHECK(!og_virtq_wants_interrupt(&q)); /* nothing was pushed */
	og_virtq_push(&q, 0, 0);
	CHECK(og_virtq_wants_interrupt(&q));
	set_ram16(&d, QUEUE_GPA(0) + 0x1000, VRING_AVAIL_F_NO_INTERRUPT);
	og_virtq_push(&q, 0, 0);
	CHECK(!og_virtq_wants_interrupt(&q));

	q = queue(&d);
	q.event_idx = true;
	set_ram16(&d, QUEUE_GPA(0) + 0x1000 + 4 + 2 * SIZE, 1); /* after the second */
	og_virtq_push(&q, 0, 0);
	CHECK(!og_virtq_wants_interrupt(&q));
	og_virtq_push(&q, 0, 0);
	CHECK(og_virtq_wants_interrupt(&q));
	driver_done(&d);
}

TEST(a_request_that_comes_while_unmuting_is_seen)
{
	struct og_virtq q;
	struct driver d;

	driver_init(&d, SIZE);
	q = queue(&d);
	og_virtq_mute(&q);
	CHECK_EQ(ram16(&d, QUEUE_GPA(0) + 0x2000), VRING_USED_F_NO_NOTIFY);
	driver_offer(&d, 0, 0);
	CHECK(og_virtq_unmute(&q));
	CHECK_EQ(ram16(&d, QUEUE_GPA(0) + 0x2000), 0);
	driver_done(&d);
}

struct race {
	struct driver d;
	bool stop;
};

/* Swaps a descriptor between one that is fine and one that is outside, without end. */
static void *swap_descriptors(void *arg)
{
	struct race *race = arg;

	while (!__atomic_load_n(&race->stop, __ATOMIC_RELAXED)) {
		driver_desc(&race->d, 0, 0, UINT64_MAX - 8, UINT32_MAX, VRING_DESC_F_WRITE, 9);
		driver_desc(&race->d, 0, 0, DATA_GPA, 64, VRING_DESC_F_WRITE, 0);
	}
	return NULL;
}

/* A79 */
TEST(a_descriptor_that_changes_while_it_is_read_never_leads_outside)
{
	struct iovec iov[OG_CHAIN_MAX];
	static struct race race;
	struct og_chain chain;
	unsigned taken = 0;
	pthread_t thread;

	driver_init(&race.d, SIZE);
	driver_desc(&race.d, 0, 0, DATA_GPA, 64, VRING_DESC_F_WRITE, 0);
	CHECK_OK(pthread_create(&thread, NULL, swap_descriptors, &race));
	/* On a busy machine the other thread may be away for long just when it is outside. */
	for (unsigned i = 0; i < 200000 || taken == 0; i++) {
		struct og_virtq q = queue(&race.d);

		set_ram16(&race.d, QUEUE_GPA(0) + 0x1000 + 2, 1);
		if (og_virtq_pop(&q, iov, &chain) != 1)
			continue;
		taken++;
		CHECK((uint8_t *)iov[0].iov_base >= race.d.ram);
		CHECK((uint8_t *)iov[0].iov_base + iov[0].iov_len <= race.d.ram + RAM_BYTES);
	}
	__atomic_store_n(&race.stop, true, __ATOMIC_RELAXED);
	CHECK_OK(pthread_join(thread, NULL));
	CHECK(taken > 0);
	driver_done(&race.d);
}

TEST(slices_and_copies_cross_entries)
{
	uint8_t data[] = "abcdefghij", out[8] = {};
	struct iovec iov[] = { { data, 3 }, { data + 3, 4 }, { data + 7, 3 } };

	CHECK_EQ(og_iov_read(iov, 3, 2, out, 3), 3);
	CHECK(memcmp(out, "cde", 3) == 0);
	CHECK_EQ(og_iov_write(iov, 3, 9, "XYZ", 3), 1);
	CHECK_EQ(data[9], 'X');
	CHECK_EQ(og_iov_slice(iov, 3, 4, 4), 2);
	CHECK_EQ(iov[0].iov_len, 3);
	CHECK_EQ(iov[1].iov_len, 1);
	CHECK(iov[0].iov_base == data + 4);
	CHECK_EQ(og_iov_slice(iov, 2, 0, 0), 0);
}

TEST_MAIN(TEST_ENTRY(a_chain_is_popped_in_order_and_pushed_back),
	  TEST_ENTRY(descriptors_outside_memory_break_the_rules),
	  TEST_ENTRY(memory_ends_are_exact_with_a_gap_between),
	  TEST_ENTRY(a_loop_of_descriptors_ends),
	  TEST_ENTRY(a_next_or_head_outside_the_queue_breaks_the_rules),
	  TEST_ENTRY(what_is_written_comes_behind_what_is_read),
	  TEST_ENTRY(an_indirect_table_is_followed_once),
	  TEST_ENTRY(bad_indirect_tables_break_the_rules),
	  TEST_ENTRY(a_chain_never_outgrows_the_callers_array),
	  TEST_ENTRY(an_indirect_table_that_was_not_agreed_on_breaks_the_rules),
	  TEST_ENTRY(an_index_that_jumps_breaks_the_rules),
	  TEST_ENTRY(a_queue_of_bad_size_or_place_does_not_start),
	  TEST_ENTRY(interrupts_come_when_the_driver_wants_them),
	  TEST_ENTRY(a_request_that_comes_while_unmuting_is_seen),
	  TEST_ENTRY(a_descriptor_that_changes_while_it_is_read_never_leads_outside),
	  TEST_ENTRY(slices_and_copies_cross_entries))
