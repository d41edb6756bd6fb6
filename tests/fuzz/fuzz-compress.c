/* SPDX-License-Identifier: Apache-2.0 */
/* The decompressor, in pieces whose size the first byte says: never more than it was allowed. */
#include "base/compress.h"

#include <stdlib.h>

#include "replay.h"

#define MAX_BYTES (4U << 20)

static int count(void *data, const void *buf, size_t len, struct og_err *err)
{
	uint64_t *total = data;
	const volatile uint8_t *bytes = buf;

	(void)err;
	if (len == 0)
		abort();
	(void)bytes[0];
	(void)bytes[len - 1];
	*total += len;
	if (*total > MAX_BYTES)
		abort();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct og_decompress_limits limits = { MAX_BYTES, 0, 0 };
	struct og_decompress *decompress;
	size_t piece = size > 0 && data[0] != 0 ? data[0] : 65536;
	uint64_t total = 0;
	int r = 0;

	if (og_decompress_new(&limits, count, &total, &decompress, NULL) < 0)
		return 0;
	for (size_t at = 1; r == 0 && at < size; at += piece)
		r = og_decompress_feed(decompress, data + at, size - at < piece ? size - at : piece,
				       NULL);
	if (r == 0)
		(void)og_decompress_finish(decompress, NULL);
	og_decompress_free(decompress);
	return 0;
}
