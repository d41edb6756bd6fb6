/* SPDX-License-Identifier: Apache-2.0 */
#include "format/artifact.h"

#include <errno.h>
#include <stdlib.h>

#include "format/manifest.h"

static int read_blob(const struct og_json *value, struct og_artifact_blob *ret_blob,
		     struct og_err *err)
{
	const char *digest = og_json_string(og_json_get(value, "digest"), "");
	const struct og_json *annotations = og_json_get(value, "annotations");
	uint64_t size = og_json_uint(og_json_get(value, "size"), UINT64_MAX);

	if (og_digest_parse(digest, &ret_blob->digest) < 0)
		return og_fail_plain(err, -EBADMSG, "'%.80s' is no digest", digest);
	if (size > OG_BLOB_BYTES_MAX)
		return og_fail_plain(err, -EBADMSG, "a descriptor without a size");
	if (annotations != NULL && og_json_kind(annotations) != OG_JSON_OBJECT)
		return og_fail_plain(err, -EBADMSG, "annotations are no object");
	ret_blob->size = size;
	ret_blob->media_type = og_json_string(og_json_get(value, "mediaType"), "");
	ret_blob->annotations = annotations;
	return 0;
}

static int read_layers(struct og_artifact *artifact, struct og_err *err)
{
	const struct og_json *layers = og_json_get(artifact->root, "layers");

	if (og_json_kind(layers) != OG_JSON_ARRAY)
		return og_fail_plain(err, -EBADMSG, "it has no layers");
	if (og_json_count(layers) > OG_ARTIFACT_LAYERS_MAX)
		return og_fail_plain(err, -E2BIG, "it has %zu layers, over %d",
				     og_json_count(layers), OG_ARTIFACT_LAYERS_MAX);
	artifact->blobs = calloc(og_json_count(layers) + 1, sizeof(artifact->blobs[0]));
	if (artifact->blobs == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	for (size_t i = 0; i < og_json_count(layers); i++) {
		int r = read_blob(og_json_at(layers, i), &artifact->blobs[i], err);

		if (r < 0)
			return r;
		artifact->count++;
	}
	return 0;
}

static int read_artifact(struct og_artifact *artifact, struct og_err *err)
{
	const struct og_json *root = artifact->root;
	const struct og_json *subject = og_json_get(root, "subject");
	const struct og_json *config = og_json_get(root, "config");
	const char *media_type = og_json_string(og_json_get(root, "mediaType"), "");
	int r;

	if (og_json_kind(root) != OG_JSON_OBJECT ||
	    og_json_int(og_json_get(root, "schemaVersion"), 0) != 2)
		return og_fail_plain(err, -EBADMSG, "its schemaVersion is not 2");
	if (og_json_get(root, "manifests") != NULL ||
	    (media_type[0] != '\0' && og_media_kind(media_type) != OG_MEDIA_MANIFEST))
		return og_fail_plain(err, -EBADMSG, "it is an index or calls itself one");
	artifact->type = og_json_string(og_json_get(root, "artifactType"), "");
	if (artifact->type[0] == '\0')
		artifact->type = og_json_string(og_json_get(config, "mediaType"), "");
	if (subject != NULL) {
		struct og_artifact_blob blob = {};

		r = read_blob(subject, &blob, err);
		if (r < 0)
			return og_fail_in(err, r, "subject");
		artifact->subject = blob.digest;
		artifact->has_subject = true;
	}
	return read_layers(artifact, err);
}

int og_artifact_parse(const char *buf, size_t len, struct og_artifact **ret_artifact,
		      struct og_err *err)
{
	og_cleanup(og_artifact_freep) struct og_artifact *artifact = NULL;
	int r;

	if (len > OG_MANIFEST_BYTES_MAX)
		return og_fail_plain(err, -E2BIG, "manifest: over %u bytes", OG_MANIFEST_BYTES_MAX);
	artifact = calloc(1, sizeof(*artifact));
	if (artifact == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = og_json_parse(buf, len, &artifact->root, err);
	if (r == -EINVAL)
		r = -EBADMSG;
	if (r == 0)
		r = read_artifact(artifact, err);
	if (r < 0)
		return og_fail_in(err, r, "manifest of an artifact");
	*ret_artifact = og_take_ptr(artifact);
	return 0;
}

struct og_artifact *og_artifact_free(struct og_artifact *artifact)
{
	if (artifact == NULL)
		return NULL;
	free(artifact->blobs);
	(void)og_json_free(artifact->root);
	free(artifact);
	return NULL;
}

struct og_json *og_artifact_descriptor(const char *media_type, const struct og_digest *digest,
				       uint64_t size)
{
	struct og_json *object = og_json_new_object();

	og_json_set_string(object, "mediaType", media_type);
	og_json_set_string(object, "digest", og_digest_format(digest).text);
	og_json_set(object, "size", og_json_new_uint(size));
	return object;
}
