/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image in a tar: Docker's archive (manifest.json) or an OCI layout. Its members come in any order, so
 * it is gone through twice: once to see where they are, once by what the documents say. What comes through a
 * pipe, or compressed, is first put into a file without a name.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/compress.h"
#include "base/grow.h"
#include "base/io.h"
#include "base/text.h"
#include "format/tar_members.h"
#include "trust/inspect.h"
#include "trust/inspect_image.h"
#include "trust/inspect_layout.h"
#include "trust/spool.h"

#define PIECE_BYTES   (256U << 10)
#define ARCHIVE_BYTES ((uint64_t)256 << 30)

struct member {
	uint64_t offset, size;
};

struct archive {
	int fd; /* of a plain tar */
	struct og_tar *tar;
	struct og_tar_members names;
	struct member *members; /* in the same order; owned */
	bool placed;		/* the offset of the member under way is known */
};

static void archive_done(struct archive *archive)
{
	free(archive->members);
	og_tar_members_done(&archive->names);
	(void)og_tar_free(archive->tar);
}

/* ---- where the members are ---- */

static int on_entry(void *data, const struct og_tar_entry *entry, struct og_err *err)
{
	struct archive *archive = data;
	/* A sparse member's bytes are not in one piece: none of an image's is. */
	bool whole = entry->type == OG_TAR_FILE && !entry->sparse;

	archive->placed = !whole;
	if (entry->type == OG_TAR_DIRECTORY)
		return 0;
	if (og_grow(archive->members, archive->names.count) < 0)
		return og_fail(err, -ENOMEM, "no memory");
	archive->members[archive->names.count] = (struct member){ .size = whole ? entry->size : 0 };
	return og_tar_members_add(&archive->names, entry, err);
}

static int on_content(void *data, uint64_t offset, const void *buf, size_t len, struct og_err *err)
{
	struct archive *archive = data;

	(void)buf;
	(void)len;
	(void)err;
	if (!archive->placed)
		archive->members[archive->names.count - 1].offset =
			og_tar_offset(archive->tar) - offset;
	archive->placed = true;
	return 0;
}

static int on_file_end(void *data, struct og_err *err)
{
	(void)data;
	(void)err;
	return 0;
}

