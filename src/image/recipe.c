/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file: the literal bytes one behind the other, then the table of extents, then the end mark,
 * all numbers in this machine's order: a recipe never leaves its store. og_layer tells of content
 * just before it takes it, so after each piece of the tar it is known which of its bytes are literal.
 */
#include "image/recipe.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/grow.h"
#include "base/io.h"

#define MAGIC 0x6570696365724f47ULL /* "GOrecipe" */

/* Literals are mostly headers of 512 bytes: gathered before they are written. */
#define GATHER_BYTES (256U << 10)

/* @len bytes at @tar of the blob are at @erofs of the layer's file. */
struct extent {
	uint64_t tar, erofs, len;
};

struct end_mark {
	uint64_t magic;
	uint64_t literal_bytes;
	uint64_t extent_count;
	uint64_t blob_bytes;
};

struct og_recipe {
	struct og_store *store;
	int fd;			/* owned; without a name */
	struct extent *extents; /* owned */
	size_t count;
	size_t cursor; /* the first extent that may reach beyond @at */
	uint64_t at;   /* bytes of the blob seen */
	uint64_t literal_bytes;
	uint8_t *gather; /* owned */
	size_t gathered;
};

/* ---- writing ---- */

static int add_extent(struct og_recipe *recipe, const struct extent *extent, struct og_err *err)
{
	struct extent *last = recipe->count > 0 ? &recipe->extents[recipe->count - 1] : NULL;

	if (last != NULL && last->tar + last->len == extent->tar &&
	    last->erofs + last->len == extent->erofs) {
		last->len += extent->len;
		return 0;
	}
	if (og_grow(recipe->extents, recipe->count) < 0)
		return og_fail(err, -ENOMEM, "no memory");
	recipe->extents[recipe->count++] = *extent;
	return 0;
}

static int on_placed(void *data, uint64_t tar_offset, uint64_t erofs_offset, uint64_t len,
		     struct og_err *err)
{
	struct og_recipe *recipe = data;
	struct extent extent = { .tar = tar_offset, .erofs = erofs_offset, .len = len };

	/* What is told too late is kept as literals already. */
	if (extent.tar < recipe->at) {
		uint64_t late = recipe->at - extent.tar;

		if (late >= extent.len)
			return 0;
		extent = (struct extent){ extent.tar + late, extent.erofs + late,
					  extent.len - late };
	}
	return add_extent(recipe, &extent, err);
}

int og_recipe_new(struct og_store *store, struct og_layer *layer, struct og_recipe **ret_recipe,
		  struct og_err *err)
{
	og_cleanup(og_recipe_freep) struct og_recipe *recipe = calloc(1, sizeof(*recipe));

