/* SPDX-License-Identifier: Apache-2.0 */
#include "format/http_range.h"

#include <errno.h>

#include "base/test.h"

#define SIZE 1000

static void check(const char *header, enum og_range_kind kind, uint64_t first, uint64_t len)
{
	uint64_t got_first, got_len;

	CHECK_EQ(og_http_range(header, SIZE, &got_first, &got_len), kind);
	if (kind != OG_RANGE_NONE) {
		CHECK_EQ(got_first, first);
		CHECK_EQ(got_len, len);
	}
}

TEST(one_range_is_a_part)
{
	check("bytes=0-99", OG_RANGE_PART, 0, 100);
	check("bytes=999-", OG_RANGE_PART, 999, 1);
	check("bytes=5-99999999999999999999999", OG_RANGE_PART, 5, 995);
	check("bytes=-1", OG_RANGE_PART, 999, 1);
	check("bytes=-5000", OG_RANGE_PART, 0, SIZE);
	check("Bytes= 1-2 ", OG_RANGE_PART, 1, 2);
}

TEST(what_lies_behind_the_end_is_none)
{
	check("bytes=1000-", OG_RANGE_NONE, 0, 0);
	check("bytes=-0", OG_RANGE_NONE, 0, 0);
	check("bytes=99999999999999999999999-", OG_RANGE_NONE, 0, 0);
}

TEST(all_else_is_the_whole)
{
	static const char *const headers[] = {
		"",	      "bytes",	    "bytes=",	     "bytes=-",	    "bytes=a-b",
		"bytes=5-4",  "bytes=1-2,", "bytes=1-2,4-5", "lines=1-2",   "bytes=--1",
		"bytes=1-2x", "bytes 1-2",  "bytes=1-+2",    "bytes=0x1-2", "bytes=1"
	};

	check(NULL, OG_RANGE_WHOLE, 0, SIZE);
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		check(headers[i], OG_RANGE_WHOLE, 0, SIZE);
}

TEST(a_chunks_place_is_two_numbers)
{
	static const char *const bad[] = { "",
					   "-",
					   "1",
					   "1-",
					   "-1",
					   "2-1",
					   "0-1/2",
					   "a-b",
					   "0-1 ",
					   " 0-1",
					   "+0-1",
					   "0--1",
					   "0-9223372036854775807",
					   "0-99999999999999999999" };
	uint64_t first = 7, last = 7;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_EQ(og_upload_range_parse(bad[i], &first, &last), -EINVAL);
	CHECK_EQ(first, 7);
	CHECK_OK(og_upload_range_parse("10-20", &first, &last));
	CHECK_EQ(first, 10);
	CHECK_EQ(last, 20);
}

TEST_MAIN(TEST_ENTRY(one_range_is_a_part), TEST_ENTRY(what_lies_behind_the_end_is_none),
	  TEST_ENTRY(all_else_is_the_whole), TEST_ENTRY(a_chunks_place_is_two_numbers))
