/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The database of vulnerabilities: one file, made by `onggi scan db import` and only read by a scan.
 * A scan never waits for it and never changes it: who writes makes a new file beside it and renames.
 * It says which sources it is of and how old they are.
 *
 * Reading takes what is in it for a stranger's words (it may come from elsewhere, update-from): texts
 * are bounded where they are shown, ranges that do not parse match nothing.
 */
#pragma once

#include <stdint.h>

#include "format/vulnerability.h"

struct og_vulndb;

/*
 * Opens the file @name in @dir_fd for reading. Errors: -ENOENT (none: import first), -EUCLEAN (none of
 * ours), -EIO, -ENOMEM.
 */
int og_vulndb_open(int dir_fd, const char *name, struct og_vulndb **ret_db, struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_vulndb *og_vulndb_free(struct og_vulndb *db);
OG_DEFINE_CLEANUP(struct og_vulndb, og_vulndb_free)

/* A record's claim about one package. Texts are borrowed until the callback returns. */
struct og_vulndb_claim {
	int64_t vuln; /* to ask og_vulndb_details() of */
	enum og_vuln_status status;
	enum og_severity severity; /* of this package; OG_SEVERITY_UNKNOWN: the record's */
	const char *ranges;
};

struct og_vulndb_details {
	const char *id, *aliases, *summary, *vector, *url, *published, *modified, *source;
	enum og_severity severity;
	int score_tenths; /* -1 unknown */
};

typedef int og_vulndb_claim_fn(void *data, const struct og_vulndb_claim *claim, struct og_err *err);
typedef int og_vulndb_details_fn(void *data, const struct og_vulndb_details *details,
				 struct og_err *err);

/*
 * Each claim about @name (as og_ecosystem_package() writes it) of @ecosystem. @fn may ask for details,
 * but not for other packages. Errors: what @fn returned, -EUCLEAN, -EIO, -ENOMEM.
 */
int og_vulndb_find(struct og_vulndb *db, const char *ecosystem, const char *name,
		   og_vulndb_claim_fn *fn, void *data, struct og_err *err);

/* Errors: -ENOENT (no such record), what @fn returned, -EUCLEAN, -EIO, -ENOMEM. */
int og_vulndb_details(struct og_vulndb *db, int64_t vuln, og_vulndb_details_fn *fn, void *data,
		      struct og_err *err);

/* Whether there is any claim about packages of @ecosystem: 1, 0 or an error. */
int og_vulndb_knows(struct og_vulndb *db, const char *ecosystem, struct og_err *err);

struct og_vulndb_source {
	const char *name;     /* borrowed until the callback returns */
	const char *imported; /* RFC 3339, when */
	const char *newest;   /* the last change that one of its records names; "" */
	int64_t records;
};

typedef int og_vulndb_source_fn(void *data, const struct og_vulndb_source *source,
				struct og_err *err);

/* Calls @fn for each source, by name. Errors: what @fn returned, -EUCLEAN, -EIO, -ENOMEM. */
int og_vulndb_sources(struct og_vulndb *db, og_vulndb_source_fn *fn, void *data,
		      struct og_err *err);

/* The moment at which it was last written, RFC 3339. */
int og_vulndb_written(struct og_vulndb *db, char ret_moment[40], struct og_err *err);

/*
 * Writing: a copy of the file, or a new one, that replaces it when all is in it.
 */
struct og_vulndb_writer;

/* Errors: -EUCLEAN (what is there is no database of ours), -ENOSPC, -EIO, -ENOMEM. */
int og_vulndb_writer_open(int dir_fd, const char *name, struct og_vulndb_writer **ret_writer,
			  struct og_err *err);

/* Without og_vulndb_writer_commit() before, all is as it was. Accepts NULL. Always returns NULL. */
struct og_vulndb_writer *og_vulndb_writer_free(struct og_vulndb_writer *writer);
OG_DEFINE_CLEANUP(struct og_vulndb_writer, og_vulndb_writer_free)

/* Errors of the three that write: -ENOSPC, -EIO, -ENOMEM. */

/* What follows is of the source @name; what it said before is forgotten. */
int og_vulndb_writer_source(struct og_vulndb_writer *writer, const char *name, struct og_err *err);

/* Adds what @vuln says, unless it is withdrawn or about no package. */
int og_vulndb_writer_add(struct og_vulndb_writer *writer, const struct og_vuln *vuln,
			 struct og_err *err);

/* Records added since the last og_vulndb_writer_source(). */
int64_t og_vulndb_writer_count(const struct og_vulndb_writer *writer);

/* Puts the file in place, on the disk. */
int og_vulndb_writer_commit(struct og_vulndb_writer *writer, struct og_err *err);

/*
 * Replaces the database by the file @from, which was made by another onggi, when that is whole.
 * Errors: -EUCLEAN (it is none, or damaged), what opening and writing say.
 */
int og_vulndb_update(int dir_fd, const char *name, int from_dir_fd, const char *from,
		     struct og_err *err);
