/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever is taken for a config.json holds what the rest of the runtime relies on. */
#include "format/oci_config.h"

#include <stdlib.h>
#include <string.h>

#include "replay.h"

static void check_strings(const struct og_oci_strings *list)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i] == NULL)
			abort();
	}
	if (list->items != NULL && list->items[list->count] != NULL)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	og_cleanup(og_oci_config_freep) struct og_oci_config *config = NULL;
	og_cleanup(og_oci_config_freep) struct og_oci_config *process = NULL;
	struct og_err err = {};

	if (og_oci_process_parse((const char *)data, size, &process, &err) < 0 &&
	    err.text[0] == '\0')
		abort();
	err = (struct og_err){};
	if (og_oci_config_parse((const char *)data, size, &config, &err) < 0) {
		if (err.text[0] == '\0')
			abort();
		return 0;
	}
	for (size_t i = 0; i < config->mounts.count; i++) {
		if (config->mounts.items[i].destination[0] != '/')
			abort();
		check_strings(&config->mounts.items[i].options);
	}
	if (config->process.set) {
		if (config->process.args.count == 0 || config->process.cwd[0] != '/')
			abort();
		check_strings(&config->process.args);
		check_strings(&config->process.env);
	}
	return 0;
}
