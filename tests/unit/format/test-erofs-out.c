/* SPDX-License-Identifier: Apache-2.0 */
#include "format/erofs_out.h"

#include "base/test.h"

/* How far the sink was given bytes. */
static int note_end(void *data, uint64_t offset, const void *buf, size_t len, struct og_err *err)
{
	uint64_t *end = data;

	(void)buf;
	(void)err;
	if (offset + len > *end)
		*end = offset + len;
	return 0;
}

/* Where the buffer is full just then, too: a file must be as long as its super block says. */
TEST(what_is_aligned_is_written_to_its_end)
{
	static const size_t before[] = { 1,
					 4064,
					 4096,
					 OUT_BUF_BYTES - 32,
					 OUT_BUF_BYTES - 1,
					 OUT_BUF_BYTES,
					 OUT_BUF_BYTES + 7 };
	static uint8_t bytes[OUT_BUF_BYTES + 7], buf[OUT_BUF_BYTES];

	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		uint64_t end = 0;
		struct erofs_out out = { .sink = { note_end, &end }, .buf = buf };

		CHECK_OK(erofs_out_put(&out, bytes, before[i], NULL));
		CHECK_OK(erofs_out_align(&out, 4096, NULL));
		CHECK_OK(erofs_out_flush(&out, NULL));
		CHECK_EQ(end, (before[i] + 4095) / 4096 * 4096);
		CHECK_EQ(erofs_out_at(&out), end);
	}
}

TEST_MAIN(TEST_ENTRY(what_is_aligned_is_written_to_its_end))
