/* SPDX-License-Identifier: Apache-2.0 */
#include "format/manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* A text that goes into headers and lists: short, and one line. */
static int opt_type(const struct og_json *json, const char *key, const char **ret_text,
		    struct og_err *err)
{
	const char *text = "";

	if (og_json_opt_string(json, key, &text, err) < 0)
		return -EBADMSG;
	if (strlen(text) >= OG_MEDIA_TYPE_MAX)
		return og_fail_plain(err, -E2BIG, "%s is over %d bytes", key,
				     OG_MEDIA_TYPE_MAX - 1);
	for (const char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return og_fail_plain(err, -EBADMSG, "%s has control characters", key);
	*ret_text = text;
	return 0;
}

static int parse_platform(const struct og_json *json, struct og_descriptor *descriptor,
			  struct og_err *err)
{
	struct og_json *platform = NULL;
	int r = og_json_opt_object(json, "platform", &platform, err);

	if (r == 0)
		r = og_json_opt_string(platform, "os", &descriptor->os, err);
	if (r == 0)
		r = og_json_opt_string(platform, "architecture", &descriptor->architecture, err);
	if (r == 0)
		r = og_json_opt_string(platform, "variant", &descriptor->variant, err);
	return r < 0 ? -EBADMSG : 0;
}

static int parse_annotations(const struct og_json *json, const struct og_json **ret_annotations,
			     struct og_err *err)
{
	struct og_json_member member = {};
	struct og_json *annotations = NULL;

	if (og_json_opt_object(json, "annotations", &annotations, err) < 0)
		return -EBADMSG;
	while (og_json_next(annotations, &member))
		if (og_json_kind(member.value) != OG_JSON_STRING)
			return og_fail_plain(err, -EBADMSG, "an annotation is no text");
	*ret_annotations = annotations;
	return 0;
}

static int parse_place(const struct og_json *json, struct og_descriptor *descriptor,
		       struct og_err *err)
{
	struct og_json *urls = NULL;

	if (og_json_opt_array(json, "urls", &urls, err) < 0)
		return -EBADMSG;
	descriptor->elsewhere = descriptor->kind == OG_MEDIA_FOREIGN_LAYER ||
				og_json_count(urls) > 0;
	return 0;
}

static int parse_digest(const struct og_json *json, struct og_descriptor *descriptor,
			struct og_err *err)
{
	const char *text = "";
	int r;

	if (og_json_opt_string(json, "digest", &text, err) < 0)
		return -EBADMSG;
	r = og_blob_digest_parse(text, &descriptor->digest);
	if (r == -ENOTSUP)
		return og_fail_plain(err, r,
				     "digest '%.40s': only sha256 and sha512 are understood", text);
	if (r < 0)
		return og_fail_plain(err, -EBADMSG,
				     "bad digest '%.80s': wanted sha256: or sha512: and lower-case "
				     "hexadecimal digits",
				     text);
	(void)og_digest_parse(text, &descriptor->sha256);
	return 0;
}

static int parse_descriptor(const struct og_json *json, struct og_descriptor *ret_descriptor,
			    struct og_err *err)
{
	struct og_descriptor descriptor = {
		.media_type = "", .os = "", .architecture = "", .variant = ""
	};
	int64_t size = -1;
	int r;

