/* SPDX-License-Identifier: Apache-2.0 */
/* A reference that is taken is, written out, taken for the same again, and names no path upwards. */
#include "format/imageref.h"

#include <stdlib.h>

#include "replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct og_imageref ref, again;
	struct og_imageref_text written;
	struct og_err err = {};
	char text[1024] = "";

	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	(void)og_imageref_is_loopback(text);
	if (og_imageref_parse(text, &ref, &err) < 0)
		return 0;
	written = og_imageref_format(&ref);
	if (og_imageref_parse(written.text, &again, &err) < 0)
		abort();
	if (strcmp(ref.domain, again.domain) != 0 || strcmp(ref.path, again.path) != 0)
		abort();
	if (strstr(ref.path, "..") != NULL || ref.path[0] == '/')
		abort();
	return 0;
}
