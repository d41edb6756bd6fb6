/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration; where it is none, its text is tried as a change. */
#include "format/imageconfig.h"

#include <stdlib.h>

#include "replay.h"

static void try_change(const uint8_t *data, size_t size)
{
	og_cleanup(og_json_freep) struct og_json *config = og_json_new_object();
	struct og_err err = {};
	char text[4096] = "";

	if (size >= sizeof(text))
		return;
	memcpy(text, data, size);
	(void)og_imageconfig_change(config, text, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	og_cleanup(og_imageconfig_freep) struct og_imageconfig *config = NULL;
	struct og_err err = {};

	if (og_imageconfig_parse((const char *)data, size, &config, &err) < 0)
		try_change(data, size);
	else if (config->os == NULL || config->layer_count > OG_MANIFEST_LAYERS_MAX)
		abort();
	return 0;
}
