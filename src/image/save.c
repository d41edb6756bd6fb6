/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes images as an OCI layout in a tar, which with a manifest.json beside index.json is also
 * Docker's archive. The same images give the same bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "base/io.h"
#include "base/text.h"
#include "format/tar_write.h"
#include "image/parts.h"
#include "image/recipe.h"

#define COPY_BYTES (256U << 10)

/* One image to be written, with the names asked for. */
struct saved {
	struct og_record record;  /* owned */
	struct og_imageref *tags; /* owned */
	size_t tag_count;
	char *manifest; /* text; owned */
	struct og_digest manifest_digest;
	uint64_t config_bytes;
};

struct save {
	struct og_images *images;
	struct og_session session;
	struct saved *items; /* owned */
	size_t count;
	struct og_digest *written; /* blobs; owned */
	size_t written_count;
	og_sink_fn *write;
	void *write_data;
};

static void save_done(struct save *save)
{
	for (size_t i = 0; i < save->count; i++) {
		og_record_done(&save->items[i].record);
		free(save->items[i].tags);
		free(save->items[i].manifest);
	}
	free(save->items);
	free(save->written);
	og_session_end(&save->session);
}

/* ---- what to save ---- */

/* The item for the image @id, made when there is none yet. */
static int get_item(struct save *save, const char *id, struct saved **ret_item, struct og_err *err)
{
	struct og_digest digest;
	int r;

	if (og_digest_parse(id, &digest) < 0)
		return og_fail_plain(err, -EUCLEAN, "database: bad ID");
	for (size_t i = 0; i < save->count; i++) {
		if (og_digest_equal(&save->items[i].record.id, &digest)) {
			*ret_item = &save->items[i];
			return 0;
		}
	}
	if (og_grow(save->items, save->count) < 0)
		return og_fail(err, -ENOMEM, "no memory");
	save->items[save->count] = (struct saved){};
	(void)pthread_mutex_lock(&save->images->store.lock);
	r = og_catalog_read(save->images->store.db, id, &save->items[save->count].record, err);
	(void)pthread_mutex_unlock(&save->images->store.lock);
	if (r == 0)
		r = og_session_pin_record(&save->session, &save->items[save->count++].record, err);
	*ret_item = &save->items[save->count - 1];
	return r;
}

static int add_tag(struct saved *item, const struct og_imageref *ref, struct og_err *err)
{
	if (og_grow(item->tags, item->tag_count) < 0)
		return og_fail(err, -ENOMEM, "no memory");
	item->tags[item->tag_count++] = *ref;
	return 0;
}

static int add_name(struct save *save, const char *name, struct og_err *err)
{
	struct og_db *db = save->images->store.db;
	struct og_image_id id, by_name;
	struct saved *item = NULL;
	struct og_imageref ref;
	bool tagged;
	int r;

	(void)pthread_mutex_lock(&save->images->store.lock);
	r = og_images_resolve(save->images, name, &id, err);
	tagged = r == 0 && og_imageref_parse(name, &ref, NULL) == 0 && !ref.has_digest &&
		 og_catalog_find(db, &ref, &by_name, NULL) > 0;
	(void)pthread_mutex_unlock(&save->images->store.lock);
	if (r == 0)
		r = get_item(save, id.text, &item, err);
	return r < 0 || !tagged ? r : add_tag(item, &ref, err);
}

/* ---- documents ---- */

