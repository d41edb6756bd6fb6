/* SPDX-License-Identifier: Apache-2.0 */
/* What is taken for a manifest has digests that are digests, and is of one kind alone. */
#include "format/oci_document.h"

#include <stdlib.h>

#include "replay.h"

static void check_descriptor(const struct og_oci_descriptor *descriptor)
{
	struct og_blob_digest digest;

	if (og_blob_digest_parse(descriptor->digest.text, &digest) < 0 ||
	    descriptor->size > INT64_MAX || strlen(descriptor->media_type) >= OG_OCI_MEDIA_TYPE_MAX)
		abort();
}

static void try_as(const uint8_t *data, size_t size, const char *media_type)
{
	og_cleanup(og_oci_document_freep) struct og_oci_document *document = NULL;
	struct og_err err = {};

	if (og_oci_document_parse((const char *)data, size, media_type, &document, &err) < 0) {
		if (err.text[0] == '\0')
			abort();
		return;
	}
	if (document->is_index && document->has_config)
		abort();
	if (document->has_config)
		check_descriptor(&document->config);
	if (document->has_subject)
		check_descriptor(&document->subject);
	for (size_t i = 0; i < document->count; i++)
		check_descriptor(&document->items[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_as(data, size, NULL);
	try_as(data, size, "application/vnd.oci.image.manifest.v1+json");
	try_as(data, size, OG_MEDIA_OCI_ARTIFACT);
	return 0;
}
