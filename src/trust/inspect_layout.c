/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An OCI image layout (image-spec, image-layout.md): a folder, or the same as a tar. Which of the two it
 * is, a table of two functions knows. Every document is compared with its digest.
 */
#include "trust/inspect_layout.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/io.h"
#include "base/path.h"
#include "base/text.h"
#include "trust/inspect.h"
#include "trust/inspect_image.h"

struct og_blob_name {
	char text[96];
};

static struct og_blob_name name_of(const struct og_digest *digest)
{
	struct og_blob_name name;

	(void)snprintf(name.text, sizeof(name.text), "blobs/sha256/%s", og_digest_hex(digest).text);
	return name;
}

static int check_document(const char *buf, size_t len, const struct og_descriptor *want,
			  struct og_err *err)
{
	struct og_digest got;
	int r = og_digest_of(buf, len, &got, err);

	if (r < 0)
		return r;
	if (!og_digest_equal(&got, &want->sha256))
		return og_fail_plain(err, -EBADMSG, "%.19s: its content is another",
				     og_digest_format(&want->sha256).text);
	return 0;
}

static int get_document(const struct og_layout *layout, const struct og_descriptor *want,
			char **ret_buf, size_t *ret_len, struct og_err *err)
{
	og_auto_free char *buf = NULL;
	size_t len = 0;
	int r = layout->document(layout->data, name_of(&want->sha256).text, &buf, &len, err);

	if (r == 0)
		r = check_document(buf, len, want, err);
	if (r < 0)
		return r;
	*ret_len = len;
	*ret_buf = og_take_ptr(buf);
	return 0;
}

/* ---- an image ---- */

struct layout_image {
	const struct og_layout *layout;
	const struct og_manifest *manifest;
	struct og_digest_text layer; /* the last that was asked for */
};

static const char *layer_digest(void *data, size_t index)
{
	struct layout_image *image = data;

	image->layer = og_digest_format(&image->manifest->items[index].sha256);
	return image->layer.text;
}

static int push_layer(void *data, size_t index, struct og_layer_scan *scan, struct og_err *err)
{
	const struct layout_image *image = data;
	const struct og_descriptor *item = &image->manifest->items[index];

	return image->layout->layer(image->layout->data, name_of(&item->sha256).text, scan, err);
}

static int inspect_manifest(const struct og_layout *layout, const struct og_manifest *manifest,
			    const struct og_digest *digest, struct og_builder *builder,
			    struct og_err *err)
{
	struct layout_image image = { .layout = layout, .manifest = manifest };
	struct og_digest_text text = og_digest_format(digest);
	struct og_image_source source = { .digest = text.text,
					  .layer_count = manifest->count,
					  .layer_digest = layer_digest,
					  .layer = push_layer,
					  .data = &image };
	og_auto_free char *config = NULL;
	int r = get_document(layout, &manifest->config, &config, &source.config_len, err);

	source.config = config;
	return r < 0 ? r : og_inspect_image(builder, &source, err);
}

static int follow(const struct og_layout *layout, const struct og_descriptor *want, int depth,
		  struct og_builder *builder, struct og_err *err)
{
	og_cleanup(og_manifest_freep) struct og_manifest *manifest = NULL;
	const struct og_descriptor *choice;
	og_auto_free char *buf = NULL;
	size_t len = 0;
	int r;

	if (depth == OG_INDEX_DEPTH_MAX)
		return og_fail_plain(err, -E2BIG, "over %d indexes inside one another",
				     OG_INDEX_DEPTH_MAX);
	r = get_document(layout, want, &buf, &len, err);
	if (r == 0)
		r = og_manifest_parse_image(buf, len, want->media_type, &manifest, err);
	if (r < 0)
		return r;
	if (!manifest->is_index)
		return inspect_manifest(layout, manifest, &want->sha256, builder, err);
	choice = og_manifest_choose(manifest, "linux", og_native_architecture(), "");
	if (choice == NULL)
		return og_fail_plain(err, -ENOENT, "no image for this platform in the index %.19s",
				     og_digest_format(&want->sha256).text);
	return follow(layout, choice, depth + 1, builder, err);
}

