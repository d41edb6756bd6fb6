/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tar becomes an EROFS file. Whatever was accepted, our own reader takes the file, lays it over an
 * empty tree and over itself, and the tree is written again.
 */
#include "format/erofs_overlay.h"
#include "format/erofs_tar.h"

#include "memory_sink.h"
#include "replay.h"

#define TAR_AT 0
#include "tar_mutator.h"

#define MAX_TREE_BYTES (64U << 20)

static const uint8_t uuid[16] = { 1, 2, 3 };

static bool make_layer(const uint8_t *data, size_t size, struct memory *memory)
{
	static const struct og_erofs_tar_limits limits = { 2000, 8U << 20 };
	struct og_erofs_sink sink = { memory_write, memory };
	struct og_erofs_tar *tar;
	uint64_t blocks;
	int r;

	if (og_erofs_tar_new(&sink, 1, &limits, &tar, NULL) < 0)
		return false;
	r = og_erofs_tar_feed(tar, data, size, NULL);
	if (r == 0)
		r = og_erofs_tar_finish(tar, uuid, &blocks, NULL);
	og_erofs_tar_free(tar);
	return r == 0;
}

static void merge_again(const struct memory *layer)
{
	struct og_erofs_extra extras[2] = { { .blocks = 1000 }, { .blocks = 1000 } };
	struct og_erofs_tree *tree = NULL;
	struct og_erofs_writer *writer = NULL;
	struct memory merged = {};
	struct og_erofs_sink sink = { memory_write, &merged };
	struct og_erofs_view view;
	uint64_t blocks;

	if (og_erofs_read_super(layer->bytes, &view, NULL) < 0 || view.blocks * 4096 != layer->len)
		abort();
	view.buf = layer->bytes;
	view.len = layer->len;
	view.base = 0;
	if (og_erofs_tree_new(2, MAX_TREE_BYTES, &tree, NULL) < 0)
		return;
	if (og_erofs_overlay(tree, &view, 1, NULL) < 0 ||
	    og_erofs_overlay(tree, &view, 2, NULL) < 0)
		abort();
	if (og_erofs_writer_new(&sink, &writer, NULL) == 0 &&
	    og_erofs_write_tree(writer, tree, extras, 2, uuid, &blocks, NULL) < 0)
		abort();
	og_erofs_writer_free(writer);
	og_erofs_tree_free(tree);
	free(merged.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memory layer = {};

	if (make_layer(data, size, &layer))
		merge_again(&layer);
	free(layer.bytes);
	return 0;
}
