/* SPDX-License-Identifier: Apache-2.0 */
/* A request as a server reads it: what its head shows lies within it, and a chunked body ends. */
#include "base/http_head.h"

#include "replay.h"

static void within(const char *text, size_t size, struct og_http_text part)
{
	if (part.at < text || part.len > size || (size_t)(part.at - text) > size - part.len)
		__builtin_trap();
}

static void read_chunks(const char *text, size_t size, size_t step)
{
	struct og_http_chunks chunks = {};

	for (size_t at = 0; at < size && !chunks.done;) {
		size_t give = size - at < step ? size - at : step;
		ptrdiff_t n = og_http_chunks_skip(&chunks, text + at, give);

		if (n < 0)
			return;
		if ((size_t)n > give || (n == 0 && chunks.left == 0))
			__builtin_trap(); /* a reader would turn for ever */
		at += (size_t)n;
		give -= (size_t)n;
		if (give > chunks.left)
			give = (size_t)chunks.left;
		at += give;
		chunks.left -= give;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1;
	struct og_http_text name, value;
	struct og_http_head head;
	ptrdiff_t len;

	if (size < 2)
		return 0;
	size--;
	len = og_http_head_length(text, size, 0);
	if (len <= 0)
		return 0;
	if (og_http_head_start(&head, text, (size_t)len) != NULL)
		return 0;
	within(text, (size_t)len, head.method);
	within(text, (size_t)len, head.target);
	while (og_http_head_next(&head, &name, &value) > 0) {
		within(text, (size_t)len, name);
		within(text, (size_t)len, value);
	}
	read_chunks(text + len, size - (size_t)len, data[0] + 1U);
	return 0;
}
