/* SPDX-License-Identifier: Apache-2.0 */
#include "format/jar.h"

#include "packages.h"
#include "replay.h"

static int see(void *data, const struct og_package_entry *entry, const char *place,
	       struct og_err *err)
{
	see_span(og_span_of(place));
	return see_package(data, entry, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct og_memory memory = { data, size };
	struct og_bytes bytes = og_bytes_of_memory(&memory);

	(void)og_jar_read(&bytes, "a/b-1.jar", see, NULL, NULL);
	return 0;
}
