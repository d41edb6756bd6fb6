/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>

#include "base/loop.h"
#include "base/test.h"
#include "driver.h"
#include "vmm/device/ratelimit.h"
#include "vmm/device/virtio_rng.h"

#define MS 1000000ULL
#define S  1000000000ULL

static struct og_limiter with_bytes(uint64_t size, uint64_t burst, uint64_t refill_time_ms)
{
	const struct og_limit_config config = { .bytes = { size, burst, refill_time_ms } };
	struct og_limiter limiter;

	og_limiter_init(&limiter, &config, S);
	return limiter;
}

TEST(without_a_size_or_a_time_there_is_no_limit)
{
	struct og_limiter none = with_bytes(0, 10, 100), timeless = with_bytes(10, 0, 0);

	CHECK(!og_limiter_is_active(&none));
	CHECK(!og_limiter_is_active(&timeless));
	for (unsigned i = 0; i < 1000; i++) {
		CHECK(og_limiter_take(&none, UINT64_MAX, S));
		CHECK(og_limiter_take(&timeless, UINT64_MAX, S));
	}
}

TEST(a_bucket_begins_full_and_fills_up_evenly)
{
	struct og_limiter l = with_bytes(1000, 0, 1000);

	CHECK(og_limiter_is_active(&l));
	CHECK(og_limiter_take(&l, 600, S));
	CHECK(og_limiter_take(&l, 400, S));
	CHECK(!og_limiter_take(&l, 1, S));
	CHECK_EQ(l.ready_ns, S + MS); /* a token a millisecond */
	CHECK(!og_limiter_take(&l, 100, S + 99 * MS));
	CHECK_EQ(l.ready_ns, S + 100 * MS);
	CHECK(og_limiter_take(&l, 100, S + 100 * MS));
	CHECK(!og_limiter_take(&l, 1, S + 100 * MS));
	/* Never more than it holds, however long it was left alone. */
	CHECK(og_limiter_take(&l, 1000, 100 * S));
	CHECK(!og_limiter_take(&l, 1, 100 * S));
}

TEST(a_burst_is_given_once_and_first)
{
	struct og_limiter l = with_bytes(100, 5000, 1000);

	CHECK(og_limiter_take(&l, 5000, S));
	CHECK(og_limiter_take(&l, 100, S));
	CHECK(!og_limiter_take(&l, 100, S));
	CHECK(og_limiter_take(&l, 100, 2 * S));
	CHECK(!og_limiter_take(&l, 100, 2 * S + S / 2));
}

TEST(a_burst_and_the_bucket_pay_together)
{
	struct og_limiter l = with_bytes(100, 50, 1000);

	CHECK(og_limiter_take(&l, 120, S));
	CHECK(!og_limiter_take(&l, 31, S));
	CHECK(og_limiter_take(&l, 30, S));
}

TEST(an_operation_larger_than_the_bucket_is_paid_for_afterwards)
{
	struct og_limiter l = with_bytes(1000, 0, 100);

	CHECK(og_limiter_take(&l, 3000, S)); /* 2000 too many: 200 ms */
	CHECK(!og_limiter_take(&l, 1, S + 199 * MS));
	CHECK_EQ(l.ready_ns, S + 200 * MS);
	CHECK(!og_limiter_take(&l, 500, S + 201 * MS));
	CHECK(og_limiter_take(&l, 500, S + 250 * MS));
	CHECK(og_limiter_take(&l, 3000, S + 251 * MS));
	CHECK(!og_limiter_take(&l, 1, S + 251 * MS + 298 * MS));
}

TEST(what_does_not_take_place_is_given_back)
{
	struct og_limiter l = with_bytes(1000, 0, 100);

	CHECK(og_limiter_take(&l, 1000, S));
	og_limiter_give_back(&l, 1000);
	CHECK(og_limiter_take(&l, 1000, S));
	CHECK(!og_limiter_take(&l, 1, S));
	l = with_bytes(1000, 0, 100);
	CHECK(og_limiter_take(&l, 9000, S));
	og_limiter_give_back(&l, 9000);
	CHECK(og_limiter_take(&l, 1000, S));
	CHECK(!og_limiter_take(&l, 1, S));
}

