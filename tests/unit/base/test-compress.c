/* SPDX-License-Identifier: Apache-2.0 */
#include "base/compress.h"

#include <errno.h>
#include <zlib.h>
#include <zstd.h>

#include "base/test.h"
#include "base/text.h"

#define LARGE_BYTES (5U << 20)

static int collect(void *data, const void *buf, size_t len, struct og_err *err)
{
	(void)err;
	og_text_add_bytes(data, buf, len);
	return 0;
}

static int stop(void *data, const void *buf, size_t len, struct og_err *err)
{
	(void)data;
	(void)buf;
	(void)len;
	return og_fail(err, -EXDEV, "stopped");
}

static int decompress(const struct og_text *in, size_t piece,
		      const struct og_decompress_limits *limits, struct og_text *out,
		      struct og_err *err)
{
	og_cleanup(og_decompress_freep) struct og_decompress *decompress = NULL;

	og_text_clear(out);
	CHECK_OK(og_decompress_new(limits, collect, out, &decompress, NULL));
	for (size_t at = 0; at < in->len; at += piece) {
		int r = og_decompress_feed(decompress, in->buf + at,
					   in->len - at < piece ? in->len - at : piece, err);

		if (r < 0)
			return r;
	}
	return og_decompress_finish(decompress, err);
}

