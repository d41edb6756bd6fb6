/* SPDX-License-Identifier: Apache-2.0 */
/* What is read and written is read again as the same, and whatever is refused has a reason. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	og_cleanup(og_json_freep) struct og_json *again = NULL;
	og_auto_free char *text = NULL;
	og_auto_free char *pretty = NULL;
	og_auto_free char *last = NULL;
	char path[OG_JSON_PATH_MAX];
	struct og_err err = {};

	og_json_place((const char *)data, size, path, sizeof(path));
	if (og_json_parse((const char *)data, size, &root, &err) < 0) {
		if (err.text[0] == '\0')
			abort();
		return 0;
	}
	text = og_json_write(root);
	pretty = og_json_write_pretty(root);
	if (og_json_parse(pretty, strlen(pretty), &again, NULL) < 0)
		abort();
	last = og_json_write(again);
	if (strcmp(text, last) != 0)
		abort();
	return 0;
}
