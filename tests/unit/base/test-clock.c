/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <errno.h>

#include "base/test.h"

TEST(a_moment_survives_being_written_and_read)
{
	struct timespec moment = { .tv_sec = 1795457045, .tv_nsec = 42 };
	struct timespec again = {};
	char text[OG_CLOCK_TEXT_BYTES];

	og_clock_format(&moment, text);
	CHECK_EQ(strcmp(text, "2026-11-23T18:04:05.000000042Z"), 0);
	CHECK_OK(og_clock_parse(text, &again));
	CHECK_EQ(again.tv_sec, moment.tv_sec);
	CHECK_EQ(again.tv_nsec, moment.tv_nsec);
}

TEST(every_moment_is_written_as_thirty_characters)
{
	static const struct timespec moments[] = {
		{ 0, 0 },	  { 1795457045, 999999999 }, { -62135596800, 0 },
		{ INT64_MAX, 0 }, { INT64_MIN, -1 },	     { 253402300800, 5 },
	};
	char text[OG_CLOCK_TEXT_BYTES];

	for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
		og_clock_format(&moments[i], text);
		CHECK_EQ(strlen(text), 30);
	}
	og_clock_format(&moments[2], text);
	CHECK_EQ(strcmp(text, "0001-01-01T00:00:00.000000000Z"), 0);
}

TEST(offsets_and_short_fractions_are_read)
{
	struct timespec moment = {};

	CHECK_OK(og_clock_parse("2026-11-24T03:04:05.5+09:00", &moment));
	CHECK_EQ(moment.tv_sec, 1795457045);
	CHECK_EQ(moment.tv_nsec, 500000000);
	CHECK_OK(og_clock_parse(OG_CLOCK_NEVER, &moment));
	CHECK(moment.tv_sec < 0);
}

TEST(what_is_no_moment_is_refused)
{
	static const char *const bad[] = { "",
					   "2026",
					   "2026-13-01T00:00:00Z",
					   "2026-11-23T18:04:05",
					   "2026-11-23T18:04:05.Z",
					   "2026-11-23T18:04:05Zx",
					   "2026-11-23T25:04:05Z" };
	struct timespec moment;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_EQ(og_clock_parse(bad[i], &moment), -EINVAL);
}

TEST_MAIN(TEST_ENTRY(a_moment_survives_being_written_and_read),
	  TEST_ENTRY(every_moment_is_written_as_thirty_characters),
	  TEST_ENTRY(offsets_and_short_fractions_are_read),
	  TEST_ENTRY(what_is_no_moment_is_refused))
