/* SPDX-License-Identifier: Apache-2.0 */
#include "format/layer_text.h"

#include "base/test.h"

static bool is_text(const char *head)
{
	return og_layer_is_text((const uint8_t *)head, strlen(head));
}

TEST(texts_are_told_from_what_can_be_unpacked)
{
	static const uint8_t zeros[OG_LAYER_HEAD_BYTES];

	CHECK(is_text("{\"critical\":{}}\n"));
	CHECK(is_text("SPDXVersion: SPDX-2.3\r\n\tName: \xc3\xa9"));
	CHECK(!is_text(""));
	CHECK(!is_text("\x1f\x8b\x08"));
	CHECK(!is_text("BZh91AY&SY"));
	CHECK(!is_text("\xfd"
		       "7zXZ"));
	CHECK(!is_text("(\xb5/\xfd"));
	CHECK(!is_text("P*M\x18"));
	CHECK(!og_layer_is_text(zeros, sizeof(zeros)));
	CHECK(!og_layer_is_text((const uint8_t *)"{\"a\":1}", 9));
}

/* An old archive's header needs no byte that JSON has not: a member called '{"a":"...' with a right checksum. */
TEST(a_text_that_is_an_archives_header_is_none)
{
	uint8_t head[OG_LAYER_HEAD_BYTES];
	unsigned sum = 8 * ' ';
	char number[9];

	memset(head, 'a', sizeof(head));
	memcpy(head, "{\"a\":\"", 6);
	memcpy(head + 100, "0000755 0000000 0000000 00000000010 00000000000 ", 48);
	head[156] = '0';
	for (size_t i = 0; i < sizeof(head); i++)
		sum += i < 148 || i >= 156 ? head[i] : 0;
	(void)snprintf(number, sizeof(number), "%07o ", sum);
	memcpy(head + 148, number, 8);
	CHECK(!og_layer_is_text(head, sizeof(head)));
	head[0] = '[';
	CHECK(og_layer_is_text(head, sizeof(head)));
	/* What is shorter than a header has none. */
	head[0] = '{';
	CHECK(og_layer_is_text(head, sizeof(head) - 1));
}

TEST_MAIN(TEST_ENTRY(texts_are_told_from_what_can_be_unpacked),
	  TEST_ENTRY(a_text_that_is_an_archives_header_is_none))
