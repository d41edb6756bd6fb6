/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records of the image store: which images there are, under which names, of which files. Each
 * function is one or a few SQL statements; the caller holds the store's lock and decides about
 * transactions.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/db.h"
#include "base/digest.h"
#include "base/err.h"
#include "format/imageref.h"
#include "image/store.h"

/* "sha256:HEX", as IDs and digests stand in the records. */
struct og_image_id {
	char text[sizeof(struct og_digest_text)];
};

struct og_record_layer {
	struct og_digest diff_id;
	struct og_digest blob;
	char media_type[96];
	uint64_t blob_bytes; /* as it travels */
	uint64_t bytes;	     /* of its files */
};

/* An image as it is recorded. */
struct og_record {
	struct og_digest id;		/* of the configuration */
	struct og_digest manifest;	/* the blob that describes it */
	uint64_t size;			/* bytes of its layers' files */
	struct og_record_layer *layers; /* bottom to top; owned */
	size_t layer_count;
};

void og_record_done(struct og_record *record);

int og_catalog_open(int root_fd, struct og_db **ret_db, struct og_err *err);

/* Does any image's record speak for the file? */
int og_catalog_has_file(struct og_db *db, const char *name, bool *ret_known, struct og_err *err);
int og_catalog_has_image(struct og_db *db, const char *id, bool *ret_known, struct og_err *err);

/*
 * Bytes of the files in a layer that some image has from this blob. Returns 1, 0 when none has, or
 * an error.
 */
int og_catalog_layer_bytes(struct og_db *db, const struct og_digest *blob,
			   const struct og_digest *diff_id, uint64_t *ret_bytes,
			   struct og_err *err);

/* The layer that some image has from this blob. Returns 1, 0 when none has it, or an error. */
int og_catalog_find_blob(struct og_db *db, const struct og_digest *blob,
			 struct og_record_layer *ret_layer, struct og_err *err);

/* Adds an image that is not there. Part of the caller's transaction, as all that write. */
int og_catalog_add(struct og_db *db, const struct og_record *record, struct og_err *err);

/* On success @ret_record is the caller's, to be ended by og_record_done(). Errors: -ENOENT. */
int og_catalog_read(struct og_db *db, const char *id, struct og_record *ret_record,
		    struct og_err *err);

/* Gives the image @id the name; one that another image has moves over. */
int og_catalog_set_tag(struct og_db *db, const char *repository, const char *tag, const char *id,
		       struct og_err *err);
int og_catalog_set_digest(struct og_db *db, const char *repository, const struct og_digest *digest,
			  const char *id, struct og_err *err);

/* Looks up a name. Returns 1 with the ID, 0 when there is none, or an error. */
int og_catalog_find(struct og_db *db, const struct og_imageref *ref, struct og_image_id *ret_id,
		    struct og_err *err);

/* How many images' hexadecimal IDs begin with @hex: 0, 1 with the ID, or 2 for more; or an error. */
int og_catalog_find_prefix(struct og_db *db, const char *hex, struct og_image_id *ret_id,
			   struct og_err *err);

/* All images, youngest record first. On success *@ret_ids is the caller's to free(). */
int og_catalog_list(struct og_db *db, struct og_image_id **ret_ids, size_t *ret_count,
		    struct og_err *err);

/* The names of an image as Docker writes them, NULL-terminated, the caller's. */
int og_catalog_tags(struct og_db *db, const char *id, char ***ret_tags, struct og_err *err);
int og_catalog_digests(struct og_db *db, const char *id, char ***ret_digests, struct og_err *err);

/* Takes a name away. Returns 1, 0 when there was none, or an error. */
int og_catalog_unset_tag(struct og_db *db, const struct og_imageref *ref, struct og_err *err);

/* Takes away the digests that an image has in repositories where it has no tag any more. */
int og_catalog_unset_stray_digests(struct og_db *db, const char *id, struct og_err *err);
int og_catalog_unset_digest(struct og_db *db, const struct og_imageref *ref, struct og_err *err);

/* Removes the record with its names. *@ret_files (of *@ret_count) is the caller's to free(). */
int og_catalog_remove(struct og_db *db, const char *id, struct og_file_name **ret_files,
		      size_t *ret_count, struct og_err *err);
