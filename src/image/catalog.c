/* SPDX-License-Identifier: Apache-2.0 */
#include "image/catalog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "base/text.h"
#include "image/merge.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* See og_db_open(): a released step never changes. */
static const char *const schema[] = {
	"CREATE TABLE images (id TEXT PRIMARY KEY, manifest TEXT NOT NULL, size INTEGER NOT NULL,"
	"  added INTEGER NOT NULL DEFAULT (unixepoch())) WITHOUT ROWID;"
	"CREATE TABLE layers (image TEXT NOT NULL REFERENCES images ON DELETE CASCADE,"
	"  position INTEGER NOT NULL, diff_id TEXT NOT NULL, blob TEXT NOT NULL,"
	"  media_type TEXT NOT NULL, blob_bytes INTEGER NOT NULL, bytes INTEGER NOT NULL,"
	"  PRIMARY KEY (image, position)) WITHOUT ROWID;"
	"CREATE TABLE files (image TEXT NOT NULL REFERENCES images ON DELETE CASCADE,"
	"  name TEXT NOT NULL, PRIMARY KEY (image, name)) WITHOUT ROWID;"
	"CREATE INDEX files_by_name ON files (name);"
	"CREATE TABLE tags (repository TEXT NOT NULL, tag TEXT NOT NULL,"
	"  image TEXT NOT NULL REFERENCES images ON DELETE CASCADE,"
	"  PRIMARY KEY (repository, tag)) WITHOUT ROWID;"
	"CREATE INDEX tags_by_image ON tags (image);"
	"CREATE TABLE digests (repository TEXT NOT NULL, digest TEXT NOT NULL,"
	"  image TEXT NOT NULL REFERENCES images ON DELETE CASCADE,"
	"  PRIMARY KEY (repository, digest)) WITHOUT ROWID;"
	"CREATE INDEX digests_by_image ON digests (image);",
};

int og_catalog_open(int root_fd, struct og_db **ret_db, struct og_err *err)
{
	return og_db_open(root_fd, "images.db", schema, COUNT_OF(schema), ret_db, err);
}

void og_record_done(struct og_record *record)
{
	free(record->layers);
	*record = (struct og_record){};
}

static int has(struct og_db *db, const char *sql, const char *value, bool *ret_known,
	       struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	int r = og_db_query(db, &query, err, sql, "s", value);

	if (r == 0)
		r = og_query_next(query, err);
	if (r < 0)
		return r;
	*ret_known = r > 0;
	return 0;
}

int og_catalog_has_file(struct og_db *db, const char *name, bool *ret_known, struct og_err *err)
{
	return has(db, "SELECT 1 FROM files WHERE name = ? LIMIT 1", name, ret_known, err);
}

int og_catalog_has_image(struct og_db *db, const char *id, bool *ret_known, struct og_err *err)
{
	return has(db, "SELECT 1 FROM images WHERE id = ?", id, ret_known, err);
}

int og_catalog_layer_bytes(struct og_db *db, const struct og_digest *blob,
			   const struct og_digest *diff_id, uint64_t *ret_bytes, struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	struct og_digest_text blob_text = og_digest_format(blob);
	struct og_digest_text text = og_digest_format(diff_id);
	int r = og_db_query(db, &query, err,
			    "SELECT bytes FROM layers WHERE diff_id = ? AND blob = ? LIMIT 1", "ss",
			    text.text, blob_text.text);

	if (r == 0)
		r = og_query_next(query, err);
	if (r > 0)
		*ret_bytes = (uint64_t)og_query_int(query, 0);
	return r;
}

/* ---- adding ---- */

static int add_file(struct og_db *db, const char *id, const char *name, struct og_err *err)
{
	return og_db_run(db, err, "INSERT OR IGNORE INTO files (image, name) VALUES (?, ?)", "ss",
			 id, name);
}

static int add_file_of(struct og_db *db, const char *id, enum og_folder folder,
		       const struct og_digest *digest, struct og_err *err)
{
	return add_file(db, id, og_file_name(folder, digest).text, err);
}

