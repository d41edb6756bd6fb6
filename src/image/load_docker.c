/* SPDX-License-Identifier: Apache-2.0 */
/* Docker's archive: manifest.json, [{"Config": "x.json", "RepoTags": [...], "Layers": [...]}]. */
#include "base/text.h"
#include "image/archive.h"

static int find_layers(const struct og_archive *archive, const struct og_json *names,
		       const struct og_member **layers, size_t *ret_count, struct og_err *err)
{
	size_t count = og_json_count(names);
	int r = 0;

	if (count > OG_MANIFEST_LAYERS_MAX)
		return og_fail_plain(err, -E2BIG, "%zu layers, the limit is %d", count,
				     OG_MANIFEST_LAYERS_MAX);
	for (size_t i = 0; i < count && r == 0; i++) {
		const char *name = og_json_string(og_json_at(names, i), NULL);

		if (name == NULL)
			return og_fail_plain(err, -EBADMSG, "a layer's name is no text");
		r = og_archive_layer(archive, name, &layers[i], err);
	}
	*ret_count = count;
	return r;
}

static int find_tags(struct og_found *found, const struct og_json *tags, struct og_err *err)
{
	int r = 0;

	for (size_t i = 0; i < og_json_count(tags) && r == 0; i++) {
		const char *tag = og_json_string(og_json_at(tags, i), NULL);

		if (tag == NULL)
			return og_fail_plain(err, -EBADMSG, "a name is no text");
		r = og_found_add_tag(found, tag, err);
	}
	return r;
}

static int find_image(struct og_archive *archive, const struct og_json *item,
		      struct og_found_list *list, struct og_err *err)
{
	const struct og_member *layers[OG_MANIFEST_LAYERS_MAX];
	const struct og_member *config = NULL;
	struct og_json *names = NULL, *tags = NULL;
	const char *config_name = NULL;
	struct og_found *found;
	size_t count = 0;
	int r;

	if (og_json_kind(item) != OG_JSON_OBJECT)
		return og_fail_plain(err, -EBADMSG, "an item is no object");
	if (og_json_opt_string(item, "Config", &config_name, err) < 0 ||
	    og_json_opt_array(item, "Layers", &names, err) < 0 ||
	    og_json_opt_array(item, "RepoTags", &tags, err) < 0)
		return -EBADMSG;
	if (config_name == NULL)
		return og_fail_plain(err, -EBADMSG, "an item has no 'Config'");
	found = og_found_add(list);
	if (found == NULL)
		return og_fail_plain(err, -E2BIG, "over %d images", OG_ARCHIVE_IMAGES_MAX);
	r = og_archive_document(archive, config_name, &config, err);
	if (r == 0)
		r = find_tags(found, tags, err);
	if (r == 0)
		r = find_layers(archive, names, layers, &count, err);
	return r < 0 ? r : og_found_complete(archive, found, config, layers, count, err);
}

int og_archive_find_docker(struct og_archive *archive, struct og_found_list *list,
			   struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	const struct og_member *member = NULL;
	int r = og_archive_document(archive, "manifest.json", &member, err);

	if (r == 0) {
		r = og_json_parse(member->buf, member->len, &root, err);
		if (r == -EINVAL)
			r = -EBADMSG;
	}
	if (r == 0 && og_json_kind(root) != OG_JSON_ARRAY)
		r = og_fail_plain(err, -EBADMSG, "it is no list");
	for (size_t i = 0; i < og_json_count(root) && r == 0; i++)
		r = find_image(archive, og_json_at(root, i), list, err);
	return r < 0 ? og_fail_in(err, r, "manifest.json") : 0;
}
