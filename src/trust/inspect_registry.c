/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/inspect_registry.h"

#include "base/text.h"
#include "format/manifest.h"
#include "trust/inspect_image.h"

struct remote {
	struct og_remote *registry;
	struct og_http_client *client;
	const struct og_manifest *manifest;
	struct og_digest_text layer; /* the last that was asked for */
};

static const char *layer_digest(void *data, size_t index)
{
	struct remote *remote = data;

	remote->layer = og_digest_format(&remote->manifest->items[index].digest);
	return remote->layer.text;
}

static int feed(void *data, const void *buf, size_t len, struct og_err *err)
{
	return og_layer_scan_feed(data, buf, len, err);
}

static int push_layer(void *data, size_t index, struct og_layer_scan *scan, struct og_err *err)
{
	const struct remote *remote = data;
	const struct og_descriptor *item = &remote->manifest->items[index];

	return og_remote_blob(remote->registry, remote->client, &item->digest, item->size, feed,
			      scan, err);
}

static int fetch_config(const struct remote *remote, char **ret_text, struct og_err *err)
{
	const struct og_descriptor *item = &remote->manifest->config;

	if (item->size > OG_IMAGECONFIG_BYTES_MAX)
		return og_fail_plain(err, -E2BIG, "a configuration of %llu bytes",
				     (unsigned long long)item->size);
	return og_remote_blob_read(remote->registry, remote->client, &item->digest, item->size,
				   ret_text, err);
}

static int inspect_manifest(struct remote *remote, const struct og_manifest *manifest,
			    const struct og_digest *digest, struct og_builder *builder,
			    struct og_err *err)
{
	struct og_digest_text text = og_digest_format(digest);
	struct og_image_source source = { .digest = text.text,
					  .layer_count = manifest->count,
					  .layer_digest = layer_digest,
					  .layer = push_layer,
					  .data = remote };
	og_auto_free char *config = NULL;
	int r;

	remote->manifest = manifest;
	r = fetch_config(remote, &config, err);
	source.config = config;
	source.config_len = (size_t)manifest->config.size;
	return r < 0 ? r : og_inspect_image(builder, &source, err);
}

static int follow(struct remote *remote, const char *reference, int depth,
		  struct og_builder *builder, struct og_err *err)
{
	og_cleanup(og_manifest_freep) struct og_manifest *manifest = NULL;
	og_cleanup(og_document_done) struct og_document document = {};
	const struct og_descriptor *choice;
	int r;

	if (depth == OG_INDEX_DEPTH_MAX)
		return og_fail_plain(err, -E2BIG, "over %d indexes inside one another",
				     OG_INDEX_DEPTH_MAX);
	r = og_remote_manifest(remote->registry, remote->client, reference, &document, err);
	if (r == 0)
		r = og_manifest_parse(document.buf, document.len,
				      document.media_type[0] != '\0' ? document.media_type : NULL,
				      &manifest, err);
	if (r < 0)
		return r;
	if (!manifest->is_index)
		return inspect_manifest(remote, manifest, &document.digest, builder, err);
	choice = og_manifest_choose(manifest, "linux", og_native_architecture(), "");
	if (choice == NULL)
		return og_fail_plain(err, -ENOENT, "no image for this platform");
	return follow(remote, og_digest_format(&choice->digest).text, depth + 1, builder, err);
}

int og_inspect_registry(const struct og_imageref *ref, const struct og_remote_options *options,
			const char *target, struct og_inventory **ret_inventory, struct og_err *err)
{
	og_cleanup(og_builder_freep) struct og_builder *builder = NULL;
	og_cleanup(og_remote_freep) struct og_remote *registry = NULL;
	og_cleanup(og_http_client_freep) struct og_http_client *client = NULL;
	struct og_digest_text digest = og_digest_format(&ref->digest);
	struct remote remote = {};
	int r = og_builder_new(target, &builder, err);

	if (r == 0)
		r = og_remote_new(ref, options, &registry, err);
	if (r == 0)
		r = og_http_client_new(&client, err);
	if (r < 0)
		return r;
	remote.registry = registry;
	remote.client = client;
	r = follow(&remote, ref->has_digest ? digest.text : ref->tag, 0, builder, err);
	return r < 0 ? og_fail_in(err, r, "scan '%s'", target)
		     : og_builder_finish(builder, ret_inventory, err);
}