TEST(both_buckets_must_have_enough_or_neither_is_taken_from)
{
	const struct og_limit_config config = { .bytes = { 100, 0, 1000 }, .ops = { 3, 0, 1000 } };
	struct og_limiter l;

	og_limiter_init(&l, &config, S);
	CHECK(og_limiter_take(&l, 90, S));
	for (unsigned i = 0; i < 10; i++)
		CHECK(!og_limiter_take(&l, 20, S));
	CHECK(og_limiter_take(&l, 5, S));
	CHECK(og_limiter_take(&l, 5, S));
	CHECK(!og_limiter_take(&l, 0, S)); /* no operation left */
	CHECK(l.ready_ns > S + 300 * MS && l.ready_ns < S + 400 * MS);
}

/* Over a long time, in odd steps, the rate is what was asked for: no fraction gets lost. */
TEST(the_rate_is_exact_in_the_long_run)
{
	struct og_limiter l = with_bytes(997, 0, 1009);
	uint64_t taken = 0;

	for (uint64_t now = S; now < 1001 * S; now += 7 * MS + 13)
		while (og_limiter_take(&l, 1, now))
			taken++;
	CHECK(taken >= 997 + 988106 - 8 && taken <= 997 + 988106); /* 1000 s * 997 / 1.009 */
}

TEST(waiting_as_told_is_enough_and_never_a_spin)
{
	struct og_limiter l = with_bytes(1000000007, 0, 1000);
	uint64_t now = S, rounds = 0, taken = 0;

	while (now < 6 * S) {
		while (og_limiter_take(&l, 65000, now))
			taken += 65000;
		CHECK(l.ready_ns >= now + MS);
		now = l.ready_ns;
		rounds++;
	}
	CHECK(rounds <= 5000);
	CHECK(taken > 5900000000 && taken < 6010000000);
}

/* Frames of 1500 against a bucket of 1000 a 100 ms: paid for afterwards, on average exactly. */
TEST(what_is_charged_afterwards_keeps_the_rate)
{
	struct og_limiter l = with_bytes(1000, 0, 100);
	uint64_t now = S, bytes = 0;

	while (now < 101 * S) {
		if (og_limiter_may(&l, now)) {
			og_limiter_charge(&l, 1500, now);
			bytes += 1500;
		} else {
			CHECK(l.ready_ns >= now + MS);
			now = l.ready_ns;
		}
	}
	CHECK(bytes > 990000 && bytes < 1005000);
}

TEST(an_update_replaces_what_it_names)
{
	const struct og_limit_config config = { .bytes = { 100, 0, 1000 }, .ops = { 3, 0, 1000 } };
	struct og_limiter l;

	og_limiter_init(&l, &config, S);
	CHECK(og_limiter_take(&l, 5000, S));
	CHECK(!og_limiter_take(&l, 1, S));
	og_limiter_update(&l, &(struct og_limit_update){ .set_bytes = true }, S);
	CHECK(og_limiter_take(&l, 5000, S));
	CHECK(og_limiter_take(&l, 5000, S));
	CHECK(!og_limiter_take(&l, 5000, S)); /* three operations: that limit stayed */
	og_limiter_update(&l, &(struct og_limit_update){ .set_ops = true }, S);
	CHECK(!og_limiter_is_active(&l));
}

TEST(extremes_neither_wrap_nor_divide_by_zero)
{
	struct og_limiter l = with_bytes(UINT64_MAX, UINT64_MAX, UINT64_MAX);

	CHECK(og_limiter_take(&l, UINT64_MAX, S));
	CHECK(og_limiter_take(&l, UINT64_MAX, S));
	CHECK(!og_limiter_take(&l, UINT64_MAX, UINT64_MAX - 1));
	l = with_bytes(1, 0, UINT64_MAX);
	CHECK(og_limiter_take(&l, UINT64_MAX, S));
	CHECK(!og_limiter_take(&l, 0, S));
	CHECK_EQ(l.ready_ns == UINT64_MAX, 1);
	og_limiter_give_back(&l, UINT64_MAX);
	l = with_bytes(10, 0, 1);
	CHECK(og_limiter_take(&l, 10, S));
	CHECK(!og_limiter_take(&l, 1, 0)); /* a clock that went back */
}