static int add_layer(struct og_db *db, const char *id, int64_t position,
		     const struct og_record_layer *layer, struct og_err *err)
{
	struct og_digest_text diff_id = og_digest_format(&layer->diff_id);
	struct og_digest_text blob = og_digest_format(&layer->blob);
	int r = og_db_run(db, err, "INSERT INTO layers VALUES (?, ?, ?, ?, ?, ?, ?)", "sisssii", id,
			  position, diff_id.text, blob.text, layer->media_type,
			  (int64_t)layer->blob_bytes, (int64_t)layer->bytes);

	if (r == 0)
		r = add_file(db, id, og_layer_blob_name(&layer->blob, &layer->diff_id).text, err);
	if (r == 0)
		r = add_file_of(db, id, OG_FOLDER_LAYERS, &layer->diff_id, err);
	return r;
}

static int add_merged(struct og_db *db, const char *id, const struct og_record *record,
		      struct og_err *err)
{
	struct og_digest diff_ids[OG_MERGE_LAYERS_MAX], chain_id;
	int r;

	if (record->layer_count == 0 || record->layer_count > OG_MERGE_LAYERS_MAX)
		return record->layer_count == 0 ? 0 : -E2BIG;
	for (size_t i = 0; i < record->layer_count; i++)
		diff_ids[i] = record->layers[i].diff_id;
	r = og_chain_id(diff_ids, record->layer_count, &chain_id, err);
	return r < 0 ? r : add_file_of(db, id, OG_FOLDER_MERGED, &chain_id, err);
}

int og_catalog_add(struct og_db *db, const struct og_record *record, struct og_err *err)
{
	struct og_digest_text id = og_digest_format(&record->id);
	struct og_digest_text manifest = og_digest_format(&record->manifest);
	int r = og_db_run(db, err, "INSERT INTO images (id, manifest, size) VALUES (?, ?, ?)",
			  "ssi", id.text, manifest.text, (int64_t)record->size);

	if (r == 0)
		r = add_file_of(db, id.text, OG_FOLDER_BLOBS, &record->id, err);
	if (r == 0)
		r = add_file_of(db, id.text, OG_FOLDER_BLOBS, &record->manifest, err);
	for (size_t i = 0; i < record->layer_count && r == 0; i++)
		r = add_layer(db, id.text, (int64_t)i, &record->layers[i], err);
	return r < 0 ? r : add_merged(db, id.text, record, err);
}

int og_catalog_set_tag(struct og_db *db, const char *repository, const char *tag, const char *id,
		       struct og_err *err)
{
	return og_db_run(db, err, "INSERT OR REPLACE INTO tags VALUES (?, ?, ?)", "sss", repository,
			 tag, id);
}

int og_catalog_set_digest(struct og_db *db, const char *repository, const struct og_digest *digest,
			  const char *id, struct og_err *err)
{
	struct og_digest_text text = og_digest_format(digest);

	return og_db_run(db, err, "INSERT OR REPLACE INTO digests VALUES (?, ?, ?)", "sss",
			 repository, text.text, id);
}

/* ---- reading ---- */

static int read_layer(struct og_query *query, struct og_record_layer *layer, struct og_err *err)
{
	if (og_digest_parse(og_query_text(query, 0), &layer->diff_id) < 0 ||
	    og_digest_parse(og_query_text(query, 1), &layer->blob) < 0)
		return og_fail_plain(err, -EUCLEAN, "database: a layer's record is damaged");
	(void)snprintf(layer->media_type, sizeof(layer->media_type), "%s", og_query_text(query, 2));
	layer->blob_bytes = (uint64_t)og_query_int(query, 3);
	layer->bytes = (uint64_t)og_query_int(query, 4);
	return 0;
}

int og_catalog_find_blob(struct og_db *db, const struct og_digest *blob,
			 struct og_record_layer *ret_layer, struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	struct og_digest_text text = og_digest_format(blob);
	int r = og_db_query(db, &query, err,
			    "SELECT diff_id, blob, media_type, blob_bytes, bytes FROM layers "
			    "WHERE blob = ? LIMIT 1",
			    "s", text.text);

	if (r == 0)
		r = og_query_next(query, err);
	if (r <= 0)
		return r;
	r = read_layer(query, ret_layer, err);
	return r < 0 ? r : 1;
}

