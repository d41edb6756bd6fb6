/* SPDX-License-Identifier: Apache-2.0 */
/* WWW-Authenticate as a hostile registry may send it. */
#include "format/challenge.h"

#include <stdlib.h>

#include "replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct og_challenge challenge = {};
	struct og_err err = {};
	char text[8192] = "";

	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	if (og_challenge_parse(text, &challenge, &err) == 0 && challenge.bearer &&
	    strpbrk(challenge.realm, "\r\n") != NULL)
		abort();
	return 0;
}
