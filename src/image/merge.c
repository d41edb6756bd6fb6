/* SPDX-License-Identifier: Apache-2.0 */
#include "image/merge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/path.h"
#include "format/erofs_overlay.h"
#include "format/erofs_write.h"
#include "image/layer.h"

#define BLOCK_BYTES 4096U
/* More than the largest layer may have, for all layers together. */
#define MAX_TREE_BYTES	   (8ULL << 30)
#define MAX_METADATA_BYTES (4ULL << 30)

static int write_out(void *data, uint64_t offset, const void *buf, size_t len, struct og_err *err)
{
	int fd = *(const int *)data;
	int r = og_pwrite_all(fd, buf, len, offset);

	return r < 0 ? og_fail(err, r, "write merged image: make room below the data root") : 0;
}

int og_chain_id(const struct og_digest *diff_ids, size_t count, struct og_digest *ret_chain_id,
		struct og_err *err)
{
	og_cleanup(og_sha256_freep) struct og_sha256 *sha256 = NULL;
	struct og_digest chain = {};
	int r = og_sha256_new(&sha256, err);

	if (r < 0)
		return r;
	if (count == 0)
		og_sha256_finish(sha256, chain.sha256);
	else
		chain = diff_ids[0];
	for (size_t i = 1; i < count; i++) {
		struct og_digest_text below = og_digest_format(&chain);
		struct og_digest_text layer = og_digest_format(&diff_ids[i]);

		r = og_sha256_add(sha256, below.text, strlen(below.text), err);
		if (r == 0)
			r = og_sha256_add(sha256, " ", 1, err);
		if (r == 0)
			r = og_sha256_add(sha256, layer.text, strlen(layer.text), err);
		if (r < 0)
			return r;
		og_sha256_finish(sha256, chain.sha256);
	}
	*ret_chain_id = chain;
	return 0;
}

/* Reads the super block, checks that the file is as long as it says. */
static int read_super(int fd, struct og_erofs_view *ret_view, struct og_err *err)
{
	uint8_t block[OG_EROFS_SUPER_BYTES];
	struct stat st;
	ssize_t n = og_pread_upto(fd, block, sizeof(block), 0);
	int r;

	if (n < 0 || fstat(fd, &st) < 0)
		return og_fail(err, n < 0 ? (int)n : -errno, "read");
	if (n < (ssize_t)sizeof(block))
		return og_fail(err, -EBADMSG, "file is cut short");
	r = og_erofs_read_super(block, ret_view, err);
	if (r < 0)
		return r;
	if ((uint64_t)st.st_size != ret_view->blocks * BLOCK_BYTES)
		return og_fail(err, -EBADMSG, "file is cut short");
	return 0;
}

/* Reads @view's metadata, from @from to the file's end; the memory is the caller's. */
static int read_metadata(int fd, struct og_erofs_view *view, uint64_t from, uint8_t **ret_buf,
			 struct og_err *err)
{
	uint64_t end = view->blocks * BLOCK_BYTES;
	og_auto_free uint8_t *buf = NULL;
	ssize_t n;

	if (from > end || end - from > MAX_METADATA_BYTES)
		return og_fail(err, -EBADMSG, "metadata out of bounds");
	view->base = from;
	view->len = (size_t)(end - from);
	buf = malloc(view->len + 1);
	if (buf == NULL)
		return og_fail(err, -ENOMEM, "allocate metadata");
	n = og_pread_upto(fd, buf, view->len, from);
	if (n < 0)
		return og_fail(err, (int)n, "read");
	if ((size_t)n != view->len)
		return og_fail(err, -EBADMSG, "file is cut short");
	view->buf = buf;
	*ret_buf = og_take_ptr(buf);
	return 0;
}

/* Lays one layer over the tree, and fills in its line of the device table. */
static int lay_layer(int fd, const struct og_digest *diff_id, struct og_erofs_tree *tree,
		     struct og_erofs_extra *extra, uint32_t number, struct og_err *err)
{
	og_auto_free uint8_t *buf = NULL;
	struct og_erofs_view view = {};
	int r = read_super(fd, &view, err);

	if (r == 0)
		r = read_metadata(fd, &view, view.meta_at, &buf, err);
	if (r < 0)
		return r;
	(void)snprintf(extra->tag, sizeof(extra->tag), "%.64s", og_digest_hex(diff_id).text);
	extra->blocks = (uint32_t)view.blocks;
	return og_erofs_overlay(tree, &view, number, err);
}

static int lay_layers(int layers_dir_fd, const struct og_digest *diff_ids, size_t count,
		      struct og_erofs_tree *tree, struct og_erofs_extra *extras, struct og_err *err)
{
	for (size_t i = 0; i < count; i++) {
		og_auto_fd fd = -EBADF;
		int r = og_layer_open(layers_dir_fd, &diff_ids[i], &fd, err);

		if (r < 0)
			return r;
		r = lay_layer(fd, &diff_ids[i], tree, &extras[i], (uint32_t)i + 1, err);
		if (r < 0)
			return og_fail_in(err, r, "layer %.12s: pull or load its image again",
					  og_digest_hex(&diff_ids[i]).text);
	}
	return 0;
}

