/* SPDX-License-Identifier: Apache-2.0 */
#include "format/manifest.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	const char *media_type;
	enum og_media_kind kind;
} media_types[] = {
	{ OG_MEDIA_DOCKER_MANIFEST, OG_MEDIA_MANIFEST },
	{ OG_MEDIA_DOCKER_LIST, OG_MEDIA_INDEX },
	{ OG_MEDIA_DOCKER_CONFIG, OG_MEDIA_CONFIG },
	{ OG_MEDIA_DOCKER_LAYER, OG_MEDIA_LAYER },
	{ "application/vnd.docker.image.rootfs.diff.tar", OG_MEDIA_LAYER },
	{ "application/vnd.docker.image.rootfs.diff.tar.zstd", OG_MEDIA_LAYER },
	{ "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", OG_MEDIA_FOREIGN_LAYER },
	{ "application/vnd.docker.image.rootfs.foreign.diff.tar", OG_MEDIA_FOREIGN_LAYER },
	{ OG_MEDIA_OCI_MANIFEST, OG_MEDIA_MANIFEST },
	{ OG_MEDIA_OCI_INDEX, OG_MEDIA_INDEX },
	{ OG_MEDIA_OCI_CONFIG, OG_MEDIA_CONFIG },
	{ OG_MEDIA_OCI_LAYER, OG_MEDIA_LAYER },
	{ OG_MEDIA_OCI_LAYER_GZIP, OG_MEDIA_LAYER },
	{ OG_MEDIA_OCI_LAYER_ZSTD, OG_MEDIA_LAYER },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar", OG_MEDIA_FOREIGN_LAYER },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", OG_MEDIA_FOREIGN_LAYER },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", OG_MEDIA_FOREIGN_LAYER },
	{ "application/vnd.docker.distribution.manifest.v1+json", OG_MEDIA_SCHEMA1 },
	{ "application/vnd.docker.distribution.manifest.v1+prettyjws", OG_MEDIA_SCHEMA1 },
};

/* The length of a media type without its parameters. */
static size_t media_type_len(const char *media_type)
{
	size_t len = strcspn(media_type, ";");

	while (len > 0 && (media_type[len - 1] == ' ' || media_type[len - 1] == '\t'))
		len--;
	return len;
}

bool og_media_type_equal(const char *a, const char *b)
{
	size_t len = media_type_len(a);

	return len == media_type_len(b) && strncasecmp(a, b, len) == 0;
}

bool og_media_type_is_vague(const char *media_type)
{
	return og_media_type_equal(media_type, "") ||
	       og_media_type_equal(media_type, "application/json") ||
	       og_media_type_equal(media_type, "text/plain") ||
	       og_media_type_equal(media_type, "application/octet-stream");
}

enum og_media_kind og_media_kind(const char *media_type)
{
	for (size_t i = 0; i < COUNT_OF(media_types); i++)
		if (og_media_type_equal(media_type, media_types[i].media_type))
			return media_types[i].kind;
	return OG_MEDIA_OTHER;
}

/* The same text, with the life of the program where the type is known. */
static const char *lasting(const char *media_type)
{
	for (size_t i = 0; i < COUNT_OF(media_types); i++)
		if (og_media_type_equal(media_type, media_types[i].media_type))
			return media_types[i].media_type;
	return media_type;
}

