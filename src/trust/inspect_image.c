/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/inspect_image.h"

#include <stdlib.h>

#include "base/io.h"

#define PIECE_BYTES (256U << 10)

int og_layer_scan_file(struct og_layer_scan *scan, int fd, uint64_t offset, uint64_t size,
		       struct og_err *err)
{
	og_auto_free char *buf = malloc(PIECE_BYTES);
	int r = 0;

	if (buf == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	while (size > 0 && r == 0) {
		size_t want = size < PIECE_BYTES ? (size_t)size : PIECE_BYTES;
		ssize_t n = og_pread_upto(fd, buf, want, offset);

		if (n < 0)
			return og_fail(err, (int)n, "read");
		if (n == 0)
			return og_fail_plain(err, -EBADMSG, "it is cut short");
		r = og_layer_scan_feed(scan, buf, (size_t)n, err);
		offset += (uint64_t)n;
		size -= (uint64_t)n;
	}
	return r;
}

static int scan_layer(struct og_builder *builder, const struct og_image_source *source,
		      const struct og_imageconfig *config, size_t index, struct og_err *err)
{
	og_cleanup(og_layer_scan_freep) struct og_layer_scan *scan = NULL;
	struct og_digest diff_id;
	int r = og_builder_layer(builder, source->layer_digest(source->data, index),
				 og_digest_format(&config->diff_ids[index]).text,
				 og_history_of_layer(config, index), err);

	if (r == 0)
		r = og_layer_scan_new(builder, &scan, err);
	if (r == 0)
		r = source->layer(source->data, index, scan, err);
	if (r == 0)
		r = og_layer_scan_finish(scan, &diff_id, err);
	if (r == 0 && !og_digest_equal(&diff_id, &config->diff_ids[index]))
		r = og_fail_plain(err, -EBADMSG,
				  "its content is not what the image's configuration says");
	return r < 0 ? og_fail_in(err, r, "layer %zu", index + 1) : 0;
}

int og_inspect_image(struct og_builder *builder, const struct og_image_source *source,
		     struct og_err *err)
{
	og_cleanup(og_imageconfig_freep) struct og_imageconfig *config = NULL;
	struct og_digest id;
	int r = og_imageconfig_parse(source->config, source->config_len, &config, err);

	if (r == 0)
		r = og_digest_of(source->config, source->config_len, &id, err);
	if (r == 0 && config->layer_count != source->layer_count)
		r = og_fail_plain(err, -EBADMSG, "it has %zu layers, its configuration %zu",
				  source->layer_count, config->layer_count);
	if (r == 0)
		r = og_builder_image(builder, source->digest, og_digest_format(&id).text, err);
	for (size_t i = 0; i < source->layer_count && r == 0; i++)
		r = scan_layer(builder, source, config, i, err);
	return r < 0 ? r : og_inspect_config(builder, config, err);
}
