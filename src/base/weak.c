/* SPDX-License-Identifier: Apache-2.0 */
#include "base/weak.h"

#include <stdlib.h>
#include <string.h>

bool og_weak(const char *name)
{
	const char *list = getenv("ONGGI_WEAKEN");
	size_t len = strlen(name);

	while (list != NULL && *list != '\0') {
		size_t word = strcspn(list, ",");

		if (word == len && strncmp(list, name, len) == 0)
			return true;
		list += word + (list[word] == ',' ? 1 : 0);
	}
	return false;
}
