/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One layer on its way through: compressed bytes are pushed in; decompressed, hashed, read as tar, and
 * what is of interest goes into the builder. One pass; what is of no interest is never copied.
 * Private to trust/.
 */
#pragma once

#include "base/digest.h"
#include "trust/builder.h"

struct og_layer_scan;

/* Of the layer that og_builder_layer() began. On success *@ret_scan is the caller's to free. */
int og_layer_scan_new(struct og_builder *builder, struct og_layer_scan **ret_scan,
		      struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_layer_scan *og_layer_scan_free(struct og_layer_scan *scan);
OG_DEFINE_CLEANUP(struct og_layer_scan, og_layer_scan_free)

/* Errors: -EBADMSG (no archive), -EFBIG (a bomb), what reading a file of interest says. */
int og_layer_scan_feed(struct og_layer_scan *scan, const void *buf, size_t len, struct og_err *err);

/* The end. @ret_diff_id: of the tar. */
int og_layer_scan_finish(struct og_layer_scan *scan, struct og_digest *ret_diff_id,
			 struct og_err *err);
