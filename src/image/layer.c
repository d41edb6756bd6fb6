/* SPDX-License-Identifier: Apache-2.0 */
#include "image/layer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/compress.h"
#include "base/file_writer.h"
#include "base/path.h"
#include "format/erofs_tar.h"
#include "image/hasher.h"

#define DEFAULT_MAX_BYTES    (256ULL << 30)
#define DEFAULT_MAX_ENTRIES  4000000U
#define DEFAULT_MAX_RATIO    400U
#define DEFAULT_MAX_METADATA (2ULL << 30)
/* Smaller streams may be of zeros alone, and cost little. */
#define RATIO_FROM_BYTES (256ULL << 20)

struct og_layer {
	int dir_fd;			  /* owned */
	int fd;				  /* owned; the EROFS, without a name */
	struct og_decompress *decompress; /* owned */
	struct og_hasher *hasher;	  /* owned */
	struct og_file_writer *writer;	  /* owned */
	struct og_erofs_tar *tar;	  /* owned */
	struct og_layer_info info;
	bool finished;
};

static int write_out(void *data, uint64_t offset, const void *buf, size_t len, struct og_err *err)
{
	struct og_layer *layer = data;
	int r = og_file_writer_add(layer->writer, buf, len, offset, err);

	return r < 0 ? og_fail_in(err, r, "layer") : 0;
}

/* The uncompressed bytes: hashed there, read as tar here. */
static int take_tar(void *data, const void *buf, size_t len, struct og_err *err)
{
	struct og_layer *layer = data;
	int r = og_hasher_give(layer->hasher, buf, len, err);

	if (r < 0)
		return r;
	layer->info.tar_bytes += len;
	return og_erofs_tar_feed(layer->tar, buf, len, err);
}

static int open_parts(struct og_layer *layer, const struct og_layer_limits *limits,
		      struct og_err *err)
{
	struct og_erofs_sink sink = { .write = write_out, .data = layer };
	struct og_decompress_limits bytes = {
		.max_bytes = limits->max_bytes ? limits->max_bytes : DEFAULT_MAX_BYTES,
		.max_ratio = limits->max_ratio ? limits->max_ratio : DEFAULT_MAX_RATIO,
		.ratio_from_bytes = RATIO_FROM_BYTES,
	};
	struct og_erofs_tar_limits entries = {
		.max_entries = limits->max_entries ? limits->max_entries : DEFAULT_MAX_ENTRIES,
		.max_metadata_bytes = limits->max_metadata_bytes ? limits->max_metadata_bytes
								 : DEFAULT_MAX_METADATA,
	};
	uint64_t seed;
	int r;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return og_fail(err, -EIO, "get random bytes");
	r = og_file_writer_new(layer->fd, &layer->writer, err);
	if (r == 0)
		r = og_erofs_tar_new(&sink, seed, &entries, &layer->tar, err);
	if (r == 0)
		r = og_hasher_new(&layer->hasher, err);
	if (r == 0)
		r = og_decompress_new(&bytes, take_tar, layer, &layer->decompress, err);
	return r;
}

int og_layer_new(int layers_dir_fd, const struct og_layer_limits *limits,
		 struct og_layer **ret_layer, struct og_err *err)
{
	static const struct og_layer_limits defaults = {};
	og_cleanup(og_layer_freep) struct og_layer *layer = malloc(sizeof(*layer));
	int r;

	if (layer == NULL)
		return og_fail(err, -ENOMEM, "allocate layer");
	*layer = (struct og_layer){
		.dir_fd = openat(layers_dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		.fd = openat(layers_dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0444),
	};
	if (layer->dir_fd < 0 || layer->fd < 0)
		return og_fail(err, -errno, "create layer");
	r = open_parts(layer, limits != NULL ? limits : &defaults, err);
	if (r < 0)
		return r;
	*ret_layer = og_take_ptr(layer);
	return 0;
}

struct og_layer *og_layer_free(struct og_layer *layer)
{
	if (layer == NULL)
		return NULL;
	layer->hasher = og_hasher_free(layer->hasher);
	layer->decompress = og_decompress_free(layer->decompress);
	layer->tar = og_erofs_tar_free(layer->tar);
	layer->writer = og_file_writer_free(layer->writer);
	og_close(layer->fd);
	og_close(layer->dir_fd);
	free(layer);
	return NULL;
}

int og_layer_write(struct og_layer *layer, const void *buf, size_t len, struct og_err *err)
{
	int r = og_decompress_feed(layer->decompress, buf, len, err);
	int hashed = 0;

	layer->info.compressed_bytes += len;
	/* The caller's own bytes must not be read any more when it has them back. */
	if (og_decompress_kind(layer->decompress) == OG_COMPRESSION_NONE)
		hashed = og_hasher_wait(layer->hasher, r < 0 ? NULL : err);
	return r < 0 ? r : hashed;
}

int og_layer_finish(struct og_layer *layer, struct og_layer_info *ret_info, struct og_err *err)
{
	struct og_layer_info *info = &layer->info;
	uint64_t blocks = 0;
	int r = og_decompress_finish(layer->decompress, err);

	if (r == 0)
		r = og_hasher_finish(layer->hasher, &info->diff_id, err);
	if (r == 0)
		r = og_erofs_tar_finish(layer->tar, info->diff_id.sha256, &blocks, err);
	if (r == 0)
		r = og_file_writer_wait(layer->writer, err);
	if (r < 0)
		return r;
	info->entries = og_erofs_tar_entries(layer->tar);
	info->content_bytes = og_erofs_tar_content_bytes(layer->tar);
	info->erofs_bytes = blocks << 12;
	layer->finished = true;
	/* They may be large, and layers wait for each other. */
	layer->tar = og_erofs_tar_free(layer->tar);
	layer->writer = og_file_writer_free(layer->writer);
	if (ret_info != NULL)
		*ret_info = *info;
	return 0;
}

void og_layer_watch(struct og_layer *layer, og_layer_placed_fn *fn, void *data)
{
	og_erofs_tar_watch(layer->tar, fn, data);
}

/* "HEX.erofs" */
struct file_name {
	char text[OG_DIGEST_HEX_CHARS + sizeof(".erofs")];
};

static struct file_name file_name(const struct og_digest *diff_id)
{
	struct file_name name;

	(void)snprintf(name.text, sizeof(name.text), "%.64s.erofs", og_digest_hex(diff_id).text);
	return name;
}

int og_layer_publish(struct og_layer *layer, struct og_err *err)
{
	struct file_name name = file_name(&layer->info.diff_id);

	if (!layer->finished)
		return og_fail(err, -EINVAL, "publish layer: it is not complete");
	if (fsync(layer->fd) < 0)
		return og_fail(err, -errno, "flush layer");
	if (linkat(AT_FDCWD, og_fd_path(layer->fd).text, layer->dir_fd, name.text,
		   AT_SYMLINK_FOLLOW) < 0 &&
	    errno != EEXIST)
		return og_fail(err, -errno, "publish layer %.12s", name.text);
	if (fsync(layer->dir_fd) < 0)
		return og_fail(err, -errno, "flush layers");
	return 0;
}

int og_layer_open(int layers_dir_fd, const struct og_digest *diff_id, int *ret_fd,
		  struct og_err *err)
{
	struct file_name name = file_name(diff_id);
	int fd = openat(layers_dir_fd, name.text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return og_fail(err, -errno, "open layer %.12s", name.text);
	*ret_fd = fd;
	return 0;
}
