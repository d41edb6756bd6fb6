/* SPDX-License-Identifier: Apache-2.0 */
#include "base/inflate.h"

#include "base/cleanup.h"
#include "base/test.h"

/* zlib.compress(b"a" * 5000) and the same without its frame. */
static const uint8_t zlib_text[] = { 0x78, 0x9c, 0xed, 0xc1, 0x31, 0x01, 0x00, 0x00, 0x00, 0xc2,
				     0xa0, 0xac, 0xeb, 0x5f, 0xc2, 0x14, 0x7e, 0x40, 0x01, 0x00,
				     0x00, 0x00, 0x00, 0x6f, 0x03, 0x4b, 0x6f, 0x66, 0xf2 };

static int inflate(enum og_inflate_kind kind, size_t from, size_t to, size_t max, size_t *len)
{
	og_auto_free char *text = NULL;
	struct og_inflate_source source = { kind, zlib_text + from, to - from, max };
	int r = og_inflate(&source, &text, len, NULL);

	for (size_t i = 0; r == 0 && i < *len; i++)
		CHECK_EQ(text[i], 'a');
	return r;
}

TEST(both_forms_become_what_they_were)
{
	size_t len = 0;

	CHECK_OK(inflate(OG_INFLATE_ZLIB, 0, sizeof(zlib_text), 5000, &len));
	CHECK_EQ(len, 5000);
	CHECK_OK(inflate(OG_INFLATE_RAW, 2, sizeof(zlib_text) - 4, 1U << 20, &len));
	CHECK_EQ(len, 5000);
}

TEST(more_than_the_limit_is_refused)
{
	size_t len = 0;

	CHECK_EQ(inflate(OG_INFLATE_ZLIB, 0, sizeof(zlib_text), 4999, &len), -EFBIG);
	CHECK_EQ(inflate(OG_INFLATE_RAW, 2, sizeof(zlib_text) - 4, 1, &len), -EFBIG);
}

TEST(what_is_damaged_or_cut_short_is_refused)
{
	size_t len = 0;

	for (size_t end = 0; end + 5 < sizeof(zlib_text); end++)
		CHECK_EQ(inflate(OG_INFLATE_ZLIB, 0, end, 5000, &len), -EBADMSG);
	CHECK_EQ(inflate(OG_INFLATE_ZLIB, 2, sizeof(zlib_text), 5000, &len), -EBADMSG);
}

TEST_MAIN(TEST_ENTRY(both_forms_become_what_they_were), TEST_ENTRY(more_than_the_limit_is_refused),
	  TEST_ENTRY(what_is_damaged_or_cut_short_is_refused))
