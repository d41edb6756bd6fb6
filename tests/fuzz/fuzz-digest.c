/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever is taken for a digest is written back as the same text. */
#include "base/digest.h"

#include <stdlib.h>

#include "replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct og_digest digest;
	char text[128] = "";

	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	if (og_digest_parse(text, &digest) == 0 &&
	    strcmp(og_digest_format(&digest).text, text) != 0)
		abort();
	return 0;
}
