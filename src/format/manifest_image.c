/* SPDX-License-Identifier: Apache-2.0 */
/* What of all manifests can be run, and which of an index's is. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "format/manifest.h"

/* SHA-256 of "{}", the configuration of what has none (image-spec, manifest.md, "empty descriptor"). */
#define EMPTY_CONFIG "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"

static int check_descriptor(const struct og_descriptor *descriptor, struct og_err *err)
{
	if (descriptor->digest.kind != OG_HASH_SHA256)
		return og_fail_plain(err, -EBADMSG, "digest '%.80s': images are named by sha256",
				     descriptor->digest.text);
	if (descriptor->size > OG_BLOB_BYTES_MAX)
		return og_fail_plain(err, -E2BIG, "a blob of %llu bytes, the limit is %llu",
				     (unsigned long long)descriptor->size,
				     (unsigned long long)OG_BLOB_BYTES_MAX);
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

static int check(const struct og_manifest *manifest, struct og_err *err)
{
	size_t max = manifest->is_index ? OG_INDEX_MANIFESTS_MAX : OG_MANIFEST_LAYERS_MAX;
	int r = 0;

	if (!manifest->is_index && !manifest->has_config)
		return og_fail_plain(err, -ENOTSUP, "it is an artifact: no image for onggi");
	if (manifest->count > max)
		return og_fail_plain(err, -E2BIG, "%zu descriptors, the limit is %zu",
				     manifest->count, max);
	if (manifest->has_config)
		r = check_descriptor(&manifest->config, err);
	for (size_t i = 0; i < manifest->count && r == 0; i++)
		r = check_descriptor(&manifest->items[i], err);
	return r < 0 || manifest->is_index ? r : check_image(manifest, err);
}

int og_manifest_parse_image(const char *buf, size_t len, const char *media_type,
			    struct og_manifest **ret_manifest, struct og_err *err)
{
	og_cleanup(og_manifest_freep) struct og_manifest *manifest = NULL;
	int r = og_manifest_parse(buf, len, media_type, &manifest, err);

	if (r < 0)
		return r;
	r = check(manifest, err);
	if (r < 0)
		return og_fail_in(err, r, "manifest");
	*ret_manifest = og_take_ptr(manifest);
	return 0;
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

/* ---- what others would run ---- */

static bool begins_with(const char *media_type, const char *prefix)
{
	return strncasecmp(media_type, prefix, strlen(prefix)) == 0;
}

/* Docker takes these for an image's (its distribution/registry.go), and more. */
static bool is_config_of_image(const struct og_manifest *manifest)
{
	const char *type = manifest->config.media_type;

	return manifest->config.kind == OG_MEDIA_CONFIG || og_media_type_is_vague(type) ||
	       begins_with(type, "text/") || begins_with(type, "application/vnd.oci.image.") ||
	       begins_with(type, "application/vnd.docker.") ||
	       !og_media_type_equal(manifest->media_type, OG_MEDIA_OCI_MANIFEST);
}

static bool has_layer(const struct og_manifest *manifest)
{
	for (size_t i = 0; i < manifest->count; i++) {
		const struct og_descriptor *layer = &manifest->items[i];

		if (layer->kind == OG_MEDIA_LAYER || layer->kind == OG_MEDIA_FOREIGN_LAYER ||
		    begins_with(layer->media_type, "application/vnd.oci.image.layer."))
			return true;
	}
	return false;
}

enum og_runnable og_manifest_runnable(const struct og_manifest *manifest)
{
	if (manifest->is_index)
		return OG_RUNNABLE_YES;
	if (!manifest->has_config)
		return OG_RUNNABLE_NO;
	if (is_config_of_image(manifest))
		return has_layer(manifest) || manifest->count == 0 ? OG_RUNNABLE_YES
								   : OG_RUNNABLE_BY_CONTENT;
	return has_layer(manifest) && !og_streq(manifest->config.digest.text, EMPTY_CONFIG)
		       ? OG_RUNNABLE_YES
		       : OG_RUNNABLE_NO;
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
