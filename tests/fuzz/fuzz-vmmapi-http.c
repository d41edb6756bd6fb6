/* SPDX-License-Identifier: Apache-2.0 */
/* A request's head: what it shows lies within what came. */
#include "vmmapi/http.h"

#include "replay.h"

static void within(const char *text, size_t size, const char *at, size_t len)
{
	if (at < text || len > size || (size_t)(at - text) > size - len)
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct og_http_header headers[] = { { .name = "accept" }, { .name = "x-metadata-token" } };
	struct og_http_request request;
	struct og_http_refusal refusal = {};
	const char *text = (const char *)data;
	ptrdiff_t n = og_http_parse(text, size, &request, headers, 2, &refusal);

	if (n < 0 && (refusal.status < 400 || refusal.text == NULL))
		__builtin_trap();
	if (n <= 0)
		return 0;
	within(text, (size_t)n, request.path, request.path_len);
	within(text, (size_t)n, request.method_text, request.method_len);
	if (request.path_len == 0 || request.path[0] != '/')
		__builtin_trap();
	for (size_t i = 0; i < 2; i++)
		if (headers[i].value != NULL)
			within(text, (size_t)n, headers[i].value, headers[i].len);
	return 0;
}
