/* SPDX-License-Identifier: Apache-2.0 */
/* How an image comes to be known: its documents, its merged file, its record and names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "image/merge.h"
#include "image/parts.h"

static int set_names(struct og_db *db, const char *id, const struct og_naming *naming,
		     struct og_err *err)
{
	int r = 0;

	if (naming->tag != NULL && naming->tag->tag[0] != '\0')
		r = og_catalog_set_tag(db, og_imageref_name(naming->tag).text, naming->tag->tag, id,
				       err);
	if (r == 0 && naming->digest != NULL)
		r = og_catalog_set_digest(db, og_imageref_name(naming->digest).text,
					  &naming->digest_of, id, err);
	return r;
}

static int merge(struct og_session *session, const struct og_record *record, struct og_err *err)
{
	struct og_digest diff_ids[OG_MERGE_LAYERS_MAX], chain_id;
	const int *fds = session->store->folder_fds;
	struct og_file_name name;
	bool exists = false;
	int r;

	if (record->layer_count == 0)
		return 0;
	if (record->layer_count > OG_MERGE_LAYERS_MAX)
		return og_fail_plain(err, -E2BIG, "over %d layers", OG_MERGE_LAYERS_MAX);
	for (size_t i = 0; i < record->layer_count; i++)
		diff_ids[i] = record->layers[i].diff_id;
	r = og_chain_id(diff_ids, record->layer_count, &chain_id, err);
	if (r < 0)
		return r;
	name = og_file_name(OG_FOLDER_MERGED, &chain_id);
	r = og_session_pin(session, &name, &exists, err);
	if (r < 0 || exists)
		return r;
	return og_merge_layers(fds[OG_FOLDER_LAYERS], fds[OG_FOLDER_MERGED], diff_ids,
			       record->layer_count, NULL, err);
}

static int write_record(struct og_db *db, const struct og_record *record,
			const struct og_naming *naming, struct og_err *err)
{
	struct og_digest_text id = og_digest_format(&record->id);
	bool known = false;
	int r = og_catalog_has_image(db, id.text, &known, err);

	if (r == 0 && !known)
		r = og_catalog_add(db, record, err);
	return r < 0 ? r : set_names(db, id.text, naming, err);
}

/* With the lock held: all or nothing. */
static int transact(struct og_db *db, const struct og_record *record,
		    const struct og_naming *naming, struct og_err *err)
{
	int r = og_db_begin(db, err);

	if (r < 0)
		return r;
	r = write_record(db, record, naming, err);
	if (r == 0)
		r = og_db_commit(db, err);
	if (r < 0)
		og_db_rollback(db);
	return r;
}

int og_images_commit(struct og_images *images, struct og_session *session,
		     const struct og_record *record, const struct og_naming *naming,
		     struct og_err *err)
{
	int r = merge(session, record, err);

	if (r < 0)
		return og_fail_in(err, r, "join the layers");
	(void)pthread_mutex_lock(&images->store.lock);
	r = transact(images->store.db, record, naming, err);
	(void)pthread_mutex_unlock(&images->store.lock);
	return r;
}

int og_images_name(struct og_images *images, const char *id, const struct og_naming *naming,
		   struct og_err *err)
{
	struct og_db *db = images->store.db;
	bool known = false;
	int r;

	(void)pthread_mutex_lock(&images->store.lock);
	r = og_catalog_has_image(db, id, &known, err);
	if (r == 0 && !known)
		r = og_fail_plain(err, -ENOENT, "No such image: %s", id);
	if (r == 0)
		r = og_db_begin(db, err);
	if (r == 0) {
		r = set_names(db, id, naming, err);
		if (r == 0)
			r = og_db_commit(db, err);
		if (r < 0)
			og_db_rollback(db);
	}
	(void)pthread_mutex_unlock(&images->store.lock);
	return r;
}

int og_images_tag(struct og_images *images, const char *source, const char *target,
		  struct og_err *err)
{
	struct og_image_id id;
	struct og_imageref ref;
	struct og_naming naming = { .tag = &ref };
	int r = og_imageref_parse(target, &ref, err);

