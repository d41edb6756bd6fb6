/* SPDX-License-Identifier: Apache-2.0 */
#include "format/stdstream.h"

#include <errno.h>

#include "base/test.h"

struct collected {
	char text[4][64];
	size_t len[4];
};

static ptrdiff_t collect(struct collected *to, const uint8_t *buf, size_t len, size_t step)
{
	struct og_stdstream state = {};

	for (size_t at = 0; at < len;) {
		size_t give = len - at < step ? len - at : step;
		struct og_stdstream_part part;
		ptrdiff_t n = og_stdstream_next(&state, buf + at, give, &part);

		if (n < 0)
			return n;
		CHECK(n > 0 && (size_t)n <= give);
		if (part.len > 0)
			memcpy(to->text[part.id] + to->len[part.id], part.content, part.len);
		to->len[part.id] += part.len;
		at += (size_t)n;
	}
	return 0;
}

TEST(frames_come_apart_the_same_however_they_arrive)
{
	uint8_t buf[64];
	size_t len = 0;

	og_stdstream_put(buf, OG_STDOUT, 3);
	memcpy(buf + 8, "hi\n", 3);
	og_stdstream_put(buf + 11, OG_STDERR, 0);
	og_stdstream_put(buf + 19, OG_STDERR, 4);
	memcpy(buf + 27, "oops", 4);
	og_stdstream_put(buf + 31, OG_STDOUT, 1);
	buf[39] = '!';
	len = 40;
	for (size_t step = 1; step <= len; step++) {
		struct collected got = {};

		CHECK_OK(collect(&got, buf, len, step));
		CHECK_EQ(strcmp(got.text[OG_STDOUT], "hi\n!"), 0);
		CHECK_EQ(strcmp(got.text[OG_STDERR], "oops"), 0);
	}
}

TEST(what_is_no_frame_is_refused)
{
	struct collected got = {};

	CHECK_EQ(collect(&got, (const uint8_t *)"HTTP/1.1", 8, 8), -EBADMSG);
	CHECK_EQ(collect(&got, (const uint8_t *)"\1\0\1\0\0\0\0\1", 8, 3), -EBADMSG);
}

TEST_MAIN(TEST_ENTRY(frames_come_apart_the_same_however_they_arrive),
	  TEST_ENTRY(what_is_no_frame_is_refused))