static int read_layers(struct og_db *db, const char *id, struct og_record *record,
		       struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	int r;

	record->layers = calloc(OG_MERGE_LAYERS_MAX, sizeof(*record->layers));
	if (record->layers == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = og_db_query(db, &query, err,
			"SELECT diff_id, blob, media_type, blob_bytes, bytes FROM layers "
			"WHERE image = ? ORDER BY position",
			"s", id);
	if (r < 0)
		return r;
	while ((r = og_query_next(query, err)) > 0) {
		if (record->layer_count == OG_MERGE_LAYERS_MAX)
			return og_fail_plain(err, -EUCLEAN,
					     "database: an image of too many layers");
		r = read_layer(query, &record->layers[record->layer_count++], err);
		if (r < 0)
			return r;
	}
	return r;
}

int og_catalog_read(struct og_db *db, const char *id, struct og_record *ret_record,
		    struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	og_cleanup(og_record_done) struct og_record record = {};
	int r = og_db_query(db, &query, err, "SELECT manifest, size FROM images WHERE id = ?", "s",
			    id);

	if (r == 0)
		r = og_query_next(query, err);
	if (r <= 0)
		return r < 0 ? r : og_fail_plain(err, -ENOENT, "No such image: %s", id);
	if (og_digest_parse(id, &record.id) < 0 ||
	    og_digest_parse(og_query_text(query, 0), &record.manifest) < 0)
		return og_fail_plain(err, -EUCLEAN, "database: an image's record is damaged");
	record.size = (uint64_t)og_query_int(query, 1);
	r = read_layers(db, id, &record, err);
	if (r < 0)
		return r;
	*ret_record = record;
	record = (struct og_record){};
	return 0;
}

static void set_id(struct og_image_id *id, const char *text)
{
	(void)snprintf(id->text, sizeof(id->text), "%s", text);
}

int og_catalog_find(struct og_db *db, const struct og_imageref *ref, struct og_image_id *ret_id,
		    struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	struct og_imageref_text repository = og_imageref_name(ref);
	struct og_digest_text digest = og_digest_format(&ref->digest);
	int r;

	if (ref->has_digest)
		r = og_db_query(db, &query, err,
				"SELECT image FROM digests WHERE repository = ? AND digest = ?",
				"ss", repository.text, digest.text);
	else
		r = og_db_query(db, &query, err,
				"SELECT image FROM tags WHERE repository = ? AND tag = ?", "ss",
				repository.text, ref->tag);
	if (r == 0)
		r = og_query_next(query, err);
	if (r > 0)
		set_id(ret_id, og_query_text(query, 0));
	return r;
}

int og_catalog_find_prefix(struct og_db *db, const char *hex, struct og_image_id *ret_id,
			   struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	og_auto_free char *from = og_strdupf(OG_DIGEST_PREFIX "%s", hex);
	og_auto_free char *to = og_strdupf(OG_DIGEST_PREFIX "%sg", hex);
	int count = 0;
	int r;

	if (from == NULL || to == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = og_db_query(db, &query, err, "SELECT id FROM images WHERE id >= ? AND id < ? LIMIT 2",
			"ss", from, to);
	while (r == 0 && (r = og_query_next(query, err)) > 0) {
		set_id(ret_id, og_query_text(query, 0));
		count++;
		r = 0;
		if (count == 2)
			break;
	}
	return r < 0 ? r : count;
}

int og_catalog_list(struct og_db *db, struct og_image_id **ret_ids, size_t *ret_count,
		    struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	og_auto_free struct og_image_id *ids = NULL;
	size_t count = 0;
	int r = og_db_query(db, &query, err, "SELECT id FROM images ORDER BY added DESC, id", "");

	while (r == 0 && (r = og_query_next(query, err)) > 0) {
		if (og_grow(ids, count) < 0)
			return og_fail(err, -ENOMEM, "no memory");
		set_id(&ids[count++], og_query_text(query, 0));
		r = 0;
	}
	if (r < 0)
		return r;
	*ret_ids = og_take_ptr(ids);
	*ret_count = count;
	return 0;
}

/* Puts "repository@x" or "repository:x" into the words people use. */
static char *familiar(const char *repository, const char *mark, const char *rest)
{
	og_auto_free char *text = og_strdupf("%s%s%s", repository, mark, rest);
	struct og_imageref ref;

	if (text == NULL || og_imageref_parse(text, &ref, NULL) < 0)
		return og_take_ptr(text);
	return strdup(og_imageref_format(&ref).text);
}

static int names(struct og_db *db, const char *sql, const char *mark, const char *id,
		 char ***ret_names, struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	og_cleanup(og_strv_freep) char **list = NULL;
	size_t count = 0;
	int r;

	if (og_grow(list, 0) < 0)
		return og_fail(err, -ENOMEM, "no memory");
	list[0] = NULL;
	r = og_db_query(db, &query, err, sql, "s", id);
	while (r == 0 && (r = og_query_next(query, err)) > 0) {
		if (og_grow(list, count + 1) < 0)
			return og_fail(err, -ENOMEM, "no memory");
		list[count + 1] = NULL;
		list[count] = familiar(og_query_text(query, 0), mark, og_query_text(query, 1));
		if (list[count++] == NULL)
			return og_fail(err, -ENOMEM, "no memory");
		r = 0;
	}
	if (r < 0)
		return r;
	*ret_names = og_take_ptr(list);
	return 0;
}

int og_catalog_tags(struct og_db *db, const char *id, char ***ret_tags, struct og_err *err)
{
	return names(db, "SELECT repository, tag FROM tags WHERE image = ? ORDER BY 1, 2", ":", id,
		     ret_tags, err);
}

int og_catalog_digests(struct og_db *db, const char *id, char ***ret_digests, struct og_err *err)
{
	return names(db, "SELECT repository, digest FROM digests WHERE image = ? ORDER BY 1, 2",
		     "@", id, ret_digests, err);
}

/* ---- removing ---- */

int og_catalog_unset_tag(struct og_db *db, const struct og_imageref *ref, struct og_err *err)
{
	struct og_imageref_text repository = og_imageref_name(ref);
	int r = og_db_run(db, err, "DELETE FROM tags WHERE repository = ? AND tag = ?", "ss",
			  repository.text, ref->tag);

	return r < 0 ? r : (int)og_db_changes(db);
}

int og_catalog_unset_digest(struct og_db *db, const struct og_imageref *ref, struct og_err *err)
{
	struct og_imageref_text repository = og_imageref_name(ref);
	struct og_digest_text digest = og_digest_format(&ref->digest);
	int r = og_db_run(db, err, "DELETE FROM digests WHERE repository = ? AND digest = ?", "ss",
			  repository.text, digest.text);

	return r < 0 ? r : (int)og_db_changes(db);
}

int og_catalog_unset_stray_digests(struct og_db *db, const char *id, struct og_err *err)
{
	return og_db_run(db, err,
			 "DELETE FROM digests WHERE image = ?1 AND repository NOT IN "
			 "(SELECT repository FROM tags WHERE image = ?1)",
			 "s", id);
}

int og_catalog_remove(struct og_db *db, const char *id, struct og_file_name **ret_files,
		      size_t *ret_count, struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	og_auto_free struct og_file_name *files = NULL;
	size_t count = 0;
	int r = og_db_query(db, &query, err, "SELECT name FROM files WHERE image = ?", "s", id);

	while (r == 0 && (r = og_query_next(query, err)) > 0) {
		if (og_grow(files, count) < 0)
			return og_fail(err, -ENOMEM, "no memory");
		(void)snprintf(files[count].text, sizeof(files[count].text), "%s",
			       og_query_text(query, 0));
		count++;
		r = 0;
	}
	query = og_query_free(query);
	if (r == 0)
		r = og_db_run(db, err, "DELETE FROM images WHERE id = ?", "s", id);
	if (r < 0)
		return r;
	*ret_files = og_take_ptr(files);
	*ret_count = count;
	return 0;
}
