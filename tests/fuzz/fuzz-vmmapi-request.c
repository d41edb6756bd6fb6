/* SPDX-License-Identifier: Apache-2.0 */
/* Whole requests, one after the other, on an API with nothing behind it and no files to open. */
#include <errno.h>

#include "vmmapi/http.h"
#include "vmmapi/vmmapi.h"

#include "replay.h"

static int start(void *data, struct og_vmmapi *api, struct og_err *err)
{
	(void)data;
	(void)api;
	return og_fail(err, -ENOSYS, "start");
}

static const struct og_vmmapi_ops ops = { .start = start };

static size_t one(struct og_vmmapi *api, const char *text, size_t size)
{
	struct og_http_request request;
	struct og_http_refusal refusal;
	struct og_api_reply reply;
	ptrdiff_t head = og_http_parse(text, size, &request, NULL, 0, &refusal);

	/* Names of files are for others to try. */
	if (head <= 0 || request.content_length > size - (size_t)head ||
	    memmem(text, size, "path", 4) != NULL)
		return 0;
	og_vmmapi_request(api, &request, text + head, &reply);
	if (reply.status < 200 || (reply.status == 204) != (reply.body == NULL))
		__builtin_trap();
	free(reply.body);
	return (size_t)head + (size_t)request.content_length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct og_vmmapi api;
	const char *text = (const char *)data;
	size_t n;

	memset(&api, 0, sizeof(api));
	og_vmmapi_init(&api, &ops, NULL);
	while (size > 0 && (n = one(&api, text, size)) > 0) {
		text += n;
		size -= n;
	}
	og_vmmapi_done(&api);
	return 0;
}
