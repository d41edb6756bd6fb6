/* SPDX-License-Identifier: Apache-2.0 */
/* What is taken for Landlock rules restricts something, and no rule grants what nothing restricts. */
#include "format/landlock.h"

#include <stdlib.h>
#include <string.h>

#include "replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	og_cleanup(og_landlock_freep) struct og_landlock *landlock = NULL;
	struct og_err err = {};

	if (og_landlock_parse((const char *)data, size, &landlock, &err) < 0) {
		if (err.text[0] == '\0' || strchr(err.text, '\n') != NULL)
			abort();
		return 0;
	}
	if (landlock->restricted == 0 && landlock->scope == 0 && landlock->bind.items == NULL &&
	    landlock->connect.items == NULL)
		abort();
	for (size_t i = 0; i < landlock->paths.count; i++) {
		const struct og_landlock_path *path = &landlock->paths.items[i];

		if (path->path[0] != '/' || path->access == 0 ||
		    (path->access & ~landlock->restricted) != 0 ||
		    og_landlock_word(path->access) == NULL)
			abort();
	}
	for (size_t i = 0; i < landlock->bind.count; i++) {
		if (landlock->bind.items[i] > UINT16_MAX)
			abort();
	}
	return 0;
}
