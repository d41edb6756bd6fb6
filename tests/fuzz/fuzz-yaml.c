/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration file of anybody: read, or refused with a line. */
#include "base/yaml.h"

#include <stdlib.h>

#include "replay.h"

static void walk(const struct og_yaml *yaml, const struct og_json *value)
{
	struct og_json_member member = {};

	while (og_json_next(value, &member)) {
		if (og_yaml_line(yaml, value, member.key) == 0)
			abort();
		walk(yaml, member.value);
	}
	for (size_t i = 0; i < og_json_count(value); i++)
		if (og_json_kind(value) == OG_JSON_ARRAY)
			walk(yaml, og_json_at(value, i));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct og_yaml *yaml = NULL;
	struct og_err err = {};

	/* Where a key stands is looked for from the start: larger texts would only be slow. */
	if (size > 16384)
		return 0;
	if (og_yaml_parse((const char *)data, size, &yaml, &err) < 0) {
		if (err.text[0] == '\0')
			abort();
		return 0;
	}
	walk(yaml, og_yaml_root(yaml));
	og_yaml_free(yaml);
	return 0;
}
