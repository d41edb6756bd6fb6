/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/vulndb.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/db.h"
#include "base/grow.h"
#include "trust/vulndb_shape.h"

struct source {
	int64_t id;
	char *name; /* owned */
};

struct og_vulndb {
	struct og_db *db;		   /* owned */
	struct og_query *claims, *details; /* owned; prepared once, run for each package */
	struct source *sources;		   /* owned; they are few */
	size_t source_count;
};

struct og_vulndb *og_vulndb_free(struct og_vulndb *db)
{
	if (db == NULL)
		return NULL;
	for (size_t i = 0; i < db->source_count; i++)
		free(db->sources[i].name);
	free(db->sources);
	og_query_free(db->claims);
	og_query_free(db->details);
	og_db_free(db->db);
	free(db);
	return NULL;
}

/* By a join each record's would be looked up anew: a quarter of all that is done for it. */
static int read_sources(struct og_vulndb *db, struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	int r = og_db_query(db->db, &query, err, "SELECT id, name FROM source", "");

	while (r == 0 && (r = og_query_next(query, err)) > 0) {
		struct source source = { .id = og_query_int(query, 0) };

		if (og_grow(db->sources, db->source_count) < 0)
			return og_fail(err, -ENOMEM, "database");
		source.name = strdup(og_query_text(query, 1));
		if (source.name == NULL)
			return og_fail(err, -ENOMEM, "database");
		db->sources[db->source_count++] = source;
		r = 0;
	}
	return r;
}

/* NULL: there is none. */
static const char *source_name(const struct og_vulndb *db, int64_t id)
{
	for (size_t i = 0; i < db->source_count; i++)
		if (db->sources[i].id == id)
			return db->sources[i].name;
	return NULL;
}

int og_vulndb_open(int dir_fd, const char *name, struct og_vulndb **ret_db, struct og_err *err)
{
	og_cleanup(og_vulndb_freep) struct og_vulndb *db = calloc(1, sizeof(*db));
	int r;

	if (db == NULL)
		return og_fail(err, -ENOMEM, "database '%s'", name);
	r = og_db_open_still(dir_fd, name, OG_VULNDB_VERSION, &db->db, err);
	if (r < 0)
		return r;
	r = og_db_query(db->db, &db->claims, err,
			"SELECT vuln, status, severity, ranges FROM affected"
			" WHERE ecosystem = ? AND package = ?",
			"ss", "", "");
	if (r == 0)
		r = og_db_query(db->db, &db->details, err,
				"SELECT name, aliases, summary, vector, url, published, modified,"
				" source, severity, score FROM vuln WHERE id = ?",
				"i", (int64_t)0);
	if (r == 0)
		r = read_sources(db, err);
	if (r < 0)
		return og_fail_plain(err, -EUCLEAN, "'%s' is no database of vulnerabilities", name);
	*ret_db = og_take_ptr(db);
	return 0;
}

static enum og_severity severity_of(int64_t number)
{
	return number > 0 && number < OG_SEVERITIES ? (enum og_severity)number
						    : OG_SEVERITY_UNKNOWN;
}

int og_vulndb_find(struct og_vulndb *db, const char *ecosystem, const char *name,
		   og_vulndb_claim_fn *fn, void *data, struct og_err *err)
{
	int r = og_query_again(db->claims, err, "ss", ecosystem, name);

	while (r == 0 && (r = og_query_next(db->claims, err)) > 0) {
		int64_t status = og_query_int(db->claims, 1);
		struct og_vulndb_claim claim = {
			.vuln = og_query_int(db->claims, 0),
			.status = status == OG_VULN_WONT_FIX || status == OG_VULN_NOT_AFFECTED
					  ? (enum og_vuln_status)status
					  : OG_VULN_AFFECTED,
			.severity = severity_of(og_query_int(db->claims, 2)),
			.ranges = og_query_text(db->claims, 3),
		};

		r = fn(data, &claim, err);
	}
	return r;
}

int og_vulndb_details(struct og_vulndb *db, int64_t vuln, og_vulndb_details_fn *fn, void *data,
		      struct og_err *err)
{
	struct og_query *query = db->details;
	struct og_vulndb_details details;
	const char *source = NULL;
	int64_t score;
	int r = og_query_again(query, err, "i", vuln);

	if (r == 0)
		r = og_query_next(query, err);
	if (r < 0)
		return r;
	if (r > 0)
		source = source_name(db, og_query_int(query, 7));
	if (source == NULL)
		return og_fail(err, -ENOENT, "record %lld of the database", (long long)vuln);
	score = og_query_int(query, 9);
	details = (struct og_vulndb_details){
		.id = og_query_text(query, 0),
		.aliases = og_query_text(query, 1),
		.summary = og_query_text(query, 2),
		.vector = og_query_text(query, 3),
		.url = og_query_text(query, 4),
		.published = og_query_text(query, 5),
		.modified = og_query_text(query, 6),
		.source = source,
		.severity = severity_of(og_query_int(query, 8)),
		.score_tenths = score >= 0 && score <= 100 ? (int)score : -1,
	};
	return fn(data, &details, err);
}

int og_vulndb_knows(struct og_vulndb *db, const char *ecosystem, struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	int r = og_db_query(db->db, &query, err,
			    "SELECT 1 FROM affected WHERE ecosystem = ? LIMIT 1", "s", ecosystem);

	return r < 0 ? r : og_query_next(query, err);
}

int og_vulndb_sources(struct og_vulndb *db, og_vulndb_source_fn *fn, void *data, struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	int r = og_db_query(db->db, &query, err,
			    "SELECT name, imported, newest, records FROM source ORDER BY name", "");

	while (r == 0 && (r = og_query_next(query, err)) > 0) {
		struct og_vulndb_source source = {
			.name = og_query_text(query, 0),
			.imported = og_query_text(query, 1),
			.newest = og_query_text(query, 2),
			.records = og_query_int(query, 3),
		};

		r = fn(data, &source, err);
	}
	return r;
}

int og_vulndb_written(struct og_vulndb *db, char ret_moment[40], struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	int r = og_db_query(db->db, &query, err, "SELECT value FROM meta WHERE key = 'written'",
			    "");

	if (r == 0)
		r = og_query_next(query, err);
	if (r < 0)
		return r;
	(void)snprintf(ret_moment, 40, "%s", r > 0 ? og_query_text(query, 0) : "");
	return 0;
}