/* A tag alone, a whole name or a digest, as people and tools write them. */
static bool has_name(const struct og_descriptor *item, const char *wanted)
{
	static const char *const keys[] = { "io.containerd.image.name",
					    "org.opencontainers.image.ref.name" };

	if (og_streq(og_digest_format(&item->sha256).text, wanted))
		return true;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (og_streq(og_json_string(og_json_get(item->annotations, keys[i]), ""), wanted))
			return true;
	return false;
}

static bool is_image(const struct og_descriptor *item)
{
	return item->kind == OG_MEDIA_MANIFEST || item->kind == OG_MEDIA_INDEX;
}

static int choose(const struct og_manifest *index, const char *name,
		  const struct og_descriptor **ret_item, struct og_err *err)
{
	const struct og_descriptor *only = NULL;
	size_t count = 0;

	for (size_t i = 0; i < index->count; i++) {
		const struct og_descriptor *item = &index->items[i];

		if (!is_image(item) || (name != NULL && !has_name(item, name)))
			continue;
		count++;
		only = item;
		/* The first of equal names. */
		if (name != NULL)
			break;
	}
	/* Without a name: the one there is, or one of several platforms. */
	if (count > 1)
		only = og_manifest_choose(index, "linux", og_native_architecture(), "");
	if (only == NULL && name != NULL)
		return og_fail_plain(err, -ENOENT, "there is no image '%.200s' in it", name);
	if (only == NULL)
		return og_fail_plain(err, -ENOENT, "there is no image for this platform in it");
	*ret_item = only;
	return 0;
}

int og_layout_inspect(const struct og_layout *layout, const char *name, struct og_builder *builder,
		      struct og_err *err)
{
	og_cleanup(og_manifest_freep) struct og_manifest *index = NULL;
	const struct og_descriptor *item = NULL;
	og_auto_free char *buf = NULL;
	size_t len = 0;
	int r = layout->document(layout->data, "index.json", &buf, &len, err);

	if (r == 0)
		r = og_manifest_parse_image(buf, len, OG_MEDIA_OCI_INDEX, &index, err);
	if (r == 0 && !index->is_index)
		r = og_fail_plain(err, -EBADMSG, "index.json is no index");
	if (r == 0)
		r = choose(index, name, &item, err);
	return r < 0 ? r : follow(layout, item, 0, builder, err);
}

/* ---- a folder ---- */

static int read_document(void *data, const char *name, char **ret_buf, size_t *ret_len,
			 struct og_err *err)
{
	og_auto_fd fd = og_open_beneath(*(const int *)data, name, O_RDONLY, 0);

	if (fd < 0)
		return og_fail(err, fd, "open '%s'", name);
	return og_read_all(fd, OG_MANIFEST_BYTES_MAX, ret_buf, ret_len, err);
}

static int read_layer(void *data, const char *name, struct og_layer_scan *scan, struct og_err *err)
{
	og_auto_fd fd = og_open_beneath(*(const int *)data, name, O_RDONLY, 0);
	struct stat st;

	if (fd < 0)
		return og_fail(err, fd, "open '%s'", name);
	if (fstat(fd, &st) < 0)
		return og_fail(err, -errno, "look at '%s'", name);
	return og_layer_scan_file(scan, fd, 0, (uint64_t)st.st_size, err);
}

int og_inspect_layout(int dir_fd, const char *name, const char *target,
		      struct og_inventory **ret_inventory, struct og_err *err)
{
	struct og_layout layout = { read_document, read_layer, &dir_fd };
	og_cleanup(og_builder_freep) struct og_builder *builder = NULL;
	int r = og_builder_new(target, &builder, err);

	if (r == 0)
		r = og_layout_inspect(&layout, name, builder, err);
	return r < 0 ? og_fail_in(err, r, "scan '%s'", target)
		     : og_builder_finish(builder, ret_inventory, err);
}
