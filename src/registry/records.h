/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a registry knows of its blobs: registry.db. Which repository has which blobs and manifests,
 * what each manifest refers to, tags. A record comes after the file it speaks of and goes before it.
 *
 * Writers take turns (og_records_begin/end) and share a flush: a writer whose neighbours are already
 * waiting leaves the commit to the last of them, and hears its result. Who reads uses a connection of
 * its own and waits for no flush. The database's own lock keeps another process (`onggi-registry gc`)
 * in turn too.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/db.h"
#include "base/err.h"
#include "format/blob_digest.h"
#include "format/manifest.h"
#include "format/registry_path.h"

#define OG_RECORDS_KEY_BYTES 32

struct og_records;

/*
 * Opens or makes registry.db in the folder @root_fd, which stays the caller's. On success *@ret_records is
 * the caller's to free. Errors: -EUCLEAN (damaged, or of a newer version), -EIO, -ENOMEM, the kernel's.
 */
int og_records_open(int root_fd, struct og_records **ret_records, struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_records *og_records_free(struct og_records *records);
OG_DEFINE_CLEANUP(struct og_records, og_records_free)

/* The registry's secret, for upload IDs: OG_RECORDS_KEY_BYTES bytes, borrowed. */
const uint8_t *og_records_key(const struct og_records *records);

/* Grows with each change that is committed by this process. */
uint64_t og_records_changes(struct og_records *records);

/* ---- turns of those who write ---- */

/* On success og_records_end() must follow. @alone: commits by itself, sharing nothing. */
int og_records_begin(struct og_records *records, bool alone, struct og_err *err);

/*
 * Ends the turn. @r: the result so far; a negative one undoes what was done in this turn. Returns it,
 * or that of the commit: 0 means durable.
 */
int og_records_end(struct og_records *records, int r, struct og_err *err);

/* Of the writer, inside of a turn. */
struct og_db *og_records_db(struct og_records *records);

/* A turn of one who reads. Never fails; og_records_unread() must follow. */
struct og_db *og_records_read(struct og_records *records);
void og_records_unread(struct og_records *records);

/*
 * ---- blobs; the functions below take @db of a turn, those that only read one of either kind ----
 *
 * Errors of all besides those that are named: -EUCLEAN, -EIO, -ENOSPC, -ENOMEM.
 */

/* Makes the blob's record and the repository's claim on it, or renews both. */
int og_records_link(struct og_db *db, const char *repository, const struct og_blob_digest *digest,
		    uint64_t bytes, int64_t now, struct og_err *err);

/* Returns 1 with *@ret_bytes and *@ret_at (when it was claimed or asked for), 0: it has none. */
int og_records_find_link(struct og_db *db, const char *repository,
			 const struct og_blob_digest *digest, uint64_t *ret_bytes, int64_t *ret_at,
			 struct og_err *err);

/* The @index-th repository that has the blob. 1, 0: no more. */
int og_records_nth_holder(struct og_db *db, const struct og_blob_digest *digest, unsigned index,
			  char ret_name[OG_REPOSITORY_MAX], struct og_err *err);

/* 1: done, 0: there is none. -EBUSY: a manifest of the repository refers to it. */
int og_records_unlink(struct og_db *db, const char *repository, const struct og_blob_digest *digest,
		      struct og_err *err);

/* ---- manifests and tags ---- */

struct og_manifest_record {
	struct og_blob_digest digest;
	char media_type[OG_MEDIA_TYPE_MAX];
	char artifact_type[OG_MEDIA_TYPE_MAX];
	struct og_blob_digest subject; /* text "": none */
	uint64_t bytes;
	int64_t at;
};

struct og_manifest_put {
	const char *repository;
	const char *tag; /* NULL: none */
	const struct og_blob_digest *digest;
	const struct og_manifest *document;
	uint64_t bytes;
	bool sparse;  /* an index's manifests may be missing */
	bool partial; /* anything may */
	/* What the tag was found to point to, "" for nothing; NULL: nobody looked. Where it is now
	 * nothing, this manifest or some other, and was not then: -EAGAIN. */
	const char *previous;
	int64_t now;
};

/*
 * Errors: -ENOENT (@ret_missing is not there), -ELOOP (indexes in indexes too deep), -EAGAIN (the tag
 * has moved meanwhile).
 */
int og_records_put_manifest(struct og_db *db, const struct og_manifest_put *put,
			    struct og_blob_digest *ret_missing, struct og_err *err);

/* By @tag, or by @digest when it is NULL. 1, 0: there is none. @ret_record may be NULL. */
int og_records_find_manifest(struct og_db *db, const char *repository, const char *tag,
			     const struct og_blob_digest *digest,
			     struct og_manifest_record *ret_record, struct og_err *err);

/* 1 with seconds since 1970 (0: never), 0: there is no such tag. */
int og_records_pulled_at(struct og_db *db, const char *repository, const char *tag, int64_t *ret_at,
			 struct og_err *err);

/* Remembers that the tag was pulled, for those who keep what is in use. */
int og_records_pulled(struct og_db *db, const char *repository, const char *tag, int64_t now,
		      struct og_err *err);

/* A mark of the manifest's tags: another one when one came or went. */
int og_records_mark_tags(struct og_db *db, const char *repository,
			 const struct og_blob_digest *digest, uint8_t ret_mark[OG_HASH_BYTES_MAX],
			 struct og_err *err);

/* With its tags, those that @mark was of: else -EAGAIN. 1, 0: there is none. */
int og_records_delete_manifest(struct og_db *db, const char *repository,
			       const struct og_blob_digest *digest,
			       const uint8_t mark[OG_HASH_BYTES_MAX], struct og_err *err);

/* 1, 0: there is none. Its manifest stays. */
int og_records_delete_tag(struct og_db *db, const char *repository, const char *tag,
			  struct og_err *err);

/* Has it a manifest or blob? 1 or 0. */
int og_records_has_repository(struct og_db *db, const char *repository, struct og_err *err);

/* Bytes of all blobs and manifests of the repository, each counted once. */
int og_records_usage(struct og_db *db, const char *repository, uint64_t *ret_bytes,
		     struct og_err *err);
