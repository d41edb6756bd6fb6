/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One layer on its way in, in one pass: the compressed bytes are pushed in order, decompressed
 * (gzip, zstd or plain, found by their first bytes), hashed, read as tar and written as EROFS into
 * a file without a name. No file of the layer is ever created on this host, so no name in it can
 * lead anywhere. Nothing has a name before og_layer_publish().
 *
 *	og_layer_new(); og_layer_write() ...; og_layer_finish(); compare diff_id; og_layer_publish();
 *
 * Hashing the compressed bytes is the caller's (who has to know the digest they should have).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"

struct og_layer;

/* What a layer may cost. A field of 0 takes the default. */
struct og_layer_limits {
	uint64_t max_bytes;   /* uncompressed; default 256 GiB */
	uint64_t max_entries; /* files, directories, links; default 4 million */
	uint64_t max_ratio; /* uncompressed to compressed, looked at from 256 MiB on; default 400 */
	uint64_t max_metadata_bytes; /* memory for names, inodes, xattrs, maps; default 2 GiB */
};

/*
 * What became of it. diff_id is the SHA-256 of the uncompressed tar: the caller compares it with
 * the one in the image's configuration.
 */
struct og_layer_info {
	struct og_digest diff_id;
	uint64_t compressed_bytes; /* pushed in */
	uint64_t tar_bytes;	   /* uncompressed */
	uint64_t entries;	   /* in the tar */
	uint64_t content_bytes;	   /* of its files, holes left out */
	uint64_t erofs_bytes;	   /* a multiple of 4096 */
};

/*
 * @layers_dir_fd (a duplicate is kept) is the folder of HEX.erofs files; @limits may be NULL. On
 * success *@ret_layer is the caller's to free. Errors: -ENOMEM, what openat() says.
 */
int og_layer_new(int layers_dir_fd, const struct og_layer_limits *limits,
		 struct og_layer **ret_layer, struct og_err *err);

/*
 * Takes the next compressed bytes. Errors: -EBADMSG (no valid archive or compression), -EFBIG (a
 * limit), -ENOSPC and what write() says. After an error only og_layer_free() is left.
 */
int og_layer_write(struct og_layer *layer, const void *buf, size_t len, struct og_err *err);

/*
 * Tells where the tar's content ends up: @len bytes at @tar_offset of the uncompressed tar are at
 * @erofs_offset of the layer's file, unchanged. Called from og_layer_write() and og_layer_finish(),
 * by rising @tar_offset, a piece of a file at a time, just before it is taken; sparse files are not
 * told. What comes in small pieces may be gathered first and told later. A later entry may take a
 * file's name from the image; its bytes stay. A negative result ends the layer.
 */
typedef int og_layer_placed_fn(void *data, uint64_t tar_offset, uint64_t erofs_offset, uint64_t len,
			       struct og_err *err);
void og_layer_watch(struct og_layer *layer, og_layer_placed_fn *fn, void *data);

/*
 * The end of the stream: checks that the archive is complete and completes the EROFS. *@ret_info
 * may be NULL. Errors: as og_layer_write().
 */
int og_layer_finish(struct og_layer *layer, struct og_layer_info *ret_info, struct og_err *err);

/*
 * After og_layer_finish(): flushes the file and names it HEX.erofs of its diff_id, durably. A layer
 * that is there already is kept, and that is success.
 */
int og_layer_publish(struct og_layer *layer, struct og_err *err);

/* Drops the layer, and what was written unless it was published. Accepts NULL, returns NULL. */
struct og_layer *og_layer_free(struct og_layer *layer);
OG_DEFINE_CLEANUP(struct og_layer, og_layer_free)

/*
 * Opens a published layer for reading, the descriptor is the caller's. Errors: -ENOENT, what
 * openat() says.
 */
int og_layer_open(int layers_dir_fd, const struct og_digest *diff_id, int *ret_fd,
		  struct og_err *err);
