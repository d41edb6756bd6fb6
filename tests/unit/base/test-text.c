/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/test.h"

TEST(text_grows_and_is_handed_over)
{
	og_auto_text text = {};
	og_auto_free char *taken = NULL;

	for (int i = 0; i < 1000; i++)
		og_text_addf(&text, "%d,", i % 10);
	CHECK_EQ(text.len, 2000);
	taken = og_text_take(&text);
	CHECK_EQ(strlen(taken), 2000);
	CHECK(text.buf == NULL);
}

/* Wherever the room ends: what does not fit at once is written again, whole. */
TEST(what_is_formatted_is_whole_at_every_length)
{
	for (int before = 0; before < 140; before++) {
		for (int len = 0; len < 140; len++) {
			og_auto_text text = {};
			char expected[300];

			(void)snprintf(expected, sizeof(expected), "%*s%*s", before, "a", len, "b");
			og_text_addf(&text, "%*s", before, "a");
			og_text_addf(&text, "%*s", len, "b");
			CHECK_EQ(text.len, strlen(expected));
			CHECK(og_streq(text.buf, expected));
			CHECK(!text.failed);
		}
	}
}

TEST(the_front_of_a_text_is_cut_off)
{
	og_auto_text text = {};

	og_text_cut(&text, 0);
	og_text_add(&text, "front and back");
	og_text_cut(&text, 10);
	CHECK(og_streq(text.buf, "back"));
	CHECK_EQ(text.len, 4);
	og_text_cut(&text, 4);
	CHECK(og_streq(text.buf, ""));
}

TEST(numbers_are_read_whole_or_not_at_all)
{
	uint64_t u = 5;
	int64_t i = 5;

	CHECK_OK(og_parse_u64("18446744073709551615", 0, UINT64_MAX, &u));
	CHECK(u == UINT64_MAX);
	CHECK_EQ(og_parse_u64("18446744073709551616", 0, UINT64_MAX, &u), -ERANGE);
	CHECK_EQ(og_parse_u64("-1", 0, UINT64_MAX, &u), -EINVAL);
	CHECK_EQ(og_parse_u64(" 1", 0, 9, &u), -EINVAL);
	CHECK_EQ(og_parse_u64("0x1", 0, 9, &u), -EINVAL);
	CHECK_EQ(og_parse_u64("", 0, 9, &u), -EINVAL);
	CHECK_OK(og_parse_i64("-7", -9, 9, &i));
	CHECK_EQ(i, -7);
	CHECK_EQ(og_parse_i64("-", -9, 9, &i), -EINVAL);
}

TEST_MAIN(TEST_ENTRY(text_grows_and_is_handed_over),
	  TEST_ENTRY(what_is_formatted_is_whole_at_every_length),
	  TEST_ENTRY(the_front_of_a_text_is_cut_off),
	  TEST_ENTRY(numbers_are_read_whole_or_not_at_all))
