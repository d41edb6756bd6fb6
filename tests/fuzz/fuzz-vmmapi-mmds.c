/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's request for metadata, behind a first byte that chooses version and format, and behind
 * the data itself, up to the first NUL: also data that no writer of ours made.
 */
#include "vmmapi/mmds.h"

#include "replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1;
	const char *end = size < 2 ? NULL : memchr(text, '\0', size - 1);
	struct og_mmds mmds = { .text = text };
	struct og_mmds_outcome outcome;
	size_t len, room, n;
	char *answer;

	if (end == NULL)
		return 0;
	mmds.len = (size_t)(end - text);
	mmds.v2 = (data[0] & 1) != 0;
	mmds.imds_compat = (data[0] & 2) != 0;
	len = size - 2 - mmds.len;
	room = (data[0] & 4) != 0 ? og_mmds_answer_max(mmds.len) : data[0];
	answer = malloc(room + 1);
	if (answer == NULL)
		return 0;
	n = og_mmds_respond(&mmds, end + 1, len, 1000, 1, answer, room, &outcome);
	if (n > room || outcome.taken > len)
		__builtin_trap();
	free(answer);
	return 0;
}
