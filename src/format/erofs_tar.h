/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layer's tar becomes an EROFS file, in one pass and without I/O. What the entries mean is what
 * containerd and Docker take them for (OCI image-spec, layer.md):
 *
 *   - names are cleaned ("a/../b" is "b") and cannot leave the root, which is this tree's and not
 *     the host's; links in the middle of a name lead where they lead inside the tree;
 *   - missing parents are made (0755, root's, marked OG_EROFS_IMPLICIT), a later entry replaces an
 *     earlier one, directories are merged;
 *   - a hard link's target must be there before it; its last part is not followed;
 *   - ".wh.NAME" becomes what overlayfs takes for a whiteout, a character device 0:0;
 *     ".wh..wh..opq" sets trusted.overlay.opaque; other ".wh..wh." names (AUFS) are left out;
 *   - trusted.overlay.* and user.overlay.* from outside are dropped: they would command overlayfs.
 *     Devices and set-uid files are kept as data, for the mount to decide.
 */
#pragma once

#include <stdint.h>

#include "format/erofs_write.h"

/* Linux follows no more in one path. */
#define OG_EROFS_LINKS_MAX 40

/* On a directory that the layer names only in passing: it takes those below as they are. */
#define OG_EROFS_IMPLICIT "trusted.onggi.implicit"
#define OG_EROFS_OPAQUE	  "trusted.overlay.opaque"

struct og_erofs_tar_limits {
	uint64_t max_entries;
	uint64_t max_metadata_bytes;
};

/* @len bytes of content at @tar_offset of the archive are at @erofs_offset of the file. */
typedef int og_erofs_placed_fn(void *data, uint64_t tar_offset, uint64_t erofs_offset, uint64_t len,
			       struct og_err *err);

struct og_erofs_tar;

/* @seed: random, see og_erofs_tree_new(). On success *@ret_tar is the caller's to free. */
int og_erofs_tar_new(const struct og_erofs_sink *sink, uint64_t seed,
		     const struct og_erofs_tar_limits *limits, struct og_erofs_tar **ret_tar,
		     struct og_err *err);
struct og_erofs_tar *og_erofs_tar_free(struct og_erofs_tar *tar);
OG_DEFINE_CLEANUP(struct og_erofs_tar, og_erofs_tar_free)

/* Errors: -EBADMSG (no valid archive), -EFBIG (a limit), -ENOMEM, the sink's. */
int og_erofs_tar_feed(struct og_erofs_tar *tar, const void *buf, size_t len, struct og_err *err);

/* The end of the archive: checks it and completes the file; *@ret_blocks is its size. */
int og_erofs_tar_finish(struct og_erofs_tar *tar, const uint8_t uuid[16], uint64_t *ret_blocks,
			struct og_err *err);

uint64_t og_erofs_tar_entries(const struct og_erofs_tar *tar);

/* The sum of the files' sizes, holes left out. */
uint64_t og_erofs_tar_content_bytes(const struct og_erofs_tar *tar);

/*
 * Calls @fn for the content of files that are not sparse: in order, a piece at a time as it was fed,
 * just before it is taken.
 */
void og_erofs_tar_watch(struct og_erofs_tar *tar, og_erofs_placed_fn *fn, void *data);
