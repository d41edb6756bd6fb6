/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/db.h"
#include "base/io.h"
#include "base/text.h"
#include "format/ecosystem.h"
#include "trust/vulndb.h"
#include "trust/vulndb_shape.h"

#define SUMMARY_MAX    300 /* bytes that are kept of a text for people */
#define NAME_MAX_BYTES 256

struct og_vulndb_writer {
	int dir_fd;		     /* owned */
	char name[NAME_MAX_BYTES];   /* of the database */
	char making[NAME_MAX_BYTES]; /* of the file that will be it; "" when there is none */
	struct og_db *db;	     /* owned */
	struct og_query *add_vuln, *add_affected; /* owned */
	int64_t source, count, seq;
	char newest[OG_CLOCK_TEXT_BYTES]; /* of the source's records */
};

static const char *const steps[OG_VULNDB_VERSION] = { OG_VULNDB_SHAPE };

static void close_db(struct og_vulndb_writer *writer)
{
	writer->add_vuln = og_query_free(writer->add_vuln);
	writer->add_affected = og_query_free(writer->add_affected);
	writer->db = og_db_free(writer->db);
}

struct og_vulndb_writer *og_vulndb_writer_free(struct og_vulndb_writer *writer)
{
	if (writer == NULL)
		return NULL;
	close_db(writer);
	if (writer->making[0] != '\0')
		(void)unlinkat(writer->dir_fd, writer->making, 0);
	og_close(writer->dir_fd);
	free(writer);
	return NULL;
}

static int copy_bytes(int from, int to)
{
	struct stat st;

	if (fstat(from, &st) < 0)
		return -errno;
	for (off_t left = st.st_size; left > 0;) {
		ssize_t sent = sendfile(to, from, NULL, (size_t)left);

		if (sent < 0)
			return -errno;
		if (sent == 0)
			return -ESTALE;
		left -= sent;
	}
	return 0;
}

/* A file beside the database, new and ours. @from_fd: what it begins with; negative: empty. */
static int make_file(struct og_vulndb_writer *writer, int from_fd, struct og_err *err)
{
	og_auto_fd fd = -EBADF;
	int r = 0;

	(void)snprintf(writer->making, sizeof(writer->making), ".%.200s.%d", writer->name,
		       (int)getpid());
	(void)unlinkat(writer->dir_fd, writer->making, 0);
	fd = openat(writer->dir_fd, writer->making,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		r = og_fail(err, -errno, "make '%s'", writer->making);
		writer->making[0] = '\0';
		return r;
	}
	if (from_fd >= 0)
		r = copy_bytes(from_fd, fd);
	return r < 0 ? og_fail(err, r, "write '%s'", writer->making) : 0;
}

static int new_writer(int dir_fd, const char *name, struct og_vulndb_writer **ret_writer,
		      struct og_err *err)
{
	struct og_vulndb_writer *writer = calloc(1, sizeof(*writer));

	if (writer == NULL)
		return og_fail(err, -ENOMEM, "database '%s'", name);
	writer->dir_fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*ret_writer = writer;
	if (writer->dir_fd < 0)
		return og_fail(err, -errno, "the folder of '%s'", name);
	if (strlen(name) >= 200 || strchr(name, '/') != NULL)
		return og_fail(err, -EINVAL, "database '%s'", name);
	(void)strcpy(writer->name, name);
	return 0;
}

/* What is there has to be ours, or a mistyped path would be filled with vulnerabilities. */
static int check_existing(int dir_fd, const char *name, struct og_err *err)
{
	struct og_vulndb *db = NULL;
	int r = og_vulndb_open(dir_fd, name, &db, err);

	og_vulndb_free(db);
	return r;
}

static int prepare(struct og_vulndb_writer *writer, struct og_err *err)
{
	/* A file that has no name yet needs no journal. */
	int r = og_db_exec(writer->db,
			   "PRAGMA journal_mode = DELETE; PRAGMA journal_mode = OFF;"
			   "PRAGMA synchronous = OFF; PRAGMA cache_size = -65536; BEGIN",
			   err);

	if (r == 0)
		r = og_db_query(
			writer->db, &writer->add_vuln, err,
			"INSERT INTO vuln (source, name, aliases, summary, vector, url, published,"
			" modified, severity, score) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
			" ON CONFLICT (source, name) DO UPDATE SET modified = excluded.modified"
			" RETURNING id",
			"");
	if (r == 0)
		r = og_db_query(writer->db, &writer->add_affected, err,
				"INSERT INTO affected VALUES (?, ?, ?, ?, ?, ?, ?)", "");
	return r;
}

