/* SPDX-License-Identifier: Apache-2.0 */
/* A part that is answered lies within the blob; a chunk that is taken has an end. */
#include "format/http_range.h"

#include <stdlib.h>

#include "replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t sizes[] = { 0, 1, 1000, UINT64_MAX };
	uint64_t first, len;
	char text[4096] = "";

	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		enum og_range_kind kind = og_http_range(text, sizes[i], &first, &len);

		if (kind == OG_RANGE_WHOLE && (first != 0 || len != sizes[i]))
			abort();
		if (kind == OG_RANGE_PART &&
		    (len == 0 || first >= sizes[i] || len > sizes[i] - first))
			abort();
	}
	if (og_upload_range_parse(text, &first, &len) == 0 && (len < first || len >= INT64_MAX))
		abort();
	return 0;
}
