/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's message, judged; what it is told to consist of is read to the last byte. */
#include "replay.h"

#include <stdlib.h>
#include <string.h>

#include "vmm/fs/message.h"

static uint64_t sum(const void *bytes, size_t len)
{
	uint64_t total = 0;

	for (size_t i = 0; i < len; i++)
		total += ((const uint8_t *)bytes)[i];
	return total;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct og_fuse_request request;
	struct fuse_init_out out;
	volatile uint64_t total = 0;

	if (og_fuse_parse(data, size, &request) < 0)
		return 0;
	for (unsigned i = 0; i < 2; i++)
		if (request.names[i] != NULL)
			total += strlen(request.names[i]);
	total += sum(request.data, request.data_bytes);
	if (request.header.opcode == FUSE_LOOKUP && strchr(request.names[0], '/') != NULL)
		abort();
	if (request.header.opcode == FUSE_INIT && og_fuse_answer_init(request.arg, &out) == 0 &&
	    out.max_write != OG_FUSE_DATA_MAX)
		abort();
	return 0;
}