static void add_gzip(struct og_text *out, const void *data, size_t len)
{
	uint8_t *buf = malloc(len + 1000);
	z_stream z = { .next_in = (void *)(uintptr_t)data,
		       .avail_in = (uInt)len,
		       .next_out = buf,
		       .avail_out = (uInt)len + 1000 };

	CHECK(buf != NULL);
	CHECK_EQ(deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	CHECK_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
	og_text_add_bytes(out, buf, z.total_out);
	CHECK_EQ(deflateEnd(&z), Z_OK);
	free(buf);
}

static void add_zstd(struct og_text *out, const void *data, size_t len)
{
	size_t room = ZSTD_compressBound(len), n;
	void *buf = malloc(room);

	CHECK(buf != NULL);
	n = ZSTD_compress(buf, room, data, len, 1);
	CHECK(!ZSTD_isError(n));
	og_text_add_bytes(out, buf, n);
	free(buf);
}

static void add_plain(struct og_text *out, const void *data, size_t len)
{
	og_text_add_bytes(out, data, len);
}

static void (*const adders[])(struct og_text *, const void *, size_t) = {
	add_gzip,
	add_zstd,
	add_plain,
};

/* Bytes that compress somewhat. */
static char *large(void)
{
	char *data = malloc(LARGE_BYTES);
	unsigned int state = 1;

	CHECK(data != NULL);
	for (size_t i = 0; i < LARGE_BYTES; i++) {
		state = state * 1103515245 + 12345;
		data[i] = (char)('a' + (state >> 16) % 20);
	}
	return data;
}

static const struct og_decompress_limits no_limits = {};

TEST(what_was_compressed_comes_back_whatever_pieces_it_comes_in)
{
	static const size_t pieces[] = { 1000, 65536, 300000, LARGE_BYTES };
	og_auto_free char *data = large();

	for (size_t i = 0; i < sizeof(adders) / sizeof(adders[0]); i++) {
		og_auto_text in = {}, out = {};

		adders[i](&in, data, LARGE_BYTES);
		for (size_t j = 0; j < sizeof(pieces) / sizeof(pieces[0]); j++) {
			CHECK_OK(decompress(&in, pieces[j], &no_limits, &out, NULL));
			CHECK_EQ(out.len, LARGE_BYTES);
			CHECK(memcmp(out.buf, data, LARGE_BYTES) == 0);
		}
	}
}

TEST(members_and_frames_make_one_stream_a_byte_at_a_time)
{
	for (size_t i = 0; i < 2; i++) {
		og_auto_text in = {}, out = {};

		adders[i](&in, "one ", 4);
		adders[i](&in, "", 0);
		adders[i](&in, "two", 3);
		CHECK_OK(decompress(&in, 1, &no_limits, &out, NULL));
		CHECK(og_streq(out.buf, "one two"));
	}
}

TEST(a_stream_cut_anywhere_is_refused)
{
	for (size_t i = 0; i < 2; i++) {
		og_auto_text in = {}, out = {};
		size_t whole;

		adders[i](&in, "some text, some text", 20);
		whole = in.len;
		/* Shorter than a magic number it is no stream of that kind. */
		for (in.len = 4; in.len < whole; in.len++)
			CHECK_EQ(decompress(&in, 3, &no_limits, &out, NULL), -EBADMSG);
	}
}

TEST(bytes_behind_the_end_are_refused)
{
	for (size_t i = 0; i < 2; i++) {
		og_auto_text in = {}, out = {};

		adders[i](&in, "text", 4);
		og_text_add_bytes(&in, "\0\0\0\0garbage", 11);
		CHECK_EQ(decompress(&in, in.len, &no_limits, &out, NULL), -EBADMSG);
		CHECK_EQ(decompress(&in, 1, &no_limits, &out, NULL), -EBADMSG);
	}
}

TEST(a_changed_byte_is_refused)
{
	og_auto_text in = {}, out = {};

	add_gzip(&in, "some text, some text", 20);
	in.buf[in.len - 6] ^= 1; /* its checksum */
	CHECK_EQ(decompress(&in, in.len, &no_limits, &out, NULL), -EBADMSG);
}

TEST(limits_hold_for_bytes_and_ratio)
{
	static const struct og_decompress_limits bytes = { .max_bytes = LARGE_BYTES - 1 };
	static const struct og_decompress_limits ratio = { .max_ratio = 100,
							   .ratio_from_bytes = 1 << 20 };
	og_auto_free char *zeros = calloc(1, LARGE_BYTES);

	CHECK(zeros != NULL);
	for (size_t i = 0; i < 2; i++) {
		og_auto_text in = {}, out = {};
		struct og_err err = {};

		adders[i](&in, zeros, LARGE_BYTES);
		CHECK_EQ(decompress(&in, in.len, &bytes, &out, NULL), -EFBIG);
		CHECK_EQ(decompress(&in, in.len, &ratio, &out, &err), -EFBIG);
		CHECK(strstr(err.text, "100 times") != NULL);
		CHECK(out.len <= 2U << 20);
	}
}

TEST(xz_is_named_and_nothing_is_nothing)
{
	og_auto_text in = {}, out = {};
	struct og_err err = {};

	CHECK_OK(decompress(&in, 1, &no_limits, &out, NULL));
	CHECK_EQ(out.len, 0);
	og_text_add_bytes(&in,
			  "\xfd"
			  "7zXZ\0more",
			  10);
	CHECK_EQ(decompress(&in, 1, &no_limits, &out, &err), -EBADMSG);
	CHECK(strstr(err.text, "xz") != NULL);
}

TEST(an_error_of_the_taker_is_handed_on)
{
	og_cleanup(og_decompress_freep) struct og_decompress *decompress = NULL;

	CHECK_OK(og_decompress_new(&no_limits, stop, NULL, &decompress, NULL));
	CHECK_OK(og_decompress_feed(decompress, "plain text", 10, NULL));
	CHECK_EQ(og_decompress_finish(decompress, NULL), -EXDEV);
}

TEST_MAIN(TEST_ENTRY(what_was_compressed_comes_back_whatever_pieces_it_comes_in),
	  TEST_ENTRY(members_and_frames_make_one_stream_a_byte_at_a_time),
	  TEST_ENTRY(a_stream_cut_anywhere_is_refused),
	  TEST_ENTRY(bytes_behind_the_end_are_refused), TEST_ENTRY(a_changed_byte_is_refused),
	  TEST_ENTRY(limits_hold_for_bytes_and_ratio),
	  TEST_ENTRY(xz_is_named_and_nothing_is_nothing),
	  TEST_ENTRY(an_error_of_the_taker_is_handed_on))