	if (r < 0)
		return r;
	if (ref.has_digest)
		return og_fail_plain(err, -EINVAL,
				     "refusing to create a tag with a digest reference");
	(void)pthread_mutex_lock(&images->store.lock);
	r = og_images_resolve(images, source, &id, err);
	(void)pthread_mutex_unlock(&images->store.lock);
	return r < 0 ? r : og_images_name(images, id.text, &naming, err);
}

/* ---- documents ---- */

static struct og_json *make_descriptor(const char *media_type, const struct og_digest *digest,
				       uint64_t size)
{
	struct og_json *descriptor = og_json_new_object();

	og_json_set_string(descriptor, "mediaType", media_type);
	og_json_set_string(descriptor, "digest", og_digest_format(digest).text);
	og_json_set(descriptor, "size", og_json_new_uint(size));
	return descriptor;
}

char *og_make_manifest(const struct og_record *record, uint64_t config_bytes)
{
	og_cleanup(og_json_freep) struct og_json *root = og_json_new_object();
	struct og_json *layers = og_json_new_array();

	og_json_set_int(root, "schemaVersion", 2);
	og_json_set_string(root, "mediaType", OG_MEDIA_OCI_MANIFEST);
	og_json_set(root, "config",
		    make_descriptor(OG_MEDIA_OCI_CONFIG, &record->id, config_bytes));
	for (size_t i = 0; i < record->layer_count; i++)
		og_json_push(layers,
			     make_descriptor(record->layers[i].media_type, &record->layers[i].blob,
					     record->layers[i].blob_bytes));
	og_json_set(root, "layers", layers);
	return og_json_write(root);
}

int og_images_put_documents(struct og_session *session, const char *config, size_t config_len,
			    struct og_record *record, struct og_err *err)
{
	og_auto_free char *manifest = NULL;
	int r = og_blob_put(session, config, config_len, &record->id, err);

	if (r < 0)
		return r;
	manifest = og_make_manifest(record, config_len);
	return og_blob_put(session, manifest, strlen(manifest), &record->manifest, err);
}

int og_session_pin_record(struct og_session *session, const struct og_record *record,
			  struct og_err *err)
{
	struct og_file_name name = og_file_name(OG_FOLDER_BLOBS, &record->id);
	bool exists = false;
	int r = og_session_pin(session, &name, &exists, err);

	for (size_t i = 0; i < record->layer_count && r == 0 && exists; i++) {
		name = og_layer_blob_name(&record->layers[i].blob, &record->layers[i].diff_id);
		r = og_session_pin(session, &name, &exists, err);
		if (r < 0 || !exists)
			break;
		name = og_file_name(OG_FOLDER_LAYERS, &record->layers[i].diff_id);
		r = og_session_pin(session, &name, &exists, err);
	}
	if (r == 0 && !exists)
		return og_fail_plain(err, -ENOENT, "'%s' is gone", name.text);
	return r;
}

static const struct {
	const char *docker, *oci;
} media_types[] = {
	{ OG_MEDIA_DOCKER_LAYER, OG_MEDIA_OCI_LAYER_GZIP },
	{ "application/vnd.docker.image.rootfs.diff.tar", OG_MEDIA_OCI_LAYER },
	{ "application/vnd.docker.image.rootfs.diff.tar.zstd", OG_MEDIA_OCI_LAYER_ZSTD },
};

char *og_make_oci_manifest(struct og_record *record, uint64_t config_bytes)
{
	for (size_t i = 0; i < record->layer_count; i++) {
		struct og_record_layer *layer = &record->layers[i];

		for (size_t j = 0; j < sizeof(media_types) / sizeof(media_types[0]); j++)
			if (og_streq(layer->media_type, media_types[j].docker))
				(void)snprintf(layer->media_type, sizeof(layer->media_type), "%s",
					       media_types[j].oci);
	}
	return og_make_manifest(record, config_bytes);
}
