/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of the image store, and who needs them at the moment. A file gets its name when it is
 * whole, flushed and verified, never before. An operation (og_session) pins the files it makes or
 * relies on; a file goes only when neither a record nor a pin speaks for it, which is decided
 * under one lock.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/db.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/sha256.h"

/* A file's name below the data root: its folder's, and HEX or HEX.erofs. */
enum og_folder {
	OG_FOLDER_BLOBS,
	OG_FOLDER_LAYERS,
	OG_FOLDER_MERGED,
	OG_FOLDER_RECIPES, /* see recipe.h */
	OG_FOLDER_COUNT,
};

struct og_file_name {
	char text[96]; /* "blobs/sha256/HEX" */
};

struct og_file_name og_file_name(enum og_folder folder, const struct og_digest *digest);

/* Where a layer's blob is kept: an uncompressed one, whose digest is its diffID, as a recipe. */
struct og_file_name og_layer_blob_name(const struct og_digest *blob,
				       const struct og_digest *diff_id);

struct og_pin; /* private */

struct og_store {
	int root_fd;
	int folder_fds[OG_FOLDER_COUNT];
	struct og_db *db;
	pthread_mutex_t lock;	/* over @db and what is below */
	pthread_cond_t changed; /* a file is no longer being made */
	struct og_pin *pins;
};

/*
 * Opens what lies below @root_fd, makes what is missing, removes files without a record.
 * og_store_done() takes a store that og_store_open() began, even in vain.
 */
int og_store_open(struct og_store *store, int root_fd, struct og_err *err);
void og_store_done(struct og_store *store);

/* ---- sessions ---- */

#define OG_SESSION_PINS_MAX 1024 /* 127 layers of two files, a few images of one archive */

struct og_session {
	struct og_store *store;
	struct og_file_name *names; /* pinned; owned */
	size_t count;
	pthread_mutex_t lock; /* over the list */
};

int og_session_begin(struct og_store *store, struct og_session *ret_session, struct og_err *err);

/* Unpins; what no record speaks for then goes. */
void og_session_end(struct og_session *session);

/* Pins @name for the session's life. *@ret_exists: is it there already? */
int og_session_pin(struct og_session *session, const struct og_file_name *name, bool *ret_exists,
		   struct og_err *err);

/*
 * Takes the right to make the file @name, which is pinned: waits while another session makes it.
 * *@ret_mine: false when it exists by now, else og_session_made() must follow, whatever happens.
 * @tick (may be NULL) is called about five times a second; its negative errno ends the waiting.
 */
int og_session_claim(struct og_session *session, const struct og_file_name *name,
		     int (*tick)(void *data), void *data, bool *ret_mine, struct og_err *err);
void og_session_made(struct og_session *session, const struct og_file_name *name);

/*
 * What a session knows of a blob it made, for those who wait and before there is a record: its layer,
 * and the bytes of that layer's files. og_session_noted() tells whether it is that layer's blob.
 */
void og_session_note(struct og_session *session, const struct og_file_name *name,
		     const struct og_digest *diff_id, uint64_t bytes);
bool og_session_noted(struct og_session *session, const struct og_file_name *name,
		      const struct og_digest *diff_id, uint64_t *ret_bytes);

/* Flushes the unnamed file @fd and gives it its name, durably. One that exists is kept. */
int og_store_publish(struct og_store *store, int fd, enum og_folder folder,
		     const struct og_file_name *name, struct og_err *err);

/* ---- blobs ---- */

/* A blob on its way in: bytes go to a file without a name and through SHA-256. */
struct og_blob {
	struct og_store *store;
	int fd;
	struct og_sha256 *sha256;
	uint64_t bytes;
	struct og_digest digest; /* after og_blob_finish() */
};

/* og_blob_done() takes a blob that was zeroed, begun, or published: what has no name is gone then. */
int og_blob_begin(struct og_store *store, struct og_blob *ret_blob, struct og_err *err);
int og_blob_write(struct og_blob *blob, const void *buf, size_t len, struct og_err *err);
int og_blob_finish(struct og_blob *blob, struct og_err *err);
void og_blob_done(struct og_blob *blob);

/* Flushes and names a finished blob, which @session must have pinned. One that exists is kept. */
int og_blob_publish(struct og_blob *blob, struct og_err *err);

/* Pins and publishes @buf as a blob. */
int og_blob_put(struct og_session *session, const void *buf, size_t len,
		struct og_digest *ret_digest, struct og_err *err);

/* Reads a document (kept whole) of at most @max_bytes, NUL-terminated, the caller's to free. */
int og_blob_read(struct og_store *store, const struct og_digest *digest, size_t max_bytes,
		 char **ret_buf, size_t *ret_len, struct og_err *err);

/*
 * With the lock held: removes the files of @names that neither a record nor a pin speaks for.
 * Returns the bytes freed.
 */
uint64_t og_store_sweep(struct og_store *store, const struct og_file_name *names, size_t count);
