/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/records.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* So many share one flush at most: the first of them waits for the last. */
#define SHARE_MAX 64

/* Results of flushes, for those who wake up late. */
#define RESULTS 64

/* See og_db_open(): a released step never changes. */
static const char *const schema[] = {
	"CREATE TABLE secret (key TEXT NOT NULL);"
	"INSERT INTO secret VALUES (lower(hex(randomblob(32))));"
	"CREATE TABLE repositories (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
	/* dying: nobody has it any more, its file is being removed */
	"CREATE TABLE blobs (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE,"
	"  bytes INTEGER NOT NULL, dying INTEGER NOT NULL DEFAULT 0);"
	"CREATE INDEX blobs_dying ON blobs (dying) WHERE dying != 0;"
	"CREATE TABLE links (repository INTEGER NOT NULL, blob INTEGER NOT NULL,"
	"  at INTEGER NOT NULL, PRIMARY KEY (repository, blob)) WITHOUT ROWID;"
	"CREATE INDEX links_by_blob ON links (blob);"
	/* A manifest is a blob, which only this row holds. */
	"CREATE TABLE manifests (id INTEGER PRIMARY KEY, repository INTEGER NOT NULL,"
	"  blob INTEGER NOT NULL, media_type TEXT NOT NULL, artifact_type TEXT NOT NULL,"
	"  subject TEXT, annotations TEXT, depth INTEGER NOT NULL, at INTEGER NOT NULL,"
	"  UNIQUE (repository, blob));"
	"CREATE INDEX manifests_by_blob ON manifests (blob);"
	"CREATE INDEX manifests_by_subject ON manifests (repository, subject, id)"
	"  WHERE subject IS NOT NULL;"
	"CREATE TABLE refs (manifest INTEGER NOT NULL REFERENCES manifests ON DELETE CASCADE,"
	"  target TEXT NOT NULL, repository INTEGER NOT NULL,"
	"  PRIMARY KEY (manifest, target)) WITHOUT ROWID;"
	"CREATE INDEX refs_by_target ON refs (target, repository);"
	"CREATE TABLE tags (repository INTEGER NOT NULL, name TEXT NOT NULL,"
	"  manifest INTEGER NOT NULL REFERENCES manifests ON DELETE CASCADE,"
	"  at INTEGER NOT NULL, pulled_at INTEGER NOT NULL DEFAULT 0,"
	"  PRIMARY KEY (repository, name)) WITHOUT ROWID;"
	"CREATE INDEX tags_by_manifest ON tags (manifest);",
};

struct og_records {
	struct og_db *writer, *reader; /* owned */
	uint8_t key[OG_RECORDS_KEY_BYTES];
	pthread_mutex_t reading;

	pthread_mutex_t lock; /* over the writer and all below */
	pthread_cond_t flushed;
	atomic_uint waiting; /* writers who wait for the lock */
	bool open;	     /* there is a transaction */
	bool dirty;
	bool alone;
	unsigned sharing; /* writers in it */
	uint64_t flush;	  /* number of the next commit */
	int results[RESULTS];
	atomic_uint_fast64_t changes;
};

