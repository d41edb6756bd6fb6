/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collection, beside a registry that serves. What can go is looked for by reading, page by page, and
 * looked at again in the writer's turn before it goes, so that nobody waits for a whole store.
 *
 * A repository's claim on a blob (a link) goes when no manifest of the repository refers to it and
 * its grace is over: a push sends blobs first and their manifest last. A blob that nobody claims goes
 * in two turns. The first marks it as dying, so that its record never outlives the promise of its
 * file. The second, unless a push has claimed it meanwhile, removes file and record. Pushes look in
 * their own turn whether the file is there (og_blob_store_republish()), so it cannot vanish from
 * under them, whichever process collects.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "registry/internal.h"

#define PAGE  512
#define BATCH 64

/* A file without a record is a push that was killed; so old, none that is still going on. */
#define ORPHAN_AGE_S 3600

struct row {
	int64_t a, b; /* a link's repository and blob; a manifest's or blob's number */
	uint64_t bytes;
	struct og_blob_digest digest;
};

struct collecting {
	struct og_registry *registry;
	struct og_registry_gc *gc;
	bool dry_run;
	int64_t now;
	int64_t a, b; /* where the next page begins */
	bool end;
	struct row rows[PAGE];
	size_t count;
};

/* What can go of a page, into rows. The first two columns are the row's key, then whether it can go. */
static int read_page(struct collecting *collecting, const char *sql, int64_t cut,
		     struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	int looked = 0;
	int r = og_db_query(og_records_read(collecting->registry->records), &query, err, sql,
			    "iiii", collecting->a, collecting->b, (int64_t)PAGE, cut);

	collecting->count = 0;
	while (r >= 0 && (r = og_query_next(query, err)) > 0) {
		struct row row = { .a = og_query_int(query, 0), .b = og_query_int(query, 1) };

		looked++;
		collecting->a = row.a;
		collecting->b = row.b;
		if (og_query_int(query, 2) == 0)
			continue;
		row.bytes = (uint64_t)og_query_int(query, 3);
		if (og_blob_digest_parse(og_query_text(query, 4), &row.digest) == 0)
			collecting->rows[collecting->count++] = row;
	}
	collecting->end = looked < PAGE;
	return r < 0 ? r : 0;
}

/* Calls @go for each batch of what can go. */
static int each_page(struct collecting *collecting, const char *sql, int64_t cut,
		     int (*go)(struct collecting *, const struct row *, size_t, struct og_err *),
		     struct og_err *err)
{
	int r = 0;

	collecting->a = collecting->b = 0;
	collecting->end = false;
	while (r == 0 && !collecting->end) {
		r = read_page(collecting, sql, cut, err);
		og_records_unread(collecting->registry->records);
		for (size_t i = 0; i < collecting->count && r == 0; i += BATCH) {
			size_t left = collecting->count - i;

			r = go(collecting, &collecting->rows[i], left < BATCH ? left : BATCH, err);
		}
	}
	return r;
}

/*
 * Runs @sql, which removes what can still go, for each row: ?1 and ?2 are the row's, ?3 is 0 (the page's
 * place for a limit), ?4 is @cut. A dry run counts all.
 */
static int remove_rows(struct collecting *collecting, const struct row *rows, size_t count,
		       const char *sql, int64_t cut, uint64_t *removed, struct og_err *err)
{
	struct og_records *records = collecting->registry->records;
	int r;

	if (collecting->dry_run) {
		*removed += count;
		return 0;
	}
	r = og_records_begin(records, true, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count && r == 0; i++) {
		r = og_db_run(og_records_db(records), err, sql, "iiii", rows[i].a, rows[i].b,
			      (int64_t)0, cut);
		if (r == 0)
			*removed += (uint64_t)og_db_changes(og_records_db(records));
	}
	return og_records_end(records, r, err);
}

/* ---- manifests that nothing names ---- */

#define MANIFEST_IS_LOOSE                                                      \
	"(m.at < ?4 AND NOT EXISTS (SELECT 1 FROM tags WHERE manifest = m.id)" \
	" AND NOT EXISTS (SELECT 1 FROM refs WHERE target = b.digest"          \
	"  AND repository = m.repository)"                                     \
	" AND (m.subject IS NULL OR NOT EXISTS (SELECT 1 FROM manifests s"     \
	"  JOIN blobs sb ON sb.id = s.blob WHERE sb.digest = m.subject"        \
	"  AND s.repository = m.repository)))"

