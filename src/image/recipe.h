/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An uncompressed layer blob that is not kept twice. The files' content lies in the layer's EROFS
 * already, so only the rest of the tar is kept (headers, padding, sparse files), and where each
 * piece of content is to be put between: a recipe, recipes/HEX, HEX the digest of the blob, which is
 * the layer's diffID. Written while the layer is, it halves what an import writes and keeps.
 */
#pragma once

#include "image/layer.h"
#include "image/store.h"

struct og_recipe;

/* On success *@ret_recipe is the caller's to free. It watches @layer, which it must not outlive. */
int og_recipe_new(struct og_store *store, struct og_layer *layer, struct og_recipe **ret_recipe,
		  struct og_err *err);

/* Drops it, and what was written unless it was published. Accepts NULL, returns NULL. */
struct og_recipe *og_recipe_free(struct og_recipe *recipe);
OG_DEFINE_CLEANUP(struct og_recipe, og_recipe_free)

/* The same bytes that og_layer_write() has just been given. */
int og_recipe_write(struct og_recipe *recipe, const void *buf, size_t len, struct og_err *err);

/* Completes, flushes and names it; the session pins the name. One that is there is kept. */
int og_recipe_publish(struct og_recipe *recipe, const struct og_digest *diff_id,
		      struct og_err *err);

/* ---- reading blobs, kept whole or as a recipe ---- */

struct og_blob_reader;

/* On success *@ret_reader is the caller's to free. Errors: -ENOENT, -EUCLEAN (a damaged recipe). */
int og_blob_reader_new(struct og_store *store, const struct og_digest *digest,
		       struct og_blob_reader **ret_reader, struct og_err *err);
struct og_blob_reader *og_blob_reader_free(struct og_blob_reader *reader);
OG_DEFINE_CLEANUP(struct og_blob_reader, og_blob_reader_free)

uint64_t og_blob_reader_size(const struct og_blob_reader *reader);

/* The next bytes in order. Returns their number, 0 at the end, or a negative errno. */
ssize_t og_blob_reader_read(struct og_blob_reader *reader, void *buf, size_t len,
			    struct og_err *err);
