/* SPDX-License-Identifier: Apache-2.0 */
#include "format/secrets.h"

#include "packages.h"
#include "replay.h"

static int see(void *data, const struct og_secret *secret, struct og_err *err)
{
	(void)data;
	(void)err;
	if (secret->line == 0 || secret->text.len == 0)
		abort();
	see_span(secret->text);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { ".netrc",		 ".npmrc",
					     ".pypirc",		 ".docker/config.json",
					     ".git-credentials", "app/.env" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)og_secrets_read(names[i], (const char *)data, size, see, NULL, NULL);
	return 0;
}