static int bad(struct og_err *err, int code)
{
	return og_fail_in(err, code, "manifest");
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

int og_manifest_annotations(const struct og_json *json, const struct og_json **ret_annotations,
			    struct og_err *err)
{
	struct og_json_member member = {};
	struct og_json *annotations = NULL;

	if (og_json_opt_object(json, "annotations", &annotations, err) < 0)
		return -EBADMSG;
	while (og_json_next(annotations, &member))
		if (og_json_kind(member.value) != OG_JSON_STRING)
			return og_fail_plain(err, -EBADMSG, "an annotation is no text");
	if (ret_annotations != NULL)
		*ret_annotations = annotations;
	return 0;
}

static int parse_urls(const struct og_json *json, struct og_descriptor *descriptor,
		      struct og_err *err)
{
	struct og_json *urls = NULL;

	if (og_json_opt_array(json, "urls", &urls, err) < 0)
		return -EBADMSG;
	descriptor->has_urls = og_json_count(urls) > 0;
	return 0;
}

static int parse_descriptor(const struct og_json *json, struct og_descriptor *ret_descriptor,
			    struct og_err *err)
{
	struct og_descriptor descriptor = {
		.media_type = "", .os = "", .architecture = "", .variant = ""
	};
	const char *digest = "";
	int64_t size = -1;
	int r;

	if (og_json_kind(json) != OG_JSON_OBJECT)
		return og_fail_plain(err, -EBADMSG, "a descriptor is no object");
	if (og_json_opt_string(json, "mediaType", &descriptor.media_type, err) < 0 ||
	    og_json_opt_string(json, "digest", &digest, err) < 0)
		return -EBADMSG;
	if (og_digest_parse(digest, &descriptor.digest) < 0)
		return og_fail_plain(err, -EBADMSG,
				     "bad digest '%.80s': wanted sha256: and 64 "
				     "lower-case hexadecimal digits",
				     digest);
	r = og_json_opt_int(json, "size", 0, (int64_t)OG_BLOB_BYTES_MAX, &size, err);
	if (r < 0)
		return r == -ERANGE ? -E2BIG : -EBADMSG;
	if (size < 0)
		return og_fail_plain(err, -EBADMSG, "a descriptor has no size");
	descriptor.size = (uint64_t)size;
	descriptor.kind = og_media_kind(descriptor.media_type);

	r = parse_urls(json, &descriptor, err);
	if (r == 0)
		r = parse_platform(json, &descriptor, err);
	if (r == 0)
		r = og_manifest_annotations(json, &descriptor.annotations, err);
	if (r == 0)
		*ret_descriptor = descriptor;
	return r;
}

static int parse_items(const struct og_json *array, size_t max, struct og_manifest *manifest,
		       struct og_err *err)
{
	size_t count = og_json_count(array);
	int r = 0;

	if (og_json_kind(array) != OG_JSON_ARRAY)
		return og_fail_plain(err, -EBADMSG, "its list of %s is no array",
				     manifest->is_index ? "manifests" : "layers");
	if (count > max)
		return og_fail_plain(err, -E2BIG, "%zu descriptors, the limit is %zu", count, max);
	manifest->items = calloc(count > 0 ? count : 1, sizeof(*manifest->items));
	if (manifest->items == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	for (size_t i = 0; i < count && r == 0; i++)
		r = parse_descriptor(og_json_at(array, i), &manifest->items[i], err);
	if (r == 0)
		manifest->count = count;
	return r;
}

static int check_kind(const struct og_json *root, struct og_manifest *manifest,
		      enum og_media_kind kind, struct og_err *err)
{
	bool image = og_json_has(root, "layers") || og_json_has(root, "config");
	bool index = og_json_has(root, "manifests");

	if (kind == OG_MEDIA_SCHEMA1 || og_json_has(root, "fsLayers"))
		return og_fail_plain(err, -ENOTSUP,
				     "schema 1 is no longer understood; push the image anew with a "
				     "current tool");
	if (image && index)
		return og_fail_plain(err, -EBADMSG, "it is ambiguous: both an image and an index");
	if (!image && !index)
		return og_fail_plain(err, -EBADMSG, "it is neither an image nor an index");
	if (kind != (index ? OG_MEDIA_INDEX : OG_MEDIA_MANIFEST))
		return og_fail_plain(err, kind == OG_MEDIA_OTHER ? -ENOTSUP : -EBADMSG,
				     "its media type '%.100s' is not one of an image %s",
				     manifest->media_type, index ? "index" : "manifest");
	manifest->is_index = index;
	return 0;
}

/* Both may say what the document is; they must agree. Neither saying it, its shape decides. */
static int settle_media_type(const struct og_json *root, const char *came_as,
			     struct og_manifest *manifest, struct og_err *err)
{
	const char *says = "";

	if (og_json_opt_string(root, "mediaType", &says, err) < 0)
		return -EBADMSG;
	if (came_as != NULL && og_media_type_is_vague(came_as))
		came_as = NULL;
	if (says[0] != '\0' && came_as != NULL && !og_media_type_equal(says, came_as))
		return og_fail_plain(err, -EBADMSG,
				     "it says to be '%.100s' but came as '%.100s': ambiguous", says,
				     came_as);
	if (says[0] != '\0')
		manifest->media_type = says;
	else if (came_as != NULL)
		manifest->media_type = lasting(came_as);
	else
		manifest->media_type = og_json_has(root, "manifests") ? OG_MEDIA_OCI_INDEX
								      : OG_MEDIA_OCI_MANIFEST;
	return 0;
}

static int check_image(const struct og_manifest *manifest, struct og_err *err)
{
	if (manifest->config.kind != OG_MEDIA_CONFIG)
		return og_fail_plain(err, -ENOTSUP,
				     "its configuration is '%.100s': no image for onggi",
				     manifest->config.media_type);
	if (manifest->config.size > OG_IMAGECONFIG_BYTES_MAX)
		return og_fail_plain(err, -E2BIG, "its configuration is over %u bytes",
				     OG_IMAGECONFIG_BYTES_MAX);
	for (size_t i = 0; i < manifest->count; i++) {
		const struct og_descriptor *layer = &manifest->items[i];

		if (layer->kind != OG_MEDIA_LAYER && layer->kind != OG_MEDIA_FOREIGN_LAYER)
			return og_fail_plain(err, -ENOTSUP,
					     "layer %zu is '%.100s': no layer for onggi", i + 1,
					     layer->media_type);
	}
	return 0;
}

static int parse_root(struct og_manifest *manifest, const char *came_as, struct og_err *err)
{
	const struct og_json *root = manifest->root;
	int64_t version = 0;
	int r;

	if (og_json_kind(root) != OG_JSON_OBJECT)
		return og_fail_plain(err, -EBADMSG, "it is no JSON object");
	if (og_json_opt_int(root, "schemaVersion", 0, INT32_MAX, &version, err) < 0)
		return -EBADMSG;
	r = settle_media_type(root, came_as, manifest, err);
	if (r == 0)
		r = check_kind(root, manifest, og_media_kind(manifest->media_type), err);
	if (r < 0)
		return r;
	if (version != 2)
		return og_fail_plain(err, -EBADMSG, "its schemaVersion is not 2");
	if (manifest->is_index)
		return parse_items(og_json_get(root, "manifests"), OG_INDEX_MANIFESTS_MAX, manifest,
				   err);
	r = parse_descriptor(og_json_get(root, "config"), &manifest->config, err);
	if (r == 0)
		r = parse_items(og_json_get(root, "layers"), OG_MANIFEST_LAYERS_MAX, manifest, err);
	return r < 0 ? r : check_image(manifest, err);
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
	r = og_json_parse(buf, len, &manifest->root, err);
	if (r < 0)
		return bad(err, r == -EINVAL ? -EBADMSG : r);
	r = parse_root(manifest, media_type, err);
	if (r < 0)
		return bad(err, r);
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

/* 4: the very one, 3: of no variant, 2: of another variant, 1: it does not say, 0: no. */
static int fitness(const struct og_descriptor *item, const char *os, const char *architecture,
		   const char *variant)
{
	if (item->kind != OG_MEDIA_MANIFEST && item->kind != OG_MEDIA_INDEX)
		return 0;
	if (item->os[0] == '\0' && item->architecture[0] == '\0')
		return 1;
	if (!og_streq(item->os, os) || !og_streq(item->architecture, architecture))
		return 0;
	if (og_streq(item->variant, variant))
		return 4;
	if (item->variant[0] == '\0')
		return 3;
	return variant[0] == '\0' ? 2 : 0;
}

const struct og_descriptor *og_manifest_choose(const struct og_manifest *index, const char *os,
					       const char *architecture, const char *variant)
{
	const struct og_descriptor *best = NULL;
	int best_fitness = 0;

	for (size_t i = 0; i < index->count; i++) {
		int fits = fitness(&index->items[i], os, architecture, variant);

		if (fits > best_fitness) {
			best = &index->items[i];
			best_fitness = fits;
		}
	}
	return best;
}

const char *og_native_architecture(void)
{
#if defined(__x86_64__)
	return "amd64";
#elif defined(__aarch64__)
	return "arm64";
#elif defined(__riscv)
	return "riscv64";
#else
#error "name this architecture as Go does"
#endif
}