	if (og_json_kind(json) != OG_JSON_OBJECT)
		return og_fail_plain(err, -EBADMSG, "a descriptor is no object");
	r = opt_type(json, "mediaType", &descriptor.media_type, err);
	if (r < 0)
		return r;
	descriptor.kind = og_media_kind(descriptor.media_type);
	if (og_json_opt_int(json, "size", 0, INT64_MAX, &size, err) < 0)
		return -EBADMSG;
	if (size < 0)
		return og_fail_plain(err, -EBADMSG, "a descriptor has no size");
	descriptor.size = (uint64_t)size;
	r = parse_digest(json, &descriptor, err);
	if (r == 0)
		r = parse_place(json, &descriptor, err);
	if (r == 0)
		r = parse_platform(json, &descriptor, err);
	if (r == 0)
		r = parse_annotations(json, &descriptor.annotations, err);
	if (r == 0)
		*ret_descriptor = descriptor;
	return r;
}

static int parse_items(struct og_manifest *manifest, const char *key, struct og_err *err)
{
	const struct og_json *array = og_json_get(manifest->root, key);
	size_t count = og_json_count(array);

	if (og_json_kind(array) != OG_JSON_ARRAY)
		return og_fail_plain(err, -EBADMSG, "its list of %s is no array", key);
	if (count > OG_MANIFEST_DESCRIPTORS_MAX)
		return og_fail_plain(err, -E2BIG, "%zu descriptors, the limit is %u", count,
				     OG_MANIFEST_DESCRIPTORS_MAX);
	manifest->items = calloc(count > 0 ? count : 1, sizeof(*manifest->items));
	if (manifest->items == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	for (size_t i = 0; i < count; i++) {
		int r = parse_descriptor(og_json_at(array, i), &manifest->items[i], err);

		if (r < 0)
			return og_fail_in(err, r, "%s[%zu]", key, i);
	}
	manifest->count = count;
	return 0;
}

/* What a document is by its members. */
static int kind_of_members(const struct og_json *root, enum og_media_kind *ret_kind,
			   struct og_err *err)
{
	bool image = og_json_has(root, "layers") || og_json_has(root, "config");
	bool index = og_json_has(root, "manifests");
	bool artifact = og_json_has(root, "blobs");

	if (og_json_has(root, "fsLayers"))
		return og_fail_plain(err, -ENOTSUP,
				     "schema 1 is no longer understood; push the image anew with a "
				     "current tool");
	if (image + index + artifact > 1)
		return og_fail_plain(err, -EBADMSG,
				     "it is ambiguous: it has members of more than one of image, "
				     "index and artifact");
	*ret_kind = image      ? OG_MEDIA_MANIFEST
		    : index    ? OG_MEDIA_INDEX
		    : artifact ? OG_MEDIA_ARTIFACT
			       : OG_MEDIA_OTHER;
	return 0;
}

/* Both may say what the document is; they must agree. Neither saying it, its members decide. */
static int settle_media_type(struct og_manifest *manifest, const char *came_as,
			     enum og_media_kind by_members, struct og_err *err)
{
	const char *says = "";
	int r = opt_type(manifest->root, "mediaType", &says, err);

	if (r < 0)
		return r;
	if (came_as != NULL && og_media_type_is_vague(came_as))
		came_as = NULL;
	if (says[0] != '\0' && came_as != NULL && !og_media_type_equal(says, came_as))
		return og_fail_plain(err, -EBADMSG,
				     "it says to be '%.100s' but came as '%.100s': ambiguous", says,
				     came_as);
	if (says[0] == '\0' && came_as == NULL)
		came_as = by_members == OG_MEDIA_INDEX	    ? OG_MEDIA_OCI_INDEX
			  : by_members == OG_MEDIA_ARTIFACT ? OG_MEDIA_OCI_ARTIFACT
							    : OG_MEDIA_OCI_MANIFEST;
	manifest->media_type = og_media_type_lasting(says[0] != '\0' ? says : came_as);
	return 0;
}

/* By its media type and by its members; they must agree. */
static int settle_kind(struct og_manifest *manifest, const char *came_as,
		       enum og_media_kind *ret_kind, struct og_err *err)
{
	enum og_media_kind by_members = OG_MEDIA_OTHER, by_type;
	int r = kind_of_members(manifest->root, &by_members, err);

	if (r == 0)
		r = settle_media_type(manifest, came_as, by_members, err);
	if (r < 0)
		return r;
	by_type = og_media_kind(manifest->media_type);
	if (by_type != OG_MEDIA_MANIFEST && by_type != OG_MEDIA_INDEX &&
	    by_type != OG_MEDIA_ARTIFACT)
		return og_fail_plain(err, -ENOTSUP, "manifests of type '%.100s' are not understood",
				     manifest->media_type);
	/* An artifact manifest without blobs is one. */
	if (by_members == OG_MEDIA_OTHER && by_type == OG_MEDIA_ARTIFACT)
		by_members = OG_MEDIA_ARTIFACT;
	if (by_members == OG_MEDIA_OTHER)
		return og_fail_plain(err, -EBADMSG, "it is neither an image nor an index");
	if (by_members != by_type)
		return og_fail_plain(err, -EBADMSG, "its members are not those of '%.100s'",
				     manifest->media_type);
	manifest->is_index = by_type == OG_MEDIA_INDEX;
	*ret_kind = by_type;
	return 0;
}

static int check_version(const struct og_json *root, enum og_media_kind kind, struct og_err *err)
{
	int64_t version = kind == OG_MEDIA_ARTIFACT ? 2 : 0;

	if (og_json_opt_int(root, "schemaVersion", 0, INT32_MAX, &version, err) < 0)
		return -EBADMSG;
	return version == 2 ? 0 : og_fail_plain(err, -EBADMSG, "its schemaVersion is not 2");
}

static int parse_parts(struct og_manifest *manifest, enum og_media_kind kind, struct og_err *err)
{
	const struct og_json *root = manifest->root;
	int r = 0;

	if (kind == OG_MEDIA_MANIFEST) {
		r = parse_descriptor(og_json_get(root, "config"), &manifest->config, err);
		if (r < 0)
			return og_fail_in(err, r, "config");
		manifest->has_config = true;
	}
	if (og_json_get(root, "subject") != NULL) {
		r = parse_descriptor(og_json_get(root, "subject"), &manifest->subject, err);
		if (r < 0)
			return og_fail_in(err, r, "subject");
		manifest->has_subject = true;
	}
	r = opt_type(root, "artifactType", &manifest->artifact_type, err);
	if (r == 0 && manifest->artifact_type[0] == '\0' && manifest->has_config)
		manifest->artifact_type = manifest->config.media_type;
	if (r == 0)
		r = parse_annotations(root, &manifest->annotations, err);
	if (r < 0)
		return r;
	if (kind == OG_MEDIA_ARTIFACT)
		return og_json_has(root, "blobs") ? parse_items(manifest, "blobs", err) : 0;
	return parse_items(manifest, kind == OG_MEDIA_INDEX ? "manifests" : "layers", err);
}

static int parse_root(struct og_manifest *manifest, const char *came_as, struct og_err *err)
{
	enum og_media_kind kind = OG_MEDIA_OTHER;
	int r;

	if (og_json_kind(manifest->root) != OG_JSON_OBJECT)
		return og_fail_plain(err, -EBADMSG, "it is no JSON object");
	r = settle_kind(manifest, came_as, &kind, err);
	if (r == 0)
		r = check_version(manifest->root, kind, err);
	return r < 0 ? r : parse_parts(manifest, kind, err);
}

int og_manifest_parse(const char *buf, size_t len, const char *media_type,
		      struct og_manifest **ret_manifest, struct og_err *err)
{
	og_cleanup(og_manifest_freep) struct og_manifest *manifest = NULL;
	int r;

	if (len > OG_MANIFEST_BYTES_MAX)
		return og_fail_plain(err, -E2BIG, "manifest: over %u bytes", OG_MANIFEST_BYTES_MAX);
	manifest = calloc(1, sizeof(*manifest));
	if (manifest == NULL)
		return og_fail(err, -ENOMEM, "manifest: no memory");
	manifest->artifact_type = "";
	r = og_json_parse(buf, len, &manifest->root, err);
	if (r == -EINVAL)
		r = -EBADMSG;
	if (r == 0)
		r = parse_root(manifest, media_type, err);
	if (r < 0)
		return og_fail_in(err, r, "manifest");
	*ret_manifest = og_take_ptr(manifest);
	return 0;
}

struct og_manifest *og_manifest_free(struct og_manifest *manifest)
{
	if (manifest == NULL)
		return NULL;
	free(manifest->items);
	og_json_free(manifest->root);
	free(manifest);
	return NULL;
}