static int new_tree(struct og_erofs_tree **ret_tree, struct og_err *err)
{
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return og_fail(err, -EIO, "get random bytes");
	return og_erofs_tree_new(seed, MAX_TREE_BYTES, ret_tree, err);
}

/* Writes the merged file to @fd. */
static int merge_to(int fd, int layers_dir_fd, const struct og_digest *diff_ids, size_t count,
		    const struct og_digest *chain_id, struct og_err *err)
{
	og_cleanup(og_erofs_tree_freep) struct og_erofs_tree *tree = NULL;
	og_cleanup(og_erofs_writer_freep) struct og_erofs_writer *writer = NULL;
	struct og_erofs_extra extras[OG_MERGE_LAYERS_MAX] = {};
	struct og_erofs_sink sink = { .write = write_out, .data = &fd };
	uint64_t blocks;
	int r = new_tree(&tree, err);

	if (r == 0)
		r = lay_layers(layers_dir_fd, diff_ids, count, tree, extras, err);
	if (r == 0)
		r = og_erofs_writer_new(&sink, &writer, err);
	if (r == 0)
		r = og_erofs_write_tree(writer, tree, extras, count, chain_id->sha256, &blocks,
					err);
	return r;
}

static int publish(int fd, int dir_fd, const char *name, struct og_err *err)
{
	if (fsync(fd) < 0)
		return og_fail(err, -errno, "flush merged image");
	if (linkat(AT_FDCWD, og_fd_path(fd).text, dir_fd, name, AT_SYMLINK_FOLLOW) < 0 &&
	    errno != EEXIST)
		return og_fail(err, -errno, "publish merged image %.12s", name);
	if (fsync(dir_fd) < 0)
		return og_fail(err, -errno, "flush merged images");
	return 0;
}

int og_merge_layers(int layers_dir_fd, int merged_dir_fd, const struct og_digest *diff_ids,
		    size_t count, struct og_digest *ret_chain_id, struct og_err *err)
{
	char name[OG_DIGEST_HEX_CHARS + sizeof(".erofs")];
	struct og_digest chain_id;
	og_auto_fd fd = -EBADF;
	int r;

	if (count > OG_MERGE_LAYERS_MAX)
		return og_fail(err, -E2BIG, "image of %zu layers: at most %d can be joined", count,
			       OG_MERGE_LAYERS_MAX);
	r = og_chain_id(diff_ids, count, &chain_id, err);
	if (r < 0)
		return r;
	(void)snprintf(name, sizeof(name), "%.64s.erofs", og_digest_hex(&chain_id).text);
	if (faccessat(merged_dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
		fd = openat(merged_dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0444);
		if (fd < 0)
			return og_fail(err, -errno, "create merged image");
		r = merge_to(fd, layers_dir_fd, diff_ids, count, &chain_id, err);
		if (r == 0)
			r = publish(fd, merged_dir_fd, name, err);
		if (r < 0)
			return r;
	}
	if (ret_chain_id != NULL)
		*ret_chain_id = chain_id;
	return 0;
}

static int read_table(const struct og_erofs_view *view, struct og_merged_layer *layers,
		      struct og_err *err)
{
	uint64_t next = view->blocks;

	for (uint32_t i = 0; i < view->extra_count; i++) {
		uint32_t blocks, unified;
		const char *tag;
		int r = og_erofs_read_device(view, i, &tag, &blocks, &unified, err);

		if (r < 0)
			return r;
		if (og_digest_parse_hex(tag, &layers[i].diff_id) < 0 || unified != next)
			return og_fail(err, -EBADMSG, "merged image's device table is damaged");
		layers[i].offset = (uint64_t)unified * BLOCK_BYTES;
		layers[i].bytes = (uint64_t)blocks * BLOCK_BYTES;
		next += blocks;
	}
	return 0;
}

int og_merged_layers(int merged_fd, struct og_merged_layer **ret_layers, size_t *ret_count,
		     uint64_t *ret_bytes, struct og_err *err)
{
	og_auto_free struct og_merged_layer *layers = NULL;
	og_auto_free uint8_t *buf = NULL;
	struct og_erofs_view view = {};
	int r = read_super(merged_fd, &view, err);

	if (r == 0 && view.extra_count > 0) {
		layers = calloc(view.extra_count, sizeof(*layers));
		if (layers == NULL)
			return og_fail(err, -ENOMEM, "allocate layers");
		r = read_metadata(merged_fd, &view, view.table_at, &buf, err);
		if (r == 0)
			r = read_table(&view, layers, err);
	}
	if (r < 0)
		return r;
	*ret_layers = og_take_ptr(layers);
	*ret_count = view.extra_count;
	if (ret_bytes != NULL)
		*ret_bytes = view.blocks * BLOCK_BYTES;
	return 0;
}
