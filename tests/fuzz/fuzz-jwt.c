/* SPDX-License-Identifier: Apache-2.0 */
/* A token as a stranger may send it. */
#include "format/jwt.h"

#include <stdlib.h>
#include <string.h>

#include "replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct og_jwt_access access;
	struct og_jwt jwt = {};
	struct og_err err = {};

	if (og_jwt_parse((const char *)data, size, &jwt, &err) < 0) {
		if (err.text[0] == '\0')
			abort();
		return 0;
	}
	if (jwt.signed_len >= size || jwt.exp <= 0 || strchr(jwt.kid, '/') != NULL)
		abort();
	for (size_t i = 0; og_jwt_access_at(&jwt, i, &access); i++)
		(void)og_jwt_allows(&access, "pull");
	(void)og_jwt_check(&jwt, "issuer", "registry", 1800000000, &err);
	og_jwt_done(&jwt);
	return 0;
}