int og_vulndb_writer_open(int dir_fd, const char *name, struct og_vulndb_writer **ret_writer,
			  struct og_err *err)
{
	og_cleanup(og_vulndb_writer_freep) struct og_vulndb_writer *writer = NULL;
	og_auto_fd old_fd = -EBADF;
	int r = new_writer(dir_fd, name, &writer, err);

	if (r < 0)
		return r;
	old_fd = openat(writer->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (old_fd < 0 && errno != ENOENT)
		return og_fail(err, -errno, "open '%s'", name);
	if (old_fd >= 0)
		r = check_existing(writer->dir_fd, name, err);
	if (r == 0)
		r = make_file(writer, old_fd, err);
	if (r == 0)
		r = og_db_open(writer->dir_fd, writer->making, steps, OG_VULNDB_VERSION,
			       &writer->db, err);
	if (r == 0)
		r = prepare(writer, err);
	if (r < 0)
		return r;
	*ret_writer = og_take_ptr(writer);
	return 0;
}

static int finish_source(struct og_vulndb_writer *writer, struct og_err *err)
{
	if (writer->source == 0)
		return 0;
	return og_db_run(writer->db, err, "UPDATE source SET newest = ?, records = ? WHERE id = ?",
			 "sii", writer->newest, writer->count, writer->source);
}

static int source_id(struct og_vulndb_writer *writer, const char *name, struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	char now[OG_CLOCK_TEXT_BYTES];
	int r;

	og_clock_now(now);
	r = og_db_query(writer->db, &query, err,
			"INSERT INTO source (name, imported, newest, records) VALUES (?, ?, '', 0)"
			" ON CONFLICT (name) DO UPDATE SET imported = excluded.imported"
			" RETURNING id",
			"ss", name, now);
	if (r == 0)
		r = og_query_next(query, err);
	if (r < 0)
		return r;
	writer->source = og_query_int(query, 0);
	/* To its end, or the statement is not done. */
	return og_query_next(query, err);
}

int og_vulndb_writer_source(struct og_vulndb_writer *writer, const char *name, struct og_err *err)
{
	int r = finish_source(writer, err);

	if (r == 0)
		r = source_id(writer, name, err);
	writer->count = 0;
	writer->newest[0] = '\0';
	if (r == 0)
		r = og_db_run(writer->db, err,
			      "DELETE FROM affected WHERE vuln IN"
			      " (SELECT id FROM vuln WHERE source = ?)",
			      "i", writer->source);
	if (r == 0)
		r = og_db_run(writer->db, err, "DELETE FROM vuln WHERE source = ?", "i",
			      writer->source);
	return r;
}

/* One line, and not longer than a screen is wide a few times; cut between characters. */
static void shorten(const char *text, char out[SUMMARY_MAX + 1])
{
	size_t len = 0;

	for (; text[len] != '\0' && text[len] != '\n' && len < SUMMARY_MAX; len++)
		out[len] = (unsigned char)text[len] < ' ' || text[len] == 0x7f ? ' ' : text[len];
	while (len == SUMMARY_MAX && len > 0 && (text[len] & 0xc0) == 0x80)
		len--;
	out[len] = '\0';
}

static int add_vuln(struct og_vulndb_writer *writer, const struct og_vuln *vuln, int64_t *ret_id,
		    struct og_err *err)
{
	char summary[SUMMARY_MAX + 1];
	int r;

	shorten(vuln->summary, summary);
	r = og_query_again(writer->add_vuln, err, "isssssssii", writer->source, vuln->id,
			   vuln->aliases != NULL ? vuln->aliases : "", summary, vuln->vector,
			   vuln->url, vuln->published, vuln->modified, (int64_t)vuln->severity,
			   (int64_t)vuln->score_tenths);
	if (r == 0)
		r = og_query_next(writer->add_vuln, err);
	if (r < 0)
		return r;
	*ret_id = og_query_int(writer->add_vuln, 0);
	return og_query_next(writer->add_vuln, err);
}

int og_vulndb_writer_add(struct og_vulndb_writer *writer, const struct og_vuln *vuln,
			 struct og_err *err)
{
	int64_t id = 0;
	int r;

