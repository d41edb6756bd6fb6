/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "base/text.h"
#include "image/archive.h"

void og_found_list_done(struct og_found_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		og_record_done(&list->items[i].record);
		free(list->items[i].tags);
	}
	free(list->items);
	*list = (struct og_found_list){};
}

struct og_found *og_found_add(struct og_found_list *list)
{
	if (list->count == OG_ARCHIVE_IMAGES_MAX || og_grow(list->items, list->count) < 0)
		return NULL;
	list->items[list->count] = (struct og_found){};
	return &list->items[list->count++];
}

int og_found_add_tag(struct og_found *found, const char *reference, struct og_err *err)
{
	struct og_imageref ref;
	int r = og_imageref_parse(reference, &ref, err);

	if (r < 0)
		return og_fail_in(err, -EBADMSG, "name '%.200s'", reference);
	if (ref.has_digest)
		return og_fail_plain(err, -EBADMSG,
				     "name '%.200s': a digest is no name to load under", reference);
	if (og_grow(found->tags, found->tag_count) < 0)
		return og_fail(err, -ENOMEM, "no memory");
	found->tags[found->tag_count++] = ref;
	return 0;
}

static int check_layers(struct og_found *found, const struct og_imageconfig *config,
			const struct og_member **layers, size_t layer_count, struct og_err *err)
{
	struct og_record *record = &found->record;

	if (config->layer_count != layer_count)
		return og_fail_plain(err, -EBADMSG, "it has %zu layers, its configuration %zu",
				     layer_count, config->layer_count);
	record->layers = calloc(layer_count > 0 ? layer_count : 1, sizeof(*record->layers));
	if (record->layers == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	for (size_t i = 0; i < layer_count; i++) {
		record->layers[i] = layers[i]->layer;
		record->size += layers[i]->layer.bytes;
		if (!og_digest_equal(&layers[i]->layer.diff_id, &config->diff_ids[i]))
			return og_fail_plain(err, -EBADMSG,
					     "layer '%.200s': its content is not what the image's "
					     "configuration says",
					     layers[i]->name);
	}
	record->layer_count = layer_count;
	return 0;
}

int og_found_complete(struct og_archive *archive, struct og_found *found,
		      const struct og_member *config_member, const struct og_member **layers,
		      size_t layer_count, struct og_err *err)
{
	og_cleanup(og_imageconfig_freep) struct og_imageconfig *config = NULL;
	int r = og_imageconfig_parse(config_member->buf, config_member->len, &config, err);

	if (r == 0)
		r = check_layers(found, config, layers, layer_count, err);
	return r < 0 ? r
		     : og_images_put_documents(archive->session, config_member->buf,
					       config_member->len, &found->record, err);
}

/* ---- recording ---- */

static int add_line(char ***lines, size_t *count, const char *text)
{
	if (og_grow(*lines, *count + 1) < 0)
		return -ENOMEM;
	(*lines)[*count + 1] = NULL;
	(*lines)[*count] = strdup(text);
	return (*lines)[(*count)++] != NULL ? 0 : -ENOMEM;
}

static int record_one(struct og_archive *archive, const struct og_found *found, char ***lines,
		      size_t *count, struct og_err *err)
{
	struct og_naming naming = {};
	int r = 0;

	for (size_t i = 0; (i == 0 || i < found->tag_count) && r == 0; i++) {
		naming.tag = i < found->tag_count ? &found->tags[i] : NULL;
		r = og_images_commit(archive->images, archive->session, &found->record, &naming,
				     err);
		if (r == 0 &&
		    add_line(lines, count,
			     naming.tag != NULL ? og_imageref_format(naming.tag).text
						: og_digest_format(&found->record.id).text) < 0)
			return og_fail(err, -ENOMEM, "no memory");
	}
	return r;
}

static int record_all(struct og_archive *archive, const struct og_found_list *list,
		      char ***ret_loaded, struct og_err *err)
{
	og_cleanup(og_strv_freep) char **lines = NULL;
	size_t count = 0;
	int r = 0;

	for (size_t i = 0; i < list->count && r == 0; i++)
		r = record_one(archive, &list->items[i], &lines, &count, err);
	if (r < 0)
		return r;
	if (lines == NULL)
		return og_fail_plain(err, -EBADMSG, "there is no image in it");
	*ret_loaded = og_take_ptr(lines);
	return 0;
}

static int load_in(struct og_archive *archive, og_source_fn *read, void *read_data,
		   const struct og_platform *platform, char ***ret_loaded, struct og_err *err)
{
	og_cleanup(og_found_list_done) struct og_found_list list = {};
	int r = og_archive_read(archive, read, read_data, err);

	if (r < 0)
		return r;
	if (og_archive_find(archive, "manifest.json") != NULL)
		r = og_archive_find_docker(archive, &list, err);
	else if (og_archive_find(archive, "index.json") != NULL)
		r = og_archive_find_oci(archive, platform, &list, err);
	else
		r = og_fail_plain(
			err, -EBADMSG,
			"no image archive: neither manifest.json nor index.json is in it (a "
			"root file system is for 'onggi import')");
	return r < 0 ? r : record_all(archive, &list, ret_loaded, err);
}

int og_images_load(struct og_images *images, og_source_fn *read, void *read_data,
		   const struct og_platform *platform, og_progress_fn *progress,
		   void *progress_data, char ***ret_loaded, struct og_err *err)
{
	struct og_session session = {};
	struct og_reporter reporter;
	struct og_archive archive = { .images = images,
				      .session = &session,
				      .reporter = &reporter };
	int r = og_session_begin(&images->store, &session, err);

	og_reporter_init(&reporter, progress, progress_data);
	if (r == 0)
		r = load_in(&archive, read, read_data, platform, ret_loaded, err);
	if (r < 0 && og_reporter_tick(&reporter) < 0)
		r = og_fail(err, og_reporter_tick(&reporter), "cancelled");
	og_archive_done(&archive);
	og_session_end(&session);
	og_reporter_done(&reporter);
	return r < 0 ? og_fail_in(err, r, "load") : 0;
}
