/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layers of an image joined by a small EROFS file of metadata alone, merged/HEX.erofs with HEX
 * = the image's chainID. Its device table names the layer files, bottom to top. Mounted with one
 * device= option a layer (in that order), or, from Linux 6.4 on, as one disk without any option:
 * the merged file at byte 0 and each layer at the byte og_merged_layers() tells, one behind the
 * other without a gap.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"

/* As many as Docker lets an image have (overlayfs' own bound is 500). */
#define OG_MERGE_LAYERS_MAX 127

/* The chainID of layers bottom to top (OCI image-spec, config.md#layer-chainid). @count > 0. */
int og_chain_id(const struct og_digest *diff_ids, size_t count, struct og_digest *ret_chain_id,
		struct og_err *err);

/*
 * Makes merged/HEX.erofs of the layers named by @diff_ids, bottom to top, durably; one that is
 * there already is kept. *@ret_chain_id may be NULL. An image of no layer is an empty directory
 * (its chainID: the SHA-256 of nothing).
 *
 * Errors: -ENOENT (a layer is missing), -EBADMSG (a layer file is damaged), -E2BIG (too many
 * layers), and what the file system says.
 */
int og_merge_layers(int layers_dir_fd, int merged_dir_fd, const struct og_digest *diff_ids,
		    size_t count, struct og_digest *ret_chain_id, struct og_err *err);

/* Where one layer sits in the concatenation. */
struct og_merged_layer {
	struct og_digest diff_id;
	uint64_t offset; /* bytes, a multiple of 4096 */
	uint64_t bytes;	 /* of the layer's file */
};

/*
 * Reads the device table of a merged file. On success *@ret_layers (bottom to top) is the caller's
 * to free(), NULL for an image of no layer; *@ret_bytes (may be NULL) is the merged file's own part.
 * Errors: -EBADMSG (no merged file of ours), -ENOMEM.
 */
int og_merged_layers(int merged_fd, struct og_merged_layer **ret_layers, size_t *ret_count,
		     uint64_t *ret_bytes, struct og_err *err);