	if (vuln->withdrawn || vuln->affected_count == 0)
		return 0;
	r = add_vuln(writer, vuln, &id, err);
	for (size_t i = 0; r == 0 && i < vuln->affected_count; i++) {
		const struct og_vuln_affected *affected = &vuln->affected[i];
		char name[OG_VULN_NAME_MAX + 1];

		r = og_ecosystem_package(affected->ecosystem, affected->name, name);
		if (r == 0)
			r = og_query_again(writer->add_affected, err, "ssiiiis",
					   affected->ecosystem, name, id, writer->seq++,
					   (int64_t)affected->status, (int64_t)affected->severity,
					   affected->ranges);
		if (r == 0)
			r = og_query_next(writer->add_affected, err);
	}
	if (r < 0)
		return og_fail_in(err, r, "%s", vuln->id);
	writer->count++;
	if (strcmp(vuln->modified, writer->newest) > 0 &&
	    strlen(vuln->modified) < sizeof(writer->newest))
		(void)strcpy(writer->newest, vuln->modified);
	return 0;
}

int64_t og_vulndb_writer_count(const struct og_vulndb_writer *writer)
{
	return writer->count;
}

/* Puts the file that was made in the database's place. */
static int replace(struct og_vulndb_writer *writer, struct og_err *err)
{
	og_auto_fd fd = openat(writer->dir_fd, writer->making, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0 || fchmod(fd, 0644) < 0 ||
	    renameat(writer->dir_fd, writer->making, writer->dir_fd, writer->name) < 0)
		return og_fail(err, -errno, "put '%s' in place", writer->name);
	writer->making[0] = '\0';
	return fsync(writer->dir_fd) < 0 ? og_fail(err, -errno, "'%s'", writer->name) : 0;
}

int og_vulndb_writer_commit(struct og_vulndb_writer *writer, struct og_err *err)
{
	char now[OG_CLOCK_TEXT_BYTES];
	int r = finish_source(writer, err);

	og_clock_now(now);
	if (r == 0)
		r = og_db_run(writer->db, err, "INSERT OR REPLACE INTO meta VALUES ('written', ?)",
			      "s", now);
	if (r == 0)
		r = og_db_exec(writer->db, "COMMIT; ANALYZE", err);
	close_db(writer);
	return r < 0 ? r : replace(writer, err);
}

/* Every page and every row of a database from elsewhere. */
static int check_whole(int dir_fd, const char *name, struct og_err *err)
{
	og_cleanup(og_db_freep) struct og_db *db = NULL;
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	int r = og_db_open_still(dir_fd, name, OG_VULNDB_VERSION, &db, err);

	if (r == 0)
		r = og_db_query(db, &query, err, "PRAGMA integrity_check(1)", "");
	if (r == 0)
		r = og_query_next(query, err);
	if (r < 0)
		return r;
	return og_streq(og_query_text(query, 0), "ok") ? 0 : og_fail(err, -EUCLEAN, "'%s'", name);
}

int og_vulndb_update(int dir_fd, const char *name, int from_dir_fd, const char *from,
		     struct og_err *err)
{
	og_cleanup(og_vulndb_writer_freep) struct og_vulndb_writer *writer = NULL;
	og_auto_fd fd = openat(from_dir_fd, from, O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return og_fail(err, -errno, "open '%s'", from);
	r = new_writer(dir_fd, name, &writer, err);
	if (r == 0)
		r = make_file(writer, fd, err);
	/* The copy is looked at, which nobody else can change any more. */
	if (r == 0)
		r = check_existing(writer->dir_fd, writer->making, err);
	if (r == 0)
		r = check_whole(writer->dir_fd, writer->making, err);
	if (r == -EUCLEAN)
		return og_fail_in(err, r, "'%s' is no sound database of vulnerabilities", from);
	return r < 0 ? og_fail_in(err, r, "'%s'", from) : replace(writer, err);
}
