/* SPDX-License-Identifier: Apache-2.0 */
#include "format/oci_document.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "format/manifest.h"

/* What a document is: by its media type, and by its members. They must agree. */
enum shape {
	SHAPE_UNKNOWN,
	SHAPE_IMAGE,	/* config, layers */
	SHAPE_INDEX,	/* manifests */
	SHAPE_ARTIFACT, /* blobs */
};

static const struct {
	const char *media_type;
	enum shape shape;
} served[] = {
	{ OG_MEDIA_OCI_MANIFEST, SHAPE_IMAGE },	   { OG_MEDIA_OCI_INDEX, SHAPE_INDEX },
	{ OG_MEDIA_DOCKER_MANIFEST, SHAPE_IMAGE }, { OG_MEDIA_DOCKER_LIST, SHAPE_INDEX },
	{ OG_MEDIA_OCI_ARTIFACT, SHAPE_ARTIFACT },
};

/* A text that goes into headers and lists: short, and one line. */
static int opt_type(const struct og_json *json, const char *key, const char **ret_text,
		    struct og_err *err)
{
	const char *text = "";

	if (og_json_opt_string(json, key, &text, err) < 0)
		return -EBADMSG;
	if (strlen(text) >= OG_OCI_MEDIA_TYPE_MAX)
		return og_fail_plain(err, -E2BIG, "%s is over %d bytes", key,
				     OG_OCI_MEDIA_TYPE_MAX - 1);
	for (const char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return og_fail_plain(err, -EBADMSG, "%s has control characters", key);
	*ret_text = text;
	return 0;
}

static int parse_digest(const char *text, struct og_blob_digest *ret_digest, struct og_err *err)
{
	int r = og_blob_digest_parse(text, ret_digest);

	if (r == -ENOTSUP)
		return og_fail_plain(err, r, "digest '%.40s': only sha256 and sha512 are served",
				     text);
	if (r < 0)
		return og_fail_plain(err, -EBADMSG,
				     "bad digest '%.80s': wanted sha256: or sha512: and lower-case "
				     "hexadecimal digits",
				     text);
	return 0;
}

static bool lies_elsewhere(const struct og_json *json, const char *media_type)
{
	const struct og_json *urls = og_json_get(json, "urls");

	return og_media_kind(media_type) == OG_MEDIA_FOREIGN_LAYER ||
	       (og_json_kind(urls) == OG_JSON_ARRAY && og_json_count(urls) > 0);
}

static int parse_descriptor(const struct og_json *json, struct og_oci_descriptor *ret_descriptor,
			    struct og_err *err)
{
	struct og_oci_descriptor descriptor = { .media_type = "" };
	const char *digest = "";
	int64_t size = -1;
	int r;

	if (og_json_kind(json) != OG_JSON_OBJECT)
		return og_fail_plain(err, -EBADMSG, "a descriptor is no object");
	r = opt_type(json, "mediaType", &descriptor.media_type, err);
	if (r < 0)
		return r;
	if (og_json_opt_string(json, "digest", &digest, err) < 0 ||
	    og_json_opt_int(json, "size", 0, INT64_MAX, &size, err) < 0)
		return -EBADMSG;
	if (size < 0)
		return og_fail_plain(err, -EBADMSG, "a descriptor has no size");
	r = parse_digest(digest, &descriptor.digest, err);
	if (r == 0)
		r = og_manifest_annotations(json, NULL, err);
	if (r < 0)
		return r;
	descriptor.size = (uint64_t)size;
	descriptor.elsewhere = lies_elsewhere(json, descriptor.media_type);
	*ret_descriptor = descriptor;
	return 0;
}

static int parse_items(const struct og_json *root, const char *key,
		       struct og_oci_document *document, struct og_err *err)
{
	struct og_json *array = NULL;
	size_t count;

	if (og_json_opt_array(root, key, &array, err) < 0)
		return -EBADMSG;
	count = og_json_count(array);
	if (count > OG_OCI_DESCRIPTORS_MAX)
		return og_fail_plain(err, -E2BIG, "%zu descriptors, the limit is %u", count,
				     OG_OCI_DESCRIPTORS_MAX);
	document->items = calloc(count > 0 ? count : 1, sizeof(*document->items));
	if (document->items == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	for (size_t i = 0; i < count; i++) {
		int r = parse_descriptor(og_json_at(array, i), &document->items[i], err);

		if (r < 0)
			return og_fail_in(err, r, "%s[%zu]", key, i);
	}
	document->count = count;
	return 0;
}

static enum shape shape_of_type(const char *media_type)
{
	for (size_t i = 0; i < sizeof(served) / sizeof(served[0]); i++)
		if (og_media_type_equal(media_type, served[i].media_type))
			return served[i].shape;
	return SHAPE_UNKNOWN;
}

static const char *canonical_type(const char *media_type)
{
	for (size_t i = 0; i < sizeof(served) / sizeof(served[0]); i++)
		if (og_media_type_equal(media_type, served[i].media_type))
			return served[i].media_type;
	return media_type;
}

static int shape_of_members(const struct og_json *root, enum shape *ret_shape, struct og_err *err)
{
	bool image = og_json_has(root, "layers") || og_json_has(root, "config");
	bool index = og_json_has(root, "manifests");
	bool artifact = og_json_has(root, "blobs");

	if (og_json_has(root, "fsLayers"))
		return og_fail_plain(err, -ENOTSUP,
				     "schema 1 is no longer served; push with a current tool");
	if (image + index + artifact > 1)
		return og_fail_plain(err, -EBADMSG,
				     "it is ambiguous: it has members of more than one of image, "
				     "index and artifact");
	*ret_shape = image	? SHAPE_IMAGE
		     : index	? SHAPE_INDEX
		     : artifact ? SHAPE_ARTIFACT
				: SHAPE_UNKNOWN;
	return 0;
}

/* Both may say what the document is; they must agree. Neither saying it, its shape decides. */
static int settle_media_type(const struct og_json *root, const char *came_as, enum shape shape,
			     const char **ret_media_type, struct og_err *err)
{
	const char *says = "";
	int r = opt_type(root, "mediaType", &says, err);

	if (r < 0)
		return r;
	if (came_as != NULL && og_media_type_is_vague(came_as))
		came_as = NULL;
	if (says[0] != '\0' && came_as != NULL && !og_media_type_equal(says, came_as))
		return og_fail_plain(err, -EBADMSG,
				     "it says to be '%.100s' but came as '%.100s': ambiguous", says,
				     came_as);
	if (says[0] == '\0' && came_as == NULL)
		came_as = shape == SHAPE_INDEX	    ? OG_MEDIA_OCI_INDEX
			  : shape == SHAPE_ARTIFACT ? OG_MEDIA_OCI_ARTIFACT
						    : OG_MEDIA_OCI_MANIFEST;
	*ret_media_type = canonical_type(says[0] != '\0' ? says : came_as);
	return 0;
}

static int settle_shape(struct og_oci_document *document, const char *came_as,
			enum shape *ret_shape, struct og_err *err)
{
	enum shape by_members = SHAPE_UNKNOWN, by_type;
	int r = shape_of_members(document->root, &by_members, err);

