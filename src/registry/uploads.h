/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uploads: bytes on their way to become a blob. An upload that was begun and has no bytes yet is
 * nothing but its ID, which says when it was begun and carries a proof (a MAC with the registry's
 * secret) of the repository and account it is for: a flood of them takes neither memory nor disk
 * (A62), and another account's is not found (A57). With the first bytes that are not the whole it
 * gets a file, uploads/ID, whose length is what has come: so it goes on after a restart too.
 *
 * Hashes of what has come are kept in memory for some uploads; of others the file is read again.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "format/registry_path.h"
#include "registry/store.h"

#define OG_UPLOAD_ID_CHARS (8 + 24 + 32) /* time, random, MAC: lower-case hexadecimal */

/* Kept hashes, and IDs that are over, so that asking for one says so. */
#define OG_UPLOADS_HASHES 128U
#define OG_UPLOADS_OVER	  1024U

struct og_upload_hash {
	char id[OG_UPLOAD_ID_MAX]; /* "": free */
	struct og_hash *hash;	   /* owned */
	uint64_t bytes;		   /* hashed */
	uint64_t used;
};

struct og_uploads {
	struct og_blob_store *store;
	const uint8_t *key;
	size_t key_len;
	unsigned lifetime_s, max;
	uint64_t max_bytes; /* 0: no limit */
	/* Another process may give uploads up (onggi-registry gc): at a limit they are counted anew. */
	atomic_uint count;	    /* files */
	atomic_uint_fast64_t bytes; /* in them */
	atomic_uint_fast64_t loose; /* that came in requests which are not over yet */
	pthread_mutex_t lock;	    /* over what is below */
	int64_t counted_at;
	struct og_upload_hash hashes[OG_UPLOADS_HASHES];
	uint64_t uses;
	char over[OG_UPLOADS_OVER][OG_UPLOAD_ID_CHARS];
	unsigned over_next;
};

/* @uploads has store, key and limits. Counts what is there. */
int og_uploads_open(struct og_uploads *uploads, struct og_err *err);
void og_uploads_done(struct og_uploads *uploads);

/* Makes an ID. */
int og_uploads_begin(const struct og_uploads *uploads, const char *repository, const char *account,
		     char ret_id[OG_UPLOAD_ID_MAX], struct og_err *err);

/* Is it one of ours, of this repository and account, and not over? */
bool og_uploads_is_valid(struct og_uploads *uploads, const char *id, const char *repository,
			 const char *account);

/* How many bytes have come. */
uint64_t og_uploads_size(const struct og_uploads *uploads, const char *id);

/* One that is being worked on: nobody else can at the same time. */
struct og_upload {
	struct og_uploads *uploads;
	char id[OG_UPLOAD_ID_MAX];
	int fd;		      /* owned; -EBADF: none yet */
	bool named;	      /* it is uploads/ID */
	uint64_t bytes;	      /* in it */
	uint64_t taken;	      /* that were in it before */
	uint64_t grown;	      /* counted since */
	struct og_hash *hash; /* owned; of all of it */
	enum og_hash_kind kind;
};

/*
 * Takes the upload. @whole: its last bytes are to come, so that one without a file needs none with a
 * name. Errors: -EBUSY (another request works on it), -EDQUOT (too many open uploads).
 */
int og_upload_take(struct og_uploads *uploads, const char *id, bool whole,
		   struct og_upload *ret_upload, struct og_err *err);

/* Makes the hash one of @kind over what has come. */
int og_upload_hash_as(struct og_upload *upload, enum og_hash_kind kind, struct og_err *err);

/* Counts @bytes that will be added. Errors: -EDQUOT. */
int og_upload_grow(struct og_upload *upload, uint64_t bytes, struct og_err *err);

/* Takes back what came after the first @bytes. */
int og_upload_cut(struct og_upload *upload, uint64_t bytes, struct og_err *err);

/* Lets go of it. @over: it became a blob or was given up, and is gone. */
void og_upload_release(struct og_upload *upload, bool over);

/* Removes those whose last byte came too long ago. Returns how many, or would. */
uint64_t og_uploads_purge(struct og_uploads *uploads, bool dry_run, uint64_t *ret_bytes);
