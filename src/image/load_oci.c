/* SPDX-License-Identifier: Apache-2.0 */
/* An OCI layout (image-spec, image-layout.md) as a tar: oci-layout, index.json, blobs/. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "image/archive.h"

struct blob_name {
	char text[96];
};

static struct blob_name name_of(const struct og_digest *digest)
{
	struct blob_name name;

	(void)snprintf(name.text, sizeof(name.text), "blobs/sha256/%s", og_digest_hex(digest).text);
	return name;
}

static int check_document(const struct og_member *member, const struct og_descriptor *want,
			  struct og_err *err)
{
	struct og_digest got;
	int r = og_digest_of(member->buf, member->len, &got, err);

	if (r < 0)
		return r;
	if (!og_digest_equal(&got, &want->sha256) || member->len != want->size)
		return og_fail_plain(err, -EBADMSG, "'%.200s': its content is another",
				     member->name);
	return 0;
}

static int get_document(const struct og_archive *archive, const struct og_descriptor *want,
			const struct og_member **ret_member, struct og_err *err)
{
	int r = og_archive_document(archive, name_of(&want->sha256).text, ret_member, err);

	return r < 0 ? r : check_document(*ret_member, want, err);
}

static int get_layer(const struct og_archive *archive, const struct og_descriptor *want,
		     const struct og_member **ret_member, struct og_err *err)
{
	int r = og_archive_layer(archive, name_of(&want->sha256).text, ret_member, err);

	if (r < 0)
		return r;
	if (!og_digest_equal(&(*ret_member)->layer.blob, &want->sha256) ||
	    (*ret_member)->layer.blob_bytes != want->size)
		return og_fail_plain(err, -EBADMSG, "'%.200s': its content is another",
				     (*ret_member)->name);
	return 0;
}

static int take_image(struct og_archive *archive, const struct og_manifest *manifest,
		      struct og_found *found, struct og_err *err)
{
	const struct og_member *layers[OG_MANIFEST_LAYERS_MAX];
	const struct og_member *config = NULL;
	int r = get_document(archive, &manifest->config, &config, err);

	for (size_t i = 0; i < manifest->count && r == 0; i++)
		r = get_layer(archive, &manifest->items[i], &layers[i], err);
	return r < 0 ? r : og_found_complete(archive, found, config, layers, manifest->count, err);
}

/* Follows @want through indexes to an image. */
static int follow(struct og_archive *archive, const struct og_descriptor *want,
		  const struct og_platform *platform, int depth, struct og_found *found,
		  struct og_err *err)
{
	og_cleanup(og_manifest_freep) struct og_manifest *manifest = NULL;
	const struct og_descriptor *choice;
	const struct og_member *member = NULL;
	int r;

	if (depth == OG_INDEX_DEPTH_MAX)
		return og_fail_plain(err, -E2BIG, "over %d indexes inside one another",
				     OG_INDEX_DEPTH_MAX);
	r = get_document(archive, want, &member, err);
	if (r == 0)
		r = og_manifest_parse_image(member->buf, member->len, want->media_type, &manifest,
					    err);
	if (r < 0)
		return r;
	if (!manifest->is_index)
		return take_image(archive, manifest, found, err);
	choice = og_manifest_choose(manifest, platform->os != NULL ? platform->os : "linux",
				    platform->architecture != NULL ? platform->architecture
								   : og_native_architecture(),
				    platform->variant != NULL ? platform->variant : "");
	if (choice == NULL)
		return og_fail_plain(err, -ENOENT, "no image for this platform in the index %.19s",
				     og_digest_format(&want->sha256).text);
	return follow(archive, choice, platform, depth + 1, found, err);
}

/*
 * The name an entry carries. containerd's and Docker's annotation holds a whole reference; OCI's own
 * may be one (skopeo, podman write it so) or a bare tag, which names nothing.
 */
static const char *name_in(const struct og_descriptor *item)
{
	const char *whole =
		og_json_string(og_json_get(item->annotations, "io.containerd.image.name"), NULL);
	const char *own = og_json_string(
		og_json_get(item->annotations, "org.opencontainers.image.ref.name"), NULL);

	if (whole != NULL)
		return whole;
	return own != NULL && strpbrk(own, ":/") != NULL ? own : NULL;
}

/* Entries for other platforms beside one of ours are passed over. */
static bool is_wanted(const struct og_manifest *index, const struct og_descriptor *item,
		      const struct og_platform *platform)
{
	const char *architecture = platform->architecture != NULL ? platform->architecture
								  : og_native_architecture();

	if (item->kind != OG_MEDIA_MANIFEST && item->kind != OG_MEDIA_INDEX)
		return false;
	return index->count == 1 || item->architecture[0] == '\0' ||
	       og_streq(item->architecture, architecture);
}

static int find_images(struct og_archive *archive, const struct og_manifest *index,
		       const struct og_platform *platform, struct og_found_list *list,
		       struct og_err *err)
{
	int r = 0;

	for (size_t i = 0; i < index->count && r == 0; i++) {
		const struct og_descriptor *item = &index->items[i];
		struct og_found *found;

		if (!is_wanted(index, item, platform))
			continue;
		found = og_found_add(list);
		if (found == NULL)
			return og_fail_plain(err, -E2BIG, "over %d images", OG_ARCHIVE_IMAGES_MAX);
		r = follow(archive, item, platform, 0, found, err);
		if (r == 0 && name_in(item) != NULL)
			r = og_found_add_tag(found, name_in(item), err);
	}
	return r;
}

static int check_layout(const struct og_archive *archive, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	const struct og_member *member = NULL;
	int r = og_archive_document(archive, "oci-layout", &member, err);

	if (r == 0)
		r = og_json_parse(member->buf, member->len, &root, err);
	if (r < 0)
		return -EBADMSG;
	if (!og_starts_with(og_json_string(og_json_get(root, "imageLayoutVersion"), ""), "1."))
		return og_fail_plain(err, -ENOTSUP, "oci-layout: of another version than 1");
	return 0;
}

int og_archive_find_oci(struct og_archive *archive, const struct og_platform *platform,
			struct og_found_list *list, struct og_err *err)
{
	static const struct og_platform native = {};
	og_cleanup(og_manifest_freep) struct og_manifest *index = NULL;
	const struct og_member *member = NULL;
	int r = check_layout(archive, err);

	if (r == 0)
		r = og_archive_document(archive, "index.json", &member, err);
	if (r == 0)
		r = og_manifest_parse_image(member->buf, member->len, NULL, &index, err);
	if (r == 0 && !index->is_index)
		r = og_fail_plain(err, -EBADMSG, "it is no index");
	if (r == 0)
		r = find_images(archive, index, platform != NULL ? platform : &native, list, err);
	return r < 0 ? og_fail_in(err, r, "index.json") : 0;
}
