/* SPDX-License-Identifier: Apache-2.0 */
/* What every source of an image does with its configuration and layers. Private to trust/. */
#pragma once

#include <sys/types.h>

#include "base/digest.h"
#include "format/imageconfig.h"
#include "trust/builder.h"
#include "trust/layer_scan.h"

/* An image as its source has it. */
struct og_image_source {
	const char *digest; /* of the manifest, "" */
	const char *config; /* the document */
	size_t config_len;
	size_t layer_count;
	/* "sha256:HEX" of the layer as it travels, or "" */
	const char *(*layer_digest)(void *data, size_t index);
	/* Pushes all of the layer's bytes into @scan. */
	int (*layer)(void *data, size_t index, struct og_layer_scan *scan, struct og_err *err);
	void *data;
};

/*
 * Reads the layers bottom to top, each compared with what the configuration says it is, and judges the
 * configuration. Errors: -EBADMSG (also: another content than the image's), what ->layer says.
 */
int og_inspect_image(struct og_builder *builder, const struct og_image_source *source,
		     struct og_err *err);

/* What the configuration alone tells (inspect_config.c). */
int og_inspect_config(struct og_builder *builder, const struct og_imageconfig *config,
		      struct og_err *err);

/* The instruction of the history that made layer @index, "" where it says none. */
const char *og_history_of_layer(const struct og_imageconfig *config, size_t index);

/* Pushes @size bytes of @fd from @offset on into @scan. */
int og_layer_scan_file(struct og_layer_scan *scan, int fd, uint64_t offset, uint64_t size,
		       struct og_err *err);
