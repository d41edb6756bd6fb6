/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lays a layer over a tree, as overlayfs would show the two: whiteouts remove what is below and are
 * gone themselves, opaque directories hide what is below them, other directories are merged. What
 * only spoke to overlayfs or to us (trusted.overlay.*, trusted.onggi.*) does not get through.
 */
#pragma once

#include "format/erofs_read.h"
#include "format/erofs_tree.h"

/*
 * @view is a whole layer file's metadata; @extra is the number that its content will have, see
 * og_erofs_inode. After an error @tree is good only to be freed. Errors: -EBADMSG (the layer is
 * damaged), -EFBIG, -ENOMEM.
 */
int og_erofs_overlay(struct og_erofs_tree *tree, const struct og_erofs_view *view, uint32_t extra,
		     struct og_err *err);