static int find_members(struct archive *archive, struct og_err *err)
{
	static const struct og_tar_ops ops = { .entry = on_entry,
					       .content = on_content,
					       .file_end = on_file_end };
	og_auto_free char *buf = malloc(PIECE_BYTES);
	uint64_t offset = 0;
	int r = og_tar_new(&ops, archive, &archive->tar, err);

	if (buf == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	while (r == 0) {
		ssize_t n = og_pread_upto(archive->fd, buf, PIECE_BYTES, offset);

		if (n < 0)
			return og_fail(err, (int)n, "read");
		if (n == 0)
			return og_tar_finish(archive->tar, err);
		r = og_tar_feed(archive->tar, buf, (size_t)n, err);
		offset += (uint64_t)n;
	}
	return r;
}

static const struct member *find(const struct archive *archive, const char *name)
{
	size_t at = og_tar_members_find(&archive->names, name);

	return at < archive->names.count ? &archive->members[at] : NULL;
}

static int read_document(void *data, const char *name, char **ret_buf, size_t *ret_len,
			 struct og_err *err)
{
	const struct archive *archive = data;
	const struct member *member = find(archive, name);
	og_auto_free char *buf = NULL;
	ssize_t n;

	if (member == NULL)
		return og_fail_plain(err, -EBADMSG, "'%.200s' is missing", name);
	if (member->size > OG_MANIFEST_BYTES_MAX)
		return og_fail_plain(err, -E2BIG, "'%.200s' is too long", name);
	buf = malloc((size_t)member->size + 1);
	if (buf == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	n = og_pread_upto(archive->fd, buf, (size_t)member->size, member->offset);
	if (n != (ssize_t)member->size)
		return og_fail(err, n < 0 ? (int)n : -EIO, "read '%.200s'", name);
	buf[n] = '\0';
	*ret_len = (size_t)n;
	*ret_buf = og_take_ptr(buf);
	return 0;
}

static int read_layer(void *data, const char *name, struct og_layer_scan *scan, struct og_err *err)
{
	const struct archive *archive = data;
	const struct member *member = find(archive, name);

	if (member == NULL)
		return og_fail_plain(err, -EBADMSG, "'%.200s' is missing", name);
	return og_layer_scan_file(scan, archive->fd, member->offset, member->size, err);
}

/* ---- Docker's form ---- */

struct docker_image {
	struct archive *archive;
	const struct og_json *layers;
};

static const char *no_digest(void *data, size_t index)
{
	(void)data;
	(void)index;
	return "";
}

static int push_layer(void *data, size_t index, struct og_layer_scan *scan, struct og_err *err)
{
	const struct docker_image *image = data;

	return read_layer(image->archive, og_json_string(og_json_at(image->layers, index), ""),
			  scan, err);
}

static bool has_tag(const struct og_json *item, const char *name)
{
	const struct og_json *tags = og_json_get(item, "RepoTags");

	for (size_t i = 0; i < og_json_count(tags); i++)
		if (og_streq(og_json_string(og_json_at(tags, i), ""), name))
			return true;
	return false;
}

static int inspect_docker(struct archive *archive, const char *name, struct og_builder *builder,
			  struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	og_auto_free char *text = NULL, *config = NULL;
	struct docker_image image = { .archive = archive };
	struct og_image_source source = {
		.digest = "", .layer_digest = no_digest, .layer = push_layer, .data = &image
	};
	const struct og_json *item;
	size_t len = 0;
	int r = read_document(archive, "manifest.json", &text, &len, err);

	if (r == 0)
		r = og_json_parse(text, len, &root, err);
	if (r < 0)
		return r == -EINVAL ? -EBADMSG : r;
	item = og_json_at(root, 0);
	for (size_t i = 0; name != NULL && i < og_json_count(root); i++)
		if (has_tag(og_json_at(root, i), name))
			item = og_json_at(root, i);
	if (og_json_count(root) == 0 ||
	    (name != NULL && og_json_count(root) > 1 && !has_tag(item, name)))
		return og_fail_plain(err, -ENOENT, "there is no image '%.200s' in it",
				     name != NULL ? name : "");
	image.layers = og_json_get(item, "Layers");
	source.layer_count = og_json_count(image.layers);
	r = read_document(archive, og_json_string(og_json_get(item, "Config"), ""), &config,
			  &source.config_len, err);
	source.config = config;
	return r < 0 ? r : og_inspect_image(builder, &source, err);
}

/* ---- a plain file of it ---- */

struct copy {
	int fd;
	uint64_t at;
};

static int write_copy(void *data, const void *buf, size_t len, struct og_err *err)
{
	struct copy *copy = data;
	int r = og_pwrite_all(copy->fd, buf, len, copy->at);

	copy->at += len;
	return r < 0 ? og_fail(err, r, "write a temporary file") : 0;
}

static int copy_plain(int fd, int *ret_fd, struct og_err *err)
{
	static const struct og_decompress_limits limits = { .max_bytes = ARCHIVE_BYTES,
							    .max_ratio = 400,
							    .ratio_from_bytes = 256U << 20 };
	og_cleanup(og_decompress_freep) struct og_decompress *decompress = NULL;
	og_auto_free char *buf = malloc(PIECE_BYTES);
	og_auto_fd out = og_spool_file(err);
	struct copy copy = { .fd = out };
	int r;

	if (out < 0)
		return out;
	if (buf == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = og_decompress_new(&limits, write_copy, &copy, &decompress, err);
	while (r == 0) {
		ssize_t n = og_read_upto(fd, buf, PIECE_BYTES);

		if (n < 0)
			return og_fail(err, (int)n, "read");
		if (n == 0)
			break;
		r = og_decompress_feed(decompress, buf, (size_t)n, err);
	}
	if (r == 0)
		r = og_decompress_finish(decompress, err);
	if (r == 0)
		*ret_fd = og_take_fd(&out);
	return r;
}

static bool is_plain_file(int fd)
{
	uint8_t head[4] = {};
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && lseek(fd, 0, SEEK_CUR) == 0 &&
	       og_pread_upto(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
	       !(head[0] == 0x1f && head[1] == 0x8b) &&
	       !(head[0] == 0x28 && head[1] == 0xb5 && head[2] == 0x2f && head[3] == 0xfd);
}

int og_inspect_archive(int fd, const char *name, const char *target,
		       struct og_inventory **ret_inventory, struct og_err *err)
{
	og_cleanup(og_builder_freep) struct og_builder *builder = NULL;
	og_cleanup(archive_done) struct archive archive = { .fd = fd };
	struct og_layout layout = { read_document, read_layer, &archive };
	og_auto_fd copy = -EBADF;
	int r = og_builder_new(target, &builder, err);

	if (r == 0 && !is_plain_file(fd)) {
		r = copy_plain(fd, &copy, err);
		archive.fd = copy;
	}
	if (r == 0)
		r = find_members(&archive, err);
	if (r == 0 && find(&archive, "manifest.json") != NULL)
		r = inspect_docker(&archive, name, builder, err);
	else if (r == 0 && find(&archive, "index.json") != NULL)
		r = og_layout_inspect(&layout, name, builder, err);
	else if (r == 0)
		r = og_fail_plain(
			err, -EBADMSG,
			"no image archive: neither manifest.json nor index.json is in it");
	return r < 0 ? og_fail_in(err, r, "scan '%s'", target)
		     : og_builder_finish(builder, ret_inventory, err);
}
