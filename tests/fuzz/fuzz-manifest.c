/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first line of an input is the Content-Type, the rest the document. What is taken for a manifest
 * has digests that are digests, and is of one kind alone; what is taken for an image is within its limits.
 */
#include "format/manifest.h"

#include <stdlib.h>

#include "replay.h"

static void check_descriptor(const struct og_descriptor *descriptor)
{
	struct og_blob_digest digest;

	if (og_blob_digest_parse(descriptor->digest.text, &digest) < 0 ||
	    descriptor->size > INT64_MAX || strlen(descriptor->media_type) >= OG_MEDIA_TYPE_MAX ||
	    descriptor->os == NULL || descriptor->architecture == NULL)
		abort();
}

static void check_image(const struct og_manifest *image)
{
	const struct og_descriptor *chosen = og_manifest_choose(image, "linux", "amd64", "");

	if ((chosen != NULL && !image->is_index) || image->is_index == image->has_config)
		abort();
	for (size_t i = 0; i < image->count; i++)
		if (image->items[i].size > OG_BLOB_BYTES_MAX ||
		    strcmp(og_digest_format(&image->items[i].sha256).text,
			   image->items[i].digest.text) != 0)
			abort();
}

static void try_as(const char *buf, size_t len, const char *media_type)
{
	og_cleanup(og_manifest_freep) struct og_manifest *manifest = NULL, *image = NULL;
	struct og_err err = {};

	if (og_manifest_parse_image(buf, len, media_type, &image, NULL) == 0)
		check_image(image);
	if (og_manifest_parse(buf, len, media_type, &manifest, &err) < 0) {
		if (err.text[0] == '\0' || image != NULL)
			abort();
		return;
	}
	if (manifest->is_index && manifest->has_config)
		abort();
	if (manifest->has_config)
		check_descriptor(&manifest->config);
	if (manifest->has_subject)
		check_descriptor(&manifest->subject);
	for (size_t i = 0; i < manifest->count; i++)
		check_descriptor(&manifest->items[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *line = size > 0 ? memchr(data, '\n', size) : NULL;
	size_t type_len = line != NULL ? (size_t)(line - data) : 0;
	char came_as[256] = "";

	if (line == NULL || type_len >= sizeof(came_as))
		return 0;
	memcpy(came_as, data, type_len);
	size -= type_len + 1;
	try_as((const char *)line + 1, size, came_as);
	try_as((const char *)line + 1, size, NULL);
	try_as((const char *)line + 1, size, OG_MEDIA_OCI_ARTIFACT);
	return 0;
}
