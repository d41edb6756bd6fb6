/* SPDX-License-Identifier: Apache-2.0 */
#include "image/relay.h"

#include "base/test.h"

/* Checks that bytes come in order, and fails from @fail_at on. */
struct taker {
	uint64_t taken, fail_at;
	int calls_after;
};

static int take(void *data, const void *buf, size_t len, struct og_err *err)
{
	struct taker *taker = data;
	const uint8_t *bytes = buf;

	if (taker->taken >= taker->fail_at) {
		taker->calls_after++;
		return og_fail_plain(err, -ENOSPC, "the jar is full");
	}
	for (size_t i = 0; i < len; i++)
		CHECK_EQ(bytes[i], (uint8_t)(taker->taken + i));
	taker->taken += len;
	return 0;
}

/* Pushes @total counted bytes in pieces of @piece. */
static int push(struct og_relay *relay, uint64_t total, size_t piece, struct og_err *err)
{
	uint8_t buf[100000];
	int r = 0;

	for (uint64_t at = 0; at < total && r == 0; at += piece) {
		for (size_t i = 0; i < piece; i++)
			buf[i] = (uint8_t)(at + i);
		r = og_relay_push(relay, buf, piece, err);
	}
	return r;
}

TEST(bytes_arrive_whole_and_in_order)
{
	static const size_t pieces[] = { 1, 1000, 65536, 100000 };

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		og_cleanup(og_relay_freep) struct og_relay *relay = NULL;
		struct taker taker = { .fail_at = UINT64_MAX };
		uint64_t total = pieces[i] == 1 ? 700000 : pieces[i] * 90;

		CHECK_OK(og_relay_new(take, &taker, &relay, NULL));
		CHECK_OK(push(relay, total, pieces[i], NULL));
		CHECK_OK(og_relay_finish(relay, NULL));
		CHECK_EQ(taker.taken, total);
	}
}

TEST(a_failure_comes_back_with_its_text_and_ends_the_taking)
{
	og_cleanup(og_relay_freep) struct og_relay *relay = NULL;
	struct taker taker = { .fail_at = 1 << 20 };
	struct og_err err = {};
	int r;

	CHECK_OK(og_relay_new(take, &taker, &relay, NULL));
	r = push(relay, 64 << 20, 65536, &err);
	CHECK_EQ(r, -ENOSPC);
	CHECK(strcmp(err.text, "the jar is full") == 0);
	relay = og_relay_free(relay);
	CHECK_EQ(taker.calls_after, 1);
}

TEST(a_failure_of_the_last_bytes_is_told_at_the_end)
{
	og_cleanup(og_relay_freep) struct og_relay *relay = NULL;
	struct taker taker = {};
	struct og_err err = {};

	CHECK_OK(og_relay_new(take, &taker, &relay, NULL));
	CHECK_OK(push(relay, 100, 100, NULL));
	CHECK_EQ(og_relay_finish(relay, &err), -ENOSPC);
	CHECK(strcmp(err.text, "the jar is full") == 0);
}

TEST(it_can_be_dropped_at_any_time)
{
	for (uint64_t total = 0; total < 3 << 20; total += 100000) {
		og_cleanup(og_relay_freep) struct og_relay *relay = NULL;
		struct taker taker = { .fail_at = UINT64_MAX };

		CHECK_OK(og_relay_new(take, &taker, &relay, NULL));
		CHECK_OK(push(relay, total, 100000, NULL));
	}
}

TEST_MAIN(TEST_ENTRY(bytes_arrive_whole_and_in_order),
	  TEST_ENTRY(a_failure_comes_back_with_its_text_and_ends_the_taking),
	  TEST_ENTRY(a_failure_of_the_last_bytes_is_told_at_the_end),
	  TEST_ENTRY(it_can_be_dropped_at_any_time))
