/* SPDX-License-Identifier: Apache-2.0 */
/* An answer of a daemon: head, body in pieces whose size the first byte chooses, stream frames. */
#include "format/http1.h"
#include "format/stdstream.h"

#include "replay.h"

static void read_frames(struct og_stdstream *frames, const char *part, size_t len)
{
	for (size_t at = 0; at < len;) {
		struct og_stdstream_part content;
		ptrdiff_t n =
			og_stdstream_next(frames, (const uint8_t *)part + at, len - at, &content);

		if (n <= 0)
			return;
		at += (size_t)n;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct og_stdstream frames = {};
	struct og_http1_head head;
	struct og_http1_body body;
	const char *text = (const char *)data + 1;
	size_t step = size > 0 ? data[0] + 1U : 1;
	ptrdiff_t at;

	if (size < 2)
		return 0;
	at = og_http1_parse_head(text, size - 1, &head);
	if (at <= 0)
		return 0;
	og_http1_body_start(&body, &head, false);
	while ((size_t)at < size - 1 && !body.done) {
		size_t left = size - 1 - (size_t)at;
		const char *part;
		size_t part_len;
		ptrdiff_t n = og_http1_body_next(&body, text + at, left < step ? left : step, &part,
						 &part_len);

		if (n < 0)
			return 0;
		if (n == 0 && !body.done)
			__builtin_trap(); /* a reader would turn for ever */
		read_frames(&frames, part, part_len);
		at += n;
	}
	(void)og_http1_body_close(&body);
	return 0;
}
