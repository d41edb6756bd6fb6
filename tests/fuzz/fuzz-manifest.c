/* SPDX-License-Identifier: Apache-2.0 */
/* The first line of an input is the Content-Type, the rest the document. */
#include "format/manifest.h"

#include <stdlib.h>

#include "replay.h"

static void walk(const struct og_manifest *manifest)
{
	const struct og_descriptor *chosen = og_manifest_choose(manifest, "linux", "amd64", "");

	if (chosen != NULL && !manifest->is_index && chosen->kind == OG_MEDIA_LAYER)
		abort();
	for (size_t i = 0; i < manifest->count; i++)
		if (manifest->items[i].size > OG_BLOB_BYTES_MAX ||
		    manifest->items[i].media_type == NULL)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	og_cleanup(og_manifest_freep) struct og_manifest *manifest = NULL;
	const uint8_t *line = size > 0 ? memchr(data, '\n', size) : NULL;
	size_t type_len = line != NULL ? (size_t)(line - data) : 0;
	struct og_err err = {};
	char came_as[256] = "";

	if (line == NULL || type_len >= sizeof(came_as))
		return 0;
	memcpy(came_as, data, type_len);
	size -= type_len + 1;
	if (og_manifest_parse((const char *)line + 1, size, came_as, &manifest, &err) == 0)
		walk(manifest);
	return 0;
}