static int read_key(struct og_records *records, struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	const char *hex;
	int r = og_db_query(records->writer, &query, err, "SELECT key FROM secret", "");

	if (r == 0)
		r = og_query_next(query, err);
	if (r < 0)
		return r;
	hex = r > 0 ? og_query_text(query, 0) : "";
	if (strlen(hex) != 2 * OG_RECORDS_KEY_BYTES)
		return og_fail(err, -EUCLEAN, "database: it has no key");
	for (size_t i = 0; i < OG_RECORDS_KEY_BYTES; i++) {
		const char pair[] = { hex[2 * i], hex[2 * i + 1], '\0' };

		records->key[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return 0;
}

int og_records_open(int root_fd, struct og_records **ret_records, struct og_err *err)
{
	og_cleanup(og_records_freep) struct og_records *records = calloc(1, sizeof(*records));
	const size_t steps = sizeof(schema) / sizeof(schema[0]);
	int r;

	if (records == NULL)
		return og_fail(err, -ENOMEM, "open the records");
	(void)pthread_mutex_init(&records->reading, NULL);
	(void)pthread_mutex_init(&records->lock, NULL);
	(void)pthread_cond_init(&records->flushed, NULL);
	r = og_db_open(root_fd, "registry.db", schema, steps, &records->writer, err);
	if (r == 0)
		r = og_db_open(root_fd, "registry.db", schema, steps, &records->reader, err);
	if (r == 0)
		r = read_key(records, err);
	if (r < 0)
		return r;
	*ret_records = og_take_ptr(records);
	return 0;
}

struct og_records *og_records_free(struct og_records *records)
{
	if (records == NULL)
		return NULL;
	(void)og_db_free(records->reader);
	(void)og_db_free(records->writer);
	(void)pthread_cond_destroy(&records->flushed);
	(void)pthread_mutex_destroy(&records->lock);
	(void)pthread_mutex_destroy(&records->reading);
	free(records);
	return NULL;
}

const uint8_t *og_records_key(const struct og_records *records)
{
	return records->key;
}

uint64_t og_records_changes(struct og_records *records)
{
	return atomic_load(&records->changes);
}

struct og_db *og_records_db(struct og_records *records)
{
	return records->writer;
}

struct og_db *og_records_read(struct og_records *records)
{
	(void)pthread_mutex_lock(&records->reading);
	return records->reader;
}

void og_records_unread(struct og_records *records)
{
	(void)pthread_mutex_unlock(&records->reading);
}

/* ---- turns ---- */

/* With the lock held. */
static int flush(struct og_records *records, struct og_err *err)
{
	int r = og_db_commit(records->writer, err);

	if (r < 0)
		og_db_rollback(records->writer);
	else if (records->dirty)
		(void)atomic_fetch_add(&records->changes, 1);
	records->results[records->flush % RESULTS] = r;
	records->flush++;
	records->open = records->dirty = records->alone = false;
	records->sharing = 0;
	(void)pthread_cond_broadcast(&records->flushed);
	return r;
}

int og_records_begin(struct og_records *records, bool alone, struct og_err *err)
{
	int r = 0;

	(void)atomic_fetch_add(&records->waiting, 1);
	(void)pthread_mutex_lock(&records->lock);
	(void)atomic_fetch_sub(&records->waiting, 1);
	if (alone && records->open)
		(void)flush(records, NULL); /* those who wait for it hear how it went */
	if (!records->open)
		r = og_db_begin(records->writer, err);
	if (r == 0) {
		records->open = true;
		r = og_db_exec(records->writer, "SAVEPOINT turn", err);
	}
	if (r < 0) {
		/* Those before left the commit to us. */
		if (records->open && atomic_load(&records->waiting) == 0)
			(void)flush(records, NULL);
		(void)pthread_mutex_unlock(&records->lock);
		return r;
	}
	records->alone = alone;
	records->sharing++;
	return 0;
}

int og_records_end(struct og_records *records, int r, struct og_err *err)
{
	uint64_t mine = records->flush;
	bool last;

	if (r < 0) {
		(void)og_db_exec(records->writer, "ROLLBACK TO turn; RELEASE turn", NULL);
	} else {
		int released = og_db_exec(records->writer, "RELEASE turn", err);

		r = released < 0 ? released : r;
		records->dirty = true;
	}
	last = records->alone || records->sharing >= SHARE_MAX ||
	       atomic_load(&records->waiting) == 0;
	if (last) {
		int flushed = flush(records, r < 0 ? NULL : err);

		r = r < 0 ? r : flushed;
	} else if (r >= 0 || r == -EAGAIN) {
		/* Who is to look again must find what came first. */
		while (records->flush == mine)
			(void)pthread_cond_wait(&records->flushed, &records->lock);
		if (r >= 0)
			r = records->results[mine % RESULTS];
		if (r < 0 && r != -EAGAIN)
			r = og_fail(err, r, "database: the commit failed");
	}
	(void)pthread_mutex_unlock(&records->lock);
	return r;
}

/* ---- blobs ---- */

static int find_id(struct og_db *db, const char *sql, const char *text, int64_t *ret_id,
		   struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	int r = og_db_query(db, &query, err, sql, "s", text);

	if (r == 0)
		r = og_query_next(query, err);
	if (r > 0)
		*ret_id = og_query_int(query, 0);
	return r;
}

static int find_repository(struct og_db *db, const char *name, int64_t *ret_id, struct og_err *err)
{
	return find_id(db, "SELECT id FROM repositories WHERE name = ?", name, ret_id, err);
}

static int make_repository(struct og_db *db, const char *name, int64_t *ret_id, struct og_err *err)
{
	int r = find_repository(db, name, ret_id, err);

	if (r != 0)
		return r < 0 ? r : 0;
	r = og_db_run(db, err, "INSERT INTO repositories (name) VALUES (?)", "s", name);
	if (r == 0)
		r = find_repository(db, name, ret_id, err);
	return r < 0 ? r : 0;
}

/* Also brings one back that was about to go: the caller has seen to its file. */
static int make_blob(struct og_db *db, const struct og_blob_digest *digest, uint64_t bytes,
		     int64_t *ret_id, struct og_err *err)
{
	int r = og_db_run(db, err,
			  "INSERT INTO blobs (digest, bytes) VALUES (?, ?)"
			  " ON CONFLICT (digest) DO UPDATE SET dying = 0, bytes = excluded.bytes"
			  " WHERE dying != 0 OR bytes != excluded.bytes",
			  "si", digest->text, (int64_t)bytes);

	if (r == 0)
		r = find_id(db, "SELECT id FROM blobs WHERE digest = ?", digest->text, ret_id, err);
	return r < 0 ? r : 0;
}

int og_records_link(struct og_db *db, const char *repository, const struct og_blob_digest *digest,
		    uint64_t bytes, int64_t now, struct og_err *err)
{
	int64_t repository_id = 0, blob_id = 0;
	int r = make_repository(db, repository, &repository_id, err);

	if (r == 0)
		r = make_blob(db, digest, bytes, &blob_id, err);
	if (r < 0)
		return r;
	return og_db_run(db, err,
			 "INSERT INTO links VALUES (?, ?, ?)"
			 " ON CONFLICT (repository, blob) DO UPDATE SET at = excluded.at",
			 "iii", repository_id, blob_id, now);
}

int og_records_find_link(struct og_db *db, const char *repository,
			 const struct og_blob_digest *digest, uint64_t *ret_bytes, int64_t *ret_at,
			 struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	int r = og_db_query(db, &query, err,
			    "SELECT b.bytes, l.at FROM blobs b, repositories r, links l"
			    " WHERE b.digest = ? AND b.dying = 0 AND r.name = ?"
			    " AND l.repository = r.id AND l.blob = b.id",
			    "ss", digest->text, repository);

	if (r == 0)
		r = og_query_next(query, err);
	if (r > 0 && ret_bytes != NULL)
		*ret_bytes = (uint64_t)og_query_int(query, 0);
	if (r > 0 && ret_at != NULL)
		*ret_at = og_query_int(query, 1);
	return r;
}

int og_records_nth_holder(struct og_db *db, const struct og_blob_digest *digest, unsigned index,
			  char ret_name[OG_REPOSITORY_MAX], struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	int r = og_db_query(db, &query, err,
			    "SELECT r.name FROM blobs b JOIN links l ON l.blob = b.id"
			    " JOIN repositories r ON r.id = l.repository"
			    " WHERE b.digest = ? AND b.dying = 0 ORDER BY r.id LIMIT 1 OFFSET ?",
			    "si", digest->text, (int64_t)index);

	if (r == 0)
		r = og_query_next(query, err);
	if (r > 0) {
		strncpy(ret_name, og_query_text(query, 0), OG_REPOSITORY_MAX - 1);
		ret_name[OG_REPOSITORY_MAX - 1] = '\0';
	}
	return r;
}

int og_records_unlink(struct og_db *db, const char *repository, const struct og_blob_digest *digest,
		      struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	int r = og_db_query(db, &query, err,
			    "SELECT 1 FROM refs WHERE target = ? AND repository ="
			    " (SELECT id FROM repositories WHERE name = ?) LIMIT 1",
			    "ss", digest->text, repository);

	if (r == 0)
		r = og_query_next(query, err);
	if (r > 0)
		return og_fail_plain(err, -EBUSY,
				     "a manifest refers to this blob: delete that first");
	if (r == 0)
		r = og_db_run(db, err,
			      "DELETE FROM links WHERE"
			      " repository = (SELECT id FROM repositories WHERE name = ?)"
			      " AND blob = (SELECT id FROM blobs WHERE digest = ?)",
			      "ss", repository, digest->text);
	return r < 0 ? r : og_db_changes(db) > 0;
}

int og_records_has_repository(struct og_db *db, const char *repository, struct og_err *err)
{
	int64_t id = 0;

	return find_id(db,
		       "SELECT id FROM repositories r WHERE name = ? AND"
		       " (EXISTS (SELECT 1 FROM manifests WHERE repository = r.id) OR"
		       "  EXISTS (SELECT 1 FROM links WHERE repository = r.id))",
		       repository, &id, err);
}

int og_records_usage(struct og_db *db, const char *repository, uint64_t *ret_bytes,
		     struct og_err *err)
{
	int64_t bytes = 0;
	int r = find_id(db,
			"WITH r AS (SELECT id FROM repositories WHERE name = ?)"
			" SELECT coalesce(sum(bytes), 0) FROM blobs WHERE id IN"
			" (SELECT blob FROM links WHERE repository IN r UNION"
			"  SELECT blob FROM manifests WHERE repository IN r)",
			repository, &bytes, err);

	if (r < 0)
		return r;
	*ret_bytes = (uint64_t)bytes;
	return 0;
}

/* ---- manifests ---- */

/* 1 with the manifest's row and depth, 0. */
static int find_row(struct og_db *db, int64_t repository, const struct og_blob_digest *digest,
		    int64_t *ret_id, int64_t *ret_depth, struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	int r = og_db_query(db, &query, err,
			    "SELECT m.id, m.depth FROM blobs b, manifests m"
			    " WHERE b.digest = ? AND m.repository = ? AND m.blob = b.id",
			    "si", digest->text, repository);

	if (r == 0)
		r = og_query_next(query, err);
	if (r > 0) {
		*ret_id = og_query_int(query, 0);
		*ret_depth = og_query_int(query, 1);
	}
	return r;
}

static int has_blob(struct og_db *db, int64_t repository, const struct og_blob_digest *digest,
		    struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	int r = og_db_query(db, &query, err,
			    "SELECT 1 FROM blobs b, links l WHERE b.digest = ? AND b.dying = 0"
			    " AND l.repository = ? AND l.blob = b.id",
			    "si", digest->text, repository);

	return r < 0 ? r : og_query_next(query, err);
}

struct putting {
	struct og_db *db;
	const struct og_manifest_put *put;
	int64_t repository, manifest, depth;
	struct og_blob_digest *ret_missing;
};

static int missing(struct putting *putting, const struct og_descriptor *item, struct og_err *err)
{
	*putting->ret_missing = item->digest;
	return og_fail_plain(err, -ENOENT, "the manifest refers to %s, which '%s' does not have",
			     item->digest.text, putting->put->repository);
}

static int check_item(struct putting *putting, const struct og_descriptor *item, struct og_err *err)
{
	int64_t id = 0, depth = 0;
	int r = find_row(putting->db, putting->repository, &item->digest, &id, &depth, err);

	if (r > 0 && depth + 1 > putting->depth)
		putting->depth = depth + 1;
	if (r != 0 || putting->put->sparse || putting->put->partial)
		return r < 0 ? r : 0;
	return missing(putting, item, err);
}

static int check_blob(struct putting *putting, const struct og_descriptor *item, struct og_err *err)
{
	int r;

	if (item->elsewhere || putting->put->partial)
		return 0;
	r = has_blob(putting->db, putting->repository, &item->digest, err);
	return r == 0 ? missing(putting, item, err) : r < 0 ? r : 0;
}

static int check_parts(struct putting *putting, struct og_err *err)
{
	const struct og_manifest *document = putting->put->document;
	int r = document->has_config ? check_blob(putting, &document->config, err) : 0;

	for (size_t i = 0; i < document->count && r == 0; i++)
		r = document->is_index ? check_item(putting, &document->items[i], err)
				       : check_blob(putting, &document->items[i], err);
	if (r == 0 && putting->depth > OG_MANIFEST_DEPTH_MAX)
		return og_fail_plain(err, -ELOOP, "indexes are nested more than %d deep",
				     OG_MANIFEST_DEPTH_MAX);
	return r;
}

static int add_row(struct putting *putting, struct og_err *err)
{
	const struct og_manifest_put *put = putting->put;
	const struct og_manifest *document = put->document;
	og_auto_free char *annotations = document->annotations != NULL && document->has_subject
						 ? og_json_write(document->annotations)
						 : NULL;
	int64_t blob = 0, depth;
	int r = make_blob(putting->db, put->digest, put->bytes, &blob, err);

	if (r == 0)
		r = og_db_run(putting->db, err,
			      "INSERT INTO manifests (repository, blob, media_type, artifact_type,"
			      " subject, annotations, depth, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
			      " ON CONFLICT (repository, blob) DO UPDATE SET at = excluded.at",
			      "iissssii", putting->repository, blob, document->media_type,
			      document->artifact_type,
			      document->has_subject ? document->subject.digest.text : NULL,
			      annotations, putting->depth, put->now);
	if (r == 0)
		r = find_row(putting->db, putting->repository, put->digest, &putting->manifest,
			     &depth, err);
	return r < 0 ? r : 0;
}

static int add_ref(struct putting *putting, const struct og_descriptor *item, struct og_err *err)
{
	return og_db_run(putting->db, err, "INSERT OR IGNORE INTO refs VALUES (?, ?, ?)", "isi",
			 putting->manifest, item->digest.text, putting->repository);
}

static int add_refs(struct putting *putting, struct og_err *err)
{
	const struct og_manifest *document = putting->put->document;
	int r = document->has_config ? add_ref(putting, &document->config, err) : 0;

	for (size_t i = 0; i < document->count && r == 0; i++)
		r = add_ref(putting, &document->items[i], err);
	return r;
}

/* The digest that the tag points to, "" for nothing. */
static int tag_target(struct og_db *db, int64_t repository, const char *tag,
		      char ret_digest[OG_BLOB_DIGEST_MAX], struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	int r = og_db_query(db, &query, err,
			    "SELECT b.digest FROM tags t, manifests m, blobs b"
			    " WHERE t.repository = ? AND t.name = ?"
			    " AND m.id = t.manifest AND b.id = m.blob",
			    "is", repository, tag);

	if (r == 0)
		r = og_query_next(query, err);
	ret_digest[0] = '\0';
	if (r > 0)
		strncpy(ret_digest, og_query_text(query, 0), OG_BLOB_DIGEST_MAX - 1);
	return r < 0 ? r : 0;
}

/* What was found before is as good as what is there: nothing, this manifest, or some other. */
static bool is_as_found(const char *found, const char *digest, const char *mine)
{
	return (found[0] == '\0') == (digest[0] == '\0') &&
	       og_streq(found, mine) == og_streq(digest, mine);
}

static int put_tag(struct putting *putting, struct og_err *err)
{
	const struct og_manifest_put *put = putting->put;
	char digest[OG_BLOB_DIGEST_MAX] = "";
	int r = tag_target(putting->db, putting->repository, put->tag, digest, err);

	if (r == 0 && put->previous != NULL &&
	    !is_as_found(put->previous, digest, put->digest->text))
		return og_fail_plain(err, -EAGAIN, "the tag was moved at the same time");
	if (r == 0)
		r = og_db_run(putting->db, err,
			      "INSERT INTO tags (repository, name, manifest, at)"
			      " VALUES (?, ?, ?, ?) ON CONFLICT (repository, name)"
			      " DO UPDATE SET manifest = excluded.manifest, at = excluded.at",
			      "isii", putting->repository, put->tag, putting->manifest, put->now);
	return r;
}

int og_records_put_manifest(struct og_db *db, const struct og_manifest_put *put,
			    struct og_blob_digest *ret_missing, struct og_err *err)
{
	struct putting putting = { .db = db, .put = put, .ret_missing = ret_missing };
	int r = make_repository(db, put->repository, &putting.repository, err);

	if (r == 0)
		r = check_parts(&putting, err);
	if (r == 0)
		r = add_row(&putting, err);
	if (r == 0)
		r = add_refs(&putting, err);
	if (r == 0 && put->tag != NULL)
		r = put_tag(&putting, err);
	return r;
}

#define MANIFEST_COLUMNS "SELECT b.digest, m.media_type, m.artifact_type, m.subject, b.bytes, m.at"

static int query_manifest(struct og_db *db, const char *repository, const char *tag,
			  const struct og_blob_digest *digest, struct og_query **ret_query,
			  struct og_err *err)
{
	if (tag != NULL)
		return og_db_query(db, ret_query, err,
				   MANIFEST_COLUMNS
				   " FROM repositories r, tags t, manifests m, blobs b"
				   " WHERE r.name = ? AND t.repository = r.id AND t.name = ?"
				   " AND m.id = t.manifest AND b.id = m.blob",
				   "ss", repository, tag);
	return og_db_query(db, ret_query, err,
			   MANIFEST_COLUMNS " FROM repositories r, blobs b, manifests m"
					    " WHERE r.name = ? AND b.digest = ?"
					    " AND m.repository = r.id AND m.blob = b.id",
			   "ss", repository, digest->text);
}

static void copy_text(char *to, size_t room, const char *from)
{
	size_t len = strlen(from);

	len = len < room ? len : room - 1;
	memcpy(to, from, len);
	to[len] = '\0';
}

int og_records_find_manifest(struct og_db *db, const char *repository, const char *tag,
			     const struct og_blob_digest *digest,
			     struct og_manifest_record *ret_record, struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	struct og_manifest_record record = {};
	int r = query_manifest(db, repository, tag, digest, &query, err);

	if (r == 0)
		r = og_query_next(query, err);
	if (r <= 0 || ret_record == NULL)
		return r;
	if (og_blob_digest_parse(og_query_text(query, 0), &record.digest) < 0)
		return og_fail(err, -EUCLEAN, "database: a bad digest");
	copy_text(record.media_type, sizeof(record.media_type), og_query_text(query, 1));
	copy_text(record.artifact_type, sizeof(record.artifact_type), og_query_text(query, 2));
	(void)og_blob_digest_parse(og_query_text(query, 3), &record.subject);
	record.bytes = (uint64_t)og_query_int(query, 4);
	record.at = og_query_int(query, 5);
	*ret_record = record;
	return 1;
}

int og_records_pulled_at(struct og_db *db, const char *repository, const char *tag, int64_t *ret_at,
			 struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	int r = og_db_query(db, &query, err,
			    "SELECT t.pulled_at FROM repositories r, tags t"
			    " WHERE r.name = ? AND t.repository = r.id AND t.name = ?",
			    "ss", repository, tag);

	if (r == 0)
		r = og_query_next(query, err);
	if (r > 0)
		*ret_at = og_query_int(query, 0);
	return r;
}

int og_records_pulled(struct og_db *db, const char *repository, const char *tag, int64_t now,
		      struct og_err *err)
{
	return og_db_run(db, err,
			 "UPDATE tags SET pulled_at = ? WHERE name = ? AND repository ="
			 " (SELECT id FROM repositories WHERE name = ?)",
			 "iss", now, tag, repository);
}

int og_records_mark_tags(struct og_db *db, const char *repository,
			 const struct og_blob_digest *digest, uint8_t ret_mark[OG_HASH_BYTES_MAX],
			 struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	og_cleanup(og_hash_freep) struct og_hash *hash = NULL;
	int r = og_hash_new(OG_HASH_SHA256, &hash, err);

	if (r == 0)
		r = og_db_query(db, &query, err,
				"SELECT t.name FROM repositories r, blobs b, manifests m, tags t"
				" WHERE r.name = ? AND b.digest = ? AND m.repository = r.id"
				" AND m.blob = b.id AND t.manifest = m.id ORDER BY t.name",
				"ss", repository, digest->text);
	while (r >= 0 && (r = og_query_next(query, err)) > 0) {
		const char *name = og_query_text(query, 0);

		r = og_hash_add(hash, name, strlen(name) + 1, err);
	}
	if (r < 0)
		return r;
	memset(ret_mark, 0, OG_HASH_BYTES_MAX);
	og_hash_finish(hash, ret_mark);
	return 0;
}

int og_records_delete_manifest(struct og_db *db, const char *repository,
			       const struct og_blob_digest *digest,
			       const uint8_t mark[OG_HASH_BYTES_MAX], struct og_err *err)
{
	uint8_t now[OG_HASH_BYTES_MAX];
	int r = og_records_mark_tags(db, repository, digest, now, err);

	if (r == 0 && memcmp(now, mark, sizeof(now)) != 0)
		return og_fail_plain(err, -EAGAIN, "its tags were changed at the same time");
	if (r < 0)
		return r;
	r = og_db_run(db, err,
		      "DELETE FROM manifests WHERE"
		      " repository = (SELECT id FROM repositories WHERE name = ?)"
		      " AND blob = (SELECT id FROM blobs WHERE digest = ?)",
		      "ss", repository, digest->text);

	return r < 0 ? r : og_db_changes(db) > 0;
}

int og_records_delete_tag(struct og_db *db, const char *repository, const char *tag,
			  struct og_err *err)
{
	int r = og_db_run(db, err,
			  "DELETE FROM tags WHERE name = ? AND repository ="
			  " (SELECT id FROM repositories WHERE name = ?)",
			  "ss", tag, repository);

	return r < 0 ? r : og_db_changes(db) > 0;
}