	if (r == 0)
		r = settle_media_type(document->root, came_as, by_members, &document->media_type,
				      err);
	if (r < 0)
		return r;
	by_type = shape_of_type(document->media_type);
	if (by_type == SHAPE_UNKNOWN)
		return og_fail_plain(err, -ENOTSUP, "manifests of type '%.100s' are not served",
				     document->media_type);
	/* An artifact manifest without blobs is one. */
	if (by_members == SHAPE_UNKNOWN && by_type == SHAPE_ARTIFACT)
		by_members = SHAPE_ARTIFACT;
	if (by_members != by_type)
		return og_fail_plain(err, -EBADMSG, "its members are not those of '%.100s'",
				     document->media_type);
	document->is_index = by_type == SHAPE_INDEX;
	*ret_shape = by_type;
	return 0;
}

static int check_version(const struct og_json *root, enum shape shape, struct og_err *err)
{
	int64_t version = shape == SHAPE_ARTIFACT ? 2 : 0;

	if (og_json_opt_int(root, "schemaVersion", 0, INT32_MAX, &version, err) < 0)
		return -EBADMSG;
	return version == 2 ? 0 : og_fail_plain(err, -EBADMSG, "its schemaVersion is not 2");
}

static int parse_parts(struct og_oci_document *document, enum shape shape, struct og_err *err)
{
	const struct og_json *root = document->root;
	int r = 0;

	if (shape == SHAPE_IMAGE) {
		r = parse_descriptor(og_json_get(root, "config"), &document->config, err);
		if (r < 0)
			return og_fail_in(err, r, "config");
		document->has_config = true;
	}
	if (og_json_get(root, "subject") != NULL) {
		r = parse_descriptor(og_json_get(root, "subject"), &document->subject, err);
		if (r < 0)
			return og_fail_in(err, r, "subject");
		document->has_subject = true;
	}
	r = opt_type(root, "artifactType", &document->artifact_type, err);
	if (r == 0 && document->artifact_type[0] == '\0' && document->has_config)
		document->artifact_type = document->config.media_type;
	if (r == 0)
		r = og_manifest_annotations(root, &document->annotations, err);
	if (r < 0)
		return r;
	return parse_items(root,
			   shape == SHAPE_INDEX	     ? "manifests"
			   : shape == SHAPE_ARTIFACT ? "blobs"
						     : "layers",
			   document, err);
}

static int parse_root(struct og_oci_document *document, const char *came_as, struct og_err *err)
{
	enum shape shape = SHAPE_UNKNOWN;
	int r;

	if (og_json_kind(document->root) != OG_JSON_OBJECT)
		return og_fail_plain(err, -EBADMSG, "it is no JSON object");
	r = settle_shape(document, came_as, &shape, err);
	if (r == 0)
		r = check_version(document->root, shape, err);
	return r < 0 ? r : parse_parts(document, shape, err);
}

int og_oci_document_parse(const char *buf, size_t len, const char *media_type,
			  struct og_oci_document **ret_document, struct og_err *err)
{
	og_cleanup(og_oci_document_freep) struct og_oci_document *document = NULL;
	int r;

	if (len > OG_OCI_DOCUMENT_BYTES_MAX)
		return og_fail_plain(err, -E2BIG, "manifest: over %u bytes",
				     OG_OCI_DOCUMENT_BYTES_MAX);
	document = calloc(1, sizeof(*document));
	if (document == NULL)
		return og_fail(err, -ENOMEM, "manifest: no memory");
	document->artifact_type = "";
	r = og_json_parse(buf, len, &document->root, err);
	if (r == -EINVAL)
		r = -EBADMSG;
	if (r == 0)
		r = parse_root(document, media_type, err);
	if (r < 0)
		return og_fail_in(err, r, "manifest");
	*ret_document = og_take_ptr(document);
	return 0;
}

struct og_oci_document *og_oci_document_free(struct og_oci_document *document)
{
	if (document == NULL)
		return NULL;
	free(document->items);
	og_json_free(document->root);
	free(document);
	return NULL;
}