static int make_manifest(struct saved *item, struct og_err *err)
{
	item->manifest = og_make_oci_manifest(&item->record, item->config_bytes);
	if (item->manifest == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	return og_digest_of(item->manifest, strlen(item->manifest), &item->manifest_digest, err);
}

static struct og_json *make_entry(const struct saved *item, const struct og_imageref *tag)
{
	struct og_json *entry = og_json_new_object();

	og_json_set_string(entry, "mediaType", OG_MEDIA_OCI_MANIFEST);
	og_json_set_string(entry, "digest", og_digest_format(&item->manifest_digest).text);
	og_json_set(entry, "size", og_json_new_uint(strlen(item->manifest)));
	if (tag != NULL) {
		struct og_json *annotations = og_json_new_object();
		char name[OG_IMAGEREF_TEXT_MAX];

		(void)snprintf(name, sizeof(name), "%s/%s:%s", tag->domain, tag->path, tag->tag);
		og_json_set_string(annotations, "io.containerd.image.name", name);
		og_json_set_string(annotations, "org.opencontainers.image.ref.name", tag->tag);
		og_json_set(entry, "annotations", annotations);
	}
	return entry;
}

static char *make_index(const struct save *save)
{
	og_cleanup(og_json_freep) struct og_json *root = og_json_new_object();
	struct og_json *manifests = og_json_new_array();

	og_json_set_int(root, "schemaVersion", 2);
	og_json_set_string(root, "mediaType", OG_MEDIA_OCI_INDEX);
	for (size_t i = 0; i < save->count; i++) {
		const struct saved *item = &save->items[i];

		if (item->tag_count == 0)
			og_json_push(manifests, make_entry(item, NULL));
		for (size_t j = 0; j < item->tag_count; j++)
			og_json_push(manifests, make_entry(item, &item->tags[j]));
	}
	og_json_set(root, "manifests", manifests);
	return og_json_write(root);
}

static struct og_json *blob_path(const struct og_digest *digest)
{
	return og_json_new_string(og_file_name(OG_FOLDER_BLOBS, digest).text);
}

static char *make_docker_manifest(const struct save *save)
{
	og_cleanup(og_json_freep) struct og_json *root = og_json_new_array();

	for (size_t i = 0; i < save->count; i++) {
		const struct saved *item = &save->items[i];
		struct og_json *entry = og_json_new_object();
		struct og_json *tags = og_json_new_array();
		struct og_json *layers = og_json_new_array();

		for (size_t j = 0; j < item->tag_count; j++)
			og_json_push(tags,
				     og_json_new_string(og_imageref_format(&item->tags[j]).text));
		for (size_t j = 0; j < item->record.layer_count; j++)
			og_json_push(layers, blob_path(&item->record.layers[j].blob));
		og_json_set(entry, "Config", blob_path(&item->record.id));
		og_json_set(entry, "RepoTags", tags);
		og_json_set(entry, "Layers", layers);
		og_json_push(root, entry);
	}
	return og_json_write(root);
}

/* ---- writing ---- */

static int put(struct save *save, const void *buf, size_t len, struct og_err *err)
{
	int r = len > 0 ? save->write(save->write_data, buf, len) : 0;

	return r < 0 ? og_fail(err, r, "write the archive") : 0;
}

static int put_header(struct save *save, const char *name, bool directory, uint64_t size,
		      struct og_err *err)
{
	uint8_t block[OG_TAR_BLOCK_BYTES];

	og_tar_header(block, name, directory, size);
	return put(save, block, sizeof(block), err);
}

static int put_padding(struct save *save, uint64_t size, struct og_err *err)
{
	static const uint8_t zeros[OG_TAR_BLOCK_BYTES];

	return put(save, zeros, (size_t)(-size % OG_TAR_BLOCK_BYTES), err);
}

static int put_text(struct save *save, const char *name, const char *text, struct og_err *err)
{
	int r = put_header(save, name, false, strlen(text), err);

	if (r == 0)
		r = put(save, text, strlen(text), err);
	return r < 0 ? r : put_padding(save, strlen(text), err);
}

/* Is the blob in the archive already? Notes that it is from now on. */
static bool was_written(struct save *save, const struct og_digest *digest)
{
	for (size_t i = 0; i < save->written_count; i++)
		if (og_digest_equal(&save->written[i], digest))
			return true;
	save->written[save->written_count++] = *digest;
	return false;
}

/* The layer's files may have changed under us (a broken disk): what goes out must be the blob. */
static int check_copy(struct og_sha256 *sha256, const struct og_digest *digest, struct og_err *err)
{
	struct og_digest got;

	og_sha256_finish(sha256, got.sha256);
	if (og_digest_equal(&got, digest))
		return 0;
	return og_fail_plain(err, -EUCLEAN,
			     "blob %.12s is damaged in the store; remove its image and get it anew",
			     og_digest_hex(digest).text);
}

static int copy_blob(struct save *save, struct og_blob_reader *reader,
		     const struct og_digest *digest, struct og_err *err)
{
	og_cleanup(og_sha256_freep) struct og_sha256 *sha256 = NULL;
	og_auto_free char *buf = malloc(COPY_BYTES);
	int r = og_sha256_new(&sha256, err);

	if (buf == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	while (r == 0) {
		ssize_t n = og_blob_reader_read(reader, buf, COPY_BYTES, err);

		if (n <= 0)
			return n < 0 ? (int)n : check_copy(sha256, digest, err);
		r = og_sha256_add(sha256, buf, (size_t)n, err);
		if (r == 0)
			r = put(save, buf, (size_t)n, err);
	}
	return r;
}

static int put_blob(struct save *save, const struct og_digest *digest, struct og_err *err)
{
	og_cleanup(og_blob_reader_freep) struct og_blob_reader *reader = NULL;
	uint64_t size;
	int r;

	if (was_written(save, digest))
		return 0;
	r = og_blob_reader_new(&save->images->store, digest, &reader, err);
	if (r < 0)
		return r;
	size = og_blob_reader_size(reader);
	r = put_header(save, og_file_name(OG_FOLDER_BLOBS, digest).text, false, size, err);
	if (r == 0)
		r = copy_blob(save, reader, digest, err);
	return r < 0 ? r : put_padding(save, size, err);
}

static int put_image(struct save *save, const struct saved *item, struct og_err *err)
{
	int r = put_blob(save, &item->record.id, err);

	for (size_t i = 0; i < item->record.layer_count && r == 0; i++)
		r = put_blob(save, &item->record.layers[i].blob, err);
	if (r == 0 && !was_written(save, &item->manifest_digest))
		r = put_text(save, og_file_name(OG_FOLDER_BLOBS, &item->manifest_digest).text,
			     item->manifest, err);
	return r;
}

static int prepare(struct save *save, struct og_err *err)
{
	size_t blobs = 0;
	int r = 0;

	for (size_t i = 0; i < save->count && r == 0; i++) {
		struct saved *item = &save->items[i];
		og_cleanup(og_blob_reader_freep) struct og_blob_reader *config = NULL;

		r = og_blob_reader_new(&save->images->store, &item->record.id, &config, err);
		if (r < 0)
			return r;
		item->config_bytes = og_blob_reader_size(config);
		r = make_manifest(item, err);
		blobs += item->record.layer_count + 2;
	}
	save->written = calloc(blobs > 0 ? blobs : 1, sizeof(*save->written));
	if (r == 0 && save->written == NULL)
		r = og_fail(err, -ENOMEM, "no memory");
	return r;
}

static int write_all(struct save *save, enum og_archive_format format, struct og_err *err)
{
	static const uint8_t end[2 * OG_TAR_BLOCK_BYTES];
	og_auto_free char *index = make_index(save);
	og_auto_free char *manifest = make_docker_manifest(save);
	int r = put_header(save, "blobs/", true, 0, err);

	if (r == 0)
		r = put_header(save, "blobs/sha256/", true, 0, err);
	for (size_t i = 0; i < save->count && r == 0; i++)
		r = put_image(save, &save->items[i], err);
	if (r == 0)
		r = put_text(save, "index.json", index, err);
	if (r == 0 && format == OG_ARCHIVE_DOCKER)
		r = put_text(save, "manifest.json", manifest, err);
	if (r == 0)
		r = put_text(save, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}", err);
	return r < 0 ? r : put(save, end, sizeof(end), err);
}

int og_images_save(struct og_images *images, const char *const *names,
		   enum og_archive_format format, og_sink_fn *write, void *write_data,
		   struct og_err *err)
{
	og_cleanup(save_done) struct save save = { .images = images,
						   .write = write,
						   .write_data = write_data };
	int r = og_session_begin(&images->store, &save.session, err);

	for (size_t i = 0; names[i] != NULL && r == 0; i++)
		r = add_name(&save, names[i], err);
	if (r == 0)
		r = prepare(&save, err);
	return r < 0 ? r : write_all(&save, format, err);
}