static int64_t untagged_cut(const struct collecting *collecting)
{
	return collecting->now - (int64_t)collecting->registry->options.untagged_s;
}

static int remove_manifests(struct collecting *collecting, const struct row *rows, size_t count,
			    struct og_err *err)
{
	return remove_rows(collecting, rows, count,
			   "DELETE FROM manifests WHERE id = ?1 AND ?2 = ?3 AND EXISTS"
			   " (SELECT 1 FROM manifests m JOIN blobs b ON b.id = m.blob"
			   "  WHERE m.id = ?1 AND " MANIFEST_IS_LOOSE ")",
			   untagged_cut(collecting), &collecting->gc->manifests, err);
}

/* An index that goes sets its manifests free: again until nothing does. */
static int collect_manifests(struct collecting *collecting, struct og_err *err)
{
	uint64_t before_count;
	int r;

	if (collecting->registry->options.untagged_s == 0)
		return 0;
	do {
		before_count = collecting->gc->manifests;
		r = each_page(collecting,
			      "SELECT m.id, 0, " MANIFEST_IS_LOOSE ", b.bytes, b.digest"
			      " FROM manifests m JOIN blobs b ON b.id = m.blob"
			      " WHERE m.id > ?1 AND ?2 >= 0 ORDER BY m.id LIMIT ?3",
			      untagged_cut(collecting), remove_manifests, err);
	} while (r == 0 && !collecting->dry_run && collecting->gc->manifests > before_count);
	return r;
}

/* ---- claims on blobs ---- */

#define LINK_IS_LOOSE                                                            \
	"(l.at <= ?4 AND NOT EXISTS (SELECT 1 FROM refs WHERE target = b.digest" \
	" AND repository = l.repository))"

static int64_t grace_cut(const struct collecting *collecting)
{
	return collecting->now - (int64_t)collecting->registry->options.grace_s;
}

static int remove_links(struct collecting *collecting, const struct row *rows, size_t count,
			struct og_err *err)
{
	return remove_rows(collecting, rows, count,
			   "DELETE FROM links WHERE repository = ?1 AND blob = ?2 AND ?3 = 0"
			   " AND EXISTS (SELECT 1 FROM links l JOIN blobs b ON b.id = l.blob"
			   "  WHERE l.repository = ?1 AND l.blob = ?2 AND " LINK_IS_LOOSE ")",
			   grace_cut(collecting), &collecting->gc->links, err);
}

/* ---- blobs ---- */

/* Of one that is claimed only by what a dry run would have removed, too. */
#define BLOB_IS_LOOSE                                                            \
	"(NOT EXISTS (SELECT 1 FROM manifests WHERE blob = b.id) AND NOT EXISTS" \
	" (SELECT 1 FROM links l WHERE l.blob = b.id AND NOT " LINK_IS_LOOSE "))"

static int mark_dying(struct collecting *collecting, const struct row *rows, size_t count,
		      struct og_err *err)
{
	struct og_records *records = collecting->registry->records;
	int r = og_records_begin(records, true, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count && r == 0; i++)
		r = og_db_run(og_records_db(records), err,
			      "UPDATE blobs SET dying = 1 WHERE id = ?1"
			      " AND NOT EXISTS (SELECT 1 FROM links WHERE blob = ?1)"
			      " AND NOT EXISTS (SELECT 1 FROM manifests WHERE blob = ?1)",
			      "i", rows[i].a);
	return og_records_end(records, r, err);
}

static int bury(struct collecting *collecting, const struct row *row, struct og_err *err)
{
	struct og_registry *registry = collecting->registry;
	struct og_db *db = og_records_db(registry->records);
	int r = og_db_run(db, err, "DELETE FROM blobs WHERE id = ? AND dying != 0", "i", row->a);

	if (r < 0 || og_db_changes(db) == 0)
		return r;
	if (unlinkat(og_blob_store_folder(&registry->store, &row->digest),
		     og_blob_digest_hex(&row->digest), 0) < 0 &&
	    errno != ENOENT)
		return og_fail(err, -errno, "remove %s", row->digest.text);
	collecting->gc->blobs++;
	collecting->gc->bytes += row->bytes;
	return 0;
}