static int reload(struct og_limiter *limiter, const uint8_t *buf, size_t len, uint64_t now)
{
	struct og_unpack unpack;
	int r;

	og_unpack_init(&unpack, buf, len);
	r = og_limiter_load(limiter, now, &unpack);
	return r < 0 ? r : og_unpack_done(&unpack) ? 0 : -1;
}

TEST(it_is_kept_in_a_snapshot)
{
	struct og_limiter l = with_bytes(1000, 700, 1000), again = {};
	uint8_t buf[128];
	struct og_pack pack;

	CHECK(og_limiter_take(&l, 1200, S));
	og_pack_init(&pack, buf, sizeof(buf));
	og_limiter_save(&l, S + 100 * MS, &pack);
	CHECK(!pack.failed);
	CHECK_OK(reload(&again, buf, pack.len, 50 * S));
	CHECK(!og_limiter_take(&again, 601,
			       50 * S)); /* 500 left, 100 filled up before it was kept */
	CHECK(og_limiter_take(&again, 600, 50 * S));

	for (size_t len = 0; len < pack.len; len++)
		CHECK(reload(&again, buf, len, S) < 0);
	buf[8 * 4 + 2] = 1; /* a budget beyond the size */
	CHECK_EQ(reload(&again, buf, pack.len, S), -EBADMSG);
	buf[8 * 4 + 2] = 0;
	buf[8 * 3 + 2] = 1; /* more burst than was given */
	CHECK_EQ(reload(&again, buf, pack.len, S), -EBADMSG);
}

static int stop(struct og_virtio *virtio)
{
	og_loop_stop(*(struct og_loop **)virtio->device);
	return 0;
}

TEST(the_timer_calls_the_devices_work)
{
	static const struct og_virtio_ops ops = { .name = "test", .n_queues = 1, .work = stop };
	const struct og_limit_config config = { .ops = { 1, 0, 20 } };
	struct og_loop *loop = NULL;
	struct og_ratelimit limit;
	struct og_virtio virtio;
	struct driver d;

	CHECK_OK(og_loop_new(&loop, NULL));
	driver_init(&d, 16);
	CHECK_OK(og_virtio_init(&virtio, &ops, &loop, &d.mem, NULL));
	driver_bring_up(&d, &virtio, 0);
	CHECK_OK(og_ratelimit_init(&limit, &config, loop, &virtio, NULL));
	CHECK(og_ratelimit_take(&limit, 1));
	CHECK(!og_ratelimit_take(&limit, 1));
	CHECK_OK(og_loop_run(loop, NULL)); /* until work() */
	CHECK(og_ratelimit_take(&limit, 1));
	og_ratelimit_done(&limit);
	og_loop_free(loop);
	og_virtio_done(&virtio);
	driver_done(&d);
}

TEST_MAIN(TEST_ENTRY(without_a_size_or_a_time_there_is_no_limit),
	  TEST_ENTRY(a_bucket_begins_full_and_fills_up_evenly),
	  TEST_ENTRY(a_burst_is_given_once_and_first),
	  TEST_ENTRY(a_burst_and_the_bucket_pay_together),
	  TEST_ENTRY(an_operation_larger_than_the_bucket_is_paid_for_afterwards),
	  TEST_ENTRY(what_does_not_take_place_is_given_back),
	  TEST_ENTRY(both_buckets_must_have_enough_or_neither_is_taken_from),
	  TEST_ENTRY(the_rate_is_exact_in_the_long_run),
	  TEST_ENTRY(waiting_as_told_is_enough_and_never_a_spin),
	  TEST_ENTRY(what_is_charged_afterwards_keeps_the_rate),
	  TEST_ENTRY(an_update_replaces_what_it_names),
	  TEST_ENTRY(extremes_neither_wrap_nor_divide_by_zero),
	  TEST_ENTRY(it_is_kept_in_a_snapshot), TEST_ENTRY(the_timer_calls_the_devices_work))
