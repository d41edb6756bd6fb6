/* SPDX-License-Identifier: Apache-2.0 */
/* An image layout, whatever it is kept in. Private to trust/. */
#pragma once

#include "trust/layer_scan.h"

struct og_layout {
	/* A document of at most OG_MANIFEST_BYTES_MAX bytes by its name in the layout; the caller frees. */
	int (*document)(void *data, const char *name, char **ret_buf, size_t *ret_len,
			struct og_err *err);
	int (*layer)(void *data, const char *name, struct og_layer_scan *scan, struct og_err *err);
	void *data;
};

/* @name: a tag, a name, a digest; NULL for the only image, or this platform's. */
int og_layout_inspect(const struct og_layout *layout, const char *name, struct og_builder *builder,
		      struct og_err *err);