static int remove_blobs(struct collecting *collecting, const struct row *rows, size_t count,
			struct og_err *err)
{
	struct og_records *records = collecting->registry->records;
	int r;

	if (collecting->dry_run) {
		collecting->gc->blobs += count;
		for (size_t i = 0; i < count; i++)
			collecting->gc->bytes += rows[i].bytes;
		return 0;
	}
	r = mark_dying(collecting, rows, count, err);
	if (r == 0)
		r = og_records_begin(records, true, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count && r == 0; i++)
		r = bury(collecting, &rows[i], err);
	return og_records_end(records, r, err);
}

/* ---- files without a record ---- */

static bool is_recorded(struct og_db *db, const char *digest)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	int r = og_db_query(db, &query, NULL, "SELECT 1 FROM blobs WHERE digest = ?", "s", digest);

	return r < 0 || og_query_next(query, NULL) != 0;
}

static void remove_orphan(struct collecting *collecting, const struct og_blob_digest *digest,
			  uint64_t bytes)
{
	struct og_registry *registry = collecting->registry;
	struct og_records *records = registry->records;
	bool known = is_recorded(og_records_read(records), digest->text);

	og_records_unread(records);
	if (known)
		return;
	if (!collecting->dry_run) {
		if (og_records_begin(records, true, NULL) < 0)
			return;
		if (!is_recorded(og_records_db(records), digest->text))
			(void)unlinkat(og_blob_store_folder(&registry->store, digest),
				       og_blob_digest_hex(digest), 0);
		(void)og_records_end(records, 0, NULL);
	}
	collecting->gc->blobs++;
	collecting->gc->bytes += bytes;
}

static void collect_orphans(struct collecting *collecting, int folder_fd, const char *algorithm)
{
	int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (dir == NULL) {
		(void)og_close(fd);
		return;
	}
	while ((entry = readdir(dir)) != NULL) {
		char text[sizeof(entry->d_name) + 8];
		struct og_blob_digest digest;
		struct stat st;

		(void)snprintf(text, sizeof(text), "%s%s", algorithm, entry->d_name);
		if (og_blob_digest_parse(text, &digest) == 0 &&
		    fstatat(folder_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    collecting->now - st.st_ctim.tv_sec > ORPHAN_AGE_S)
			remove_orphan(collecting, &digest, (uint64_t)st.st_size);
	}
	(void)closedir(dir);
}

static int collect(struct collecting *collecting, struct og_err *err)
{
	struct og_registry *registry = collecting->registry;
	int r;

	collecting->gc->uploads =
		og_uploads_purge(&registry->uploads, collecting->dry_run, &collecting->gc->bytes);
	r = collect_manifests(collecting, err);
	if (r == 0)
		r = each_page(collecting,
			      "SELECT l.repository, l.blob, " LINK_IS_LOOSE ", b.bytes, b.digest"
			      " FROM links l JOIN blobs b ON b.id = l.blob"
			      " WHERE (l.repository, l.blob) > (?1, ?2)"
			      " ORDER BY l.repository, l.blob LIMIT ?3",
			      grace_cut(collecting), remove_links, err);
	if (r == 0)
		r = each_page(collecting,
			      "SELECT b.id, 0, " BLOB_IS_LOOSE ", b.bytes, b.digest FROM blobs b"
			      " WHERE b.id > ?1 AND ?2 >= 0 ORDER BY b.id LIMIT ?3",
			      grace_cut(collecting), remove_blobs, err);
	if (r < 0)
		return r;
	collect_orphans(collecting, registry->store.sha256_fd, "sha256:");
	collect_orphans(collecting, registry->store.sha512_fd, "sha512:");
	return 0;
}

int og_registry_collect(struct og_registry *registry, bool dry_run, struct og_registry_gc *ret_gc,
			struct og_err *err)
{
	og_auto_free struct collecting *collecting = calloc(1, sizeof(*collecting));
	int r;

	if (collecting == NULL)
		return og_fail(err, -ENOMEM, "collect");
	*ret_gc = (struct og_registry_gc){};
	collecting->registry = registry;
	collecting->gc = ret_gc;
	collecting->dry_run = dry_run;
	collecting->now = time(NULL);
	r = collect(collecting, err);
	return r < 0 ? og_fail_in(err, r, "collect") : 0;
}