	if (recipe == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	recipe->store = store;
	recipe->fd = openat(store->folder_fds[OG_FOLDER_RECIPES], ".",
			    O_TMPFILE | O_RDWR | O_CLOEXEC, 0400);
	if (recipe->fd < 0)
		return og_fail(err, -errno, "begin a recipe");
	recipe->gather = malloc(GATHER_BYTES);
	if (recipe->gather == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	og_layer_watch(layer, on_placed, recipe);
	*ret_recipe = og_take_ptr(recipe);
	return 0;
}

struct og_recipe *og_recipe_free(struct og_recipe *recipe)
{
	if (recipe == NULL)
		return NULL;
	og_close(recipe->fd);
	free(recipe->extents);
	free(recipe->gather);
	free(recipe);
	return NULL;
}

static int flush_literals(struct og_recipe *recipe, struct og_err *err)
{
	int r = og_write_all(recipe->fd, recipe->gather, recipe->gathered);

	recipe->gathered = 0;
	return r < 0 ? og_fail(err, r, "write a recipe") : 0;
}

static int add_literal(struct og_recipe *recipe, const uint8_t *buf, size_t len, struct og_err *err)
{
	int r = 0;

	recipe->literal_bytes += len;
	while (len > 0 && r == 0) {
		size_t part = GATHER_BYTES - recipe->gathered;

		part = part < len ? part : len;
		memcpy(recipe->gather + recipe->gathered, buf, part);
		recipe->gathered += part;
		buf += part;
		len -= part;
		if (recipe->gathered == GATHER_BYTES)
			r = flush_literals(recipe, err);
	}
	return r;
}

/*
 * Moves to the extent that matters at @pos. The last one stays current when it is past: it may yet
 * grow.
 */
static const struct extent *extent_at(struct og_recipe *recipe, uint64_t pos)
{
	const struct extent *extent;

	while (recipe->cursor + 1 < recipe->count) {
		extent = &recipe->extents[recipe->cursor];
		if (extent->tar + extent->len > pos)
			break;
		recipe->cursor++;
	}
	if (recipe->cursor >= recipe->count)
		return NULL;
	extent = &recipe->extents[recipe->cursor];
	return extent->tar + extent->len > pos ? extent : NULL;
}

int og_recipe_write(struct og_recipe *recipe, const void *buf, size_t len, struct og_err *err)
{
	const uint8_t *bytes = buf;
	uint64_t begin = recipe->at, end = begin + len, pos = begin;
	int r = 0;

	while (pos < end && r == 0) {
		const struct extent *extent = extent_at(recipe, pos);
		bool covered = extent != NULL && extent->tar <= pos;
		uint64_t until = end;

		if (covered && extent->tar + extent->len < end)
			until = extent->tar + extent->len;
		if (!covered && extent != NULL && extent->tar < end)
			until = extent->tar;
		if (!covered)
			r = add_literal(recipe, bytes + (pos - begin), (size_t)(until - pos), err);
		pos = until;
	}
	recipe->at = end;
	return r;
}

int og_recipe_publish(struct og_recipe *recipe, const struct og_digest *diff_id, struct og_err *err)
{
	struct og_file_name name = og_file_name(OG_FOLDER_RECIPES, diff_id);
	const struct end_mark end = {
		.magic = MAGIC,
		.literal_bytes = recipe->literal_bytes,
		.extent_count = recipe->count,
		.blob_bytes = recipe->at,
	};
	int r = flush_literals(recipe, err);

	if (r < 0)
		return r;
	r = og_write_all(recipe->fd, recipe->extents, recipe->count * sizeof(*recipe->extents));
	if (r == 0)
		r = og_write_all(recipe->fd, &end, sizeof(end));
	if (r < 0)
		return og_fail(err, r, "write '%s'", name.text);
	return og_store_publish(recipe->store, recipe->fd, OG_FOLDER_RECIPES, &name, err);
}

/* ---- reading ---- */

struct og_blob_reader {
	int fd;	      /* owned; of the blob or of the recipe */
	int layer_fd; /* owned; -EBADF for a blob that is kept whole */
	uint64_t size;
	uint64_t at;	     /* of the blob */
	uint64_t literal_at; /* of the recipe's literals */
	uint64_t literal_bytes;
	struct extent *extents; /* owned */
	size_t count, cursor;
};

struct og_blob_reader *og_blob_reader_free(struct og_blob_reader *reader)
{
	if (reader == NULL)
		return NULL;
	og_close(reader->fd);
	og_close(reader->layer_fd);
	free(reader->extents);
	free(reader);
	return NULL;
}

static int read_exactly(int fd, void *buf, size_t len, uint64_t offset)
{
	ssize_t n = og_pread_upto(fd, buf, len, offset);

	return n < 0 ? (int)n : (size_t)n == len ? 0 : -EUCLEAN;
}

/* The extents must be in order, and with the literals make up the whole. */
static bool is_sound(const struct og_blob_reader *reader)
{
	uint64_t at = 0, content = 0;

	for (size_t i = 0; i < reader->count; i++) {
		const struct extent *extent = &reader->extents[i];

		if (extent->tar < at || extent->len > reader->size ||
		    extent->tar > reader->size - extent->len)
			return false;
		at = extent->tar + extent->len;
		content += extent->len;
	}
	return content <= reader->size && reader->size - content == reader->literal_bytes;
}

static int read_table(struct og_blob_reader *reader, uint64_t file_bytes)
{
	struct end_mark end;
	uint64_t table_bytes;
	int r;

	if (file_bytes < sizeof(end))
		return -EUCLEAN;
	r = read_exactly(reader->fd, &end, sizeof(end), file_bytes - sizeof(end));
	if (r < 0)
		return r;
	if (end.magic != MAGIC || end.extent_count > file_bytes / sizeof(struct extent))
		return -EUCLEAN;
	table_bytes = end.extent_count * sizeof(struct extent);
	if (end.literal_bytes != file_bytes - sizeof(end) - table_bytes)
		return -EUCLEAN;
	reader->extents = malloc(table_bytes > 0 ? (size_t)table_bytes : 1);
	if (reader->extents == NULL)
		return -ENOMEM;
	reader->count = (size_t)end.extent_count;
	reader->size = end.blob_bytes;
	reader->literal_bytes = end.literal_bytes;
	r = read_exactly(reader->fd, reader->extents, (size_t)table_bytes, end.literal_bytes);
	return r < 0 || is_sound(reader) ? r : -EUCLEAN;
}

static int open_recipe(struct og_blob_reader *reader, struct og_store *store,
		       const struct og_digest *digest, struct og_err *err)
{
	struct og_file_name name = og_file_name(OG_FOLDER_RECIPES, digest);
	struct stat st;
	int r;

	reader->fd = openat(store->root_fd, name.text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (reader->fd < 0 || fstat(reader->fd, &st) < 0)
		return og_fail(err, -errno, "open blob %.12s", og_digest_hex(digest).text);
	r = og_layer_open(store->folder_fds[OG_FOLDER_LAYERS], digest, &reader->layer_fd, err);
	if (r < 0)
		return r;
	r = read_table(reader, (uint64_t)st.st_size);
	return r < 0 ? og_fail(err, r, "'%s' is damaged; remove the image and get it anew",
			       name.text)
		     : 0;
}

static int open_whole(struct og_blob_reader *reader, struct og_store *store,
		      const struct og_digest *digest)
{
	struct og_file_name name = og_file_name(OG_FOLDER_BLOBS, digest);
	struct stat st;

	reader->fd = openat(store->root_fd, name.text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (reader->fd < 0 || fstat(reader->fd, &st) < 0)
		return -errno;
	reader->size = (uint64_t)st.st_size;
	return 0;
}

int og_blob_reader_new(struct og_store *store, const struct og_digest *digest,
		       struct og_blob_reader **ret_reader, struct og_err *err)
{
	og_cleanup(og_blob_reader_freep) struct og_blob_reader *reader = calloc(1, sizeof(*reader));
	int r;

	if (reader == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	reader->fd = reader->layer_fd = -EBADF;
	r = open_whole(reader, store, digest);
	if (r == -ENOENT)
		r = open_recipe(reader, store, digest, err);
	else if (r < 0)
		return og_fail(err, r, "open blob %.12s", og_digest_hex(digest).text);
	if (r < 0)
		return r;
	*ret_reader = og_take_ptr(reader);
	return 0;
}

uint64_t og_blob_reader_size(const struct og_blob_reader *reader)
{
	return reader->size;
}

/* Reads up to the next change between literals and content. */
static ssize_t read_piece(struct og_blob_reader *reader, void *buf, uint64_t len)
{
	const struct extent *extent;
	ssize_t n;

	while (reader->cursor < reader->count &&
	       reader->extents[reader->cursor].tar + reader->extents[reader->cursor].len <=
		       reader->at)
		reader->cursor++;
	extent = reader->cursor < reader->count ? &reader->extents[reader->cursor] : NULL;
	if (extent != NULL && extent->tar <= reader->at) {
		uint64_t into = reader->at - extent->tar;

		len = len < extent->len - into ? len : extent->len - into;
		n = og_pread_upto(reader->layer_fd, buf, (size_t)len, extent->erofs + into);
	} else {
		if (extent != NULL && len > extent->tar - reader->at)
			len = extent->tar - reader->at;
		n = og_pread_upto(reader->fd, buf, (size_t)len, reader->literal_at);
		reader->literal_at += n > 0 ? (uint64_t)n : 0;
	}
	return n >= 0 && (uint64_t)n < len ? -EUCLEAN : n;
}

ssize_t og_blob_reader_read(struct og_blob_reader *reader, void *buf, size_t len,
			    struct og_err *err)
{
	size_t done = 0;

	while (done < len && reader->at < reader->size) {
		uint64_t want = reader->size - reader->at;
		ssize_t n;

		want = want < len - done ? want : len - done;
		n = reader->layer_fd >= 0 ? read_piece(reader, (uint8_t *)buf + done, want)
					  : og_pread_upto(reader->fd, (uint8_t *)buf + done,
							  (size_t)want, reader->at);
		if (n <= 0)
			return og_fail(err, n < 0 ? (int)n : -EUCLEAN, "read a blob");
		done += (size_t)n;
		reader->at += (uint64_t)n;
	}
	return (ssize_t)done;
}
