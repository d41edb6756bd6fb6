/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/layer_scan.h"

#include <stdio.h>
#include <string.h>

#include "base/compress.h"
#include "base/sha256.h"
#include "base/text.h"
#include "format/tar.h"
#include "trust/interest.h"
#include "trust/spool.h"

#define WHITEOUT	".wh."
#define OPAQUE		".wh..wh..opq"
#define ENTRIES_MAX	4000000 /* as the store's own reader of layers (image/layer.h) */
#define LAYER_BYTES_MAX ((uint64_t)256 << 30)
#define RATIO_MAX	400
#define RATIO_FROM	(256U << 20)

struct og_layer_scan {
	struct og_builder *builder;
	struct og_tar *tar;		  /* owned */
	struct og_decompress *decompress; /* owned */
	struct og_sha256 *sha256;	  /* owned */
	struct og_spool spool;
	size_t entries;

	/* the file under way */
	char path[OG_TAR_NAME_MAX + 1];
	struct og_interest_set interest;
	bool kept; /* its content goes to the spool */
};

/* ---- names ---- */

/* Without "/", "." and empty parts. False: a ".." is in it, which leads nowhere that counts. */
static bool clean_name(const char *name, char path[OG_TAR_NAME_MAX + 1])
{
	size_t len = 0;

	for (const char *part = name; *part != '\0';) {
		size_t part_len = strcspn(part, "/");

		if (part_len == 2 && part[0] == '.' && part[1] == '.')
			return false;
		if (part_len > 0 && !(part_len == 1 && part[0] == '.')) {
			if (len > 0)
				path[len++] = '/';
			memcpy(path + len, part, part_len);
			len += part_len;
		}
		part += part_len + (part[part_len] == '/');
	}
	path[len] = '\0';
	return true;
}

/* OCI image-spec, layer.md#whiteouts. Returns whether it was one. */
static bool take_whiteout(struct og_layer_scan *scan)
{
	char *slash = strrchr(scan->path, '/');
	char *name = slash != NULL ? slash + 1 : scan->path;

	if (!og_starts_with(name, WHITEOUT))
		return false;
	if (og_streq(name, OPAQUE)) {
		*(slash != NULL ? slash : scan->path) = '\0';
		og_builder_hide(scan->builder, scan->path, false);
	} else if (name[sizeof(WHITEOUT) - 1] != '\0') {
		memmove(name, name + sizeof(WHITEOUT) - 1, strlen(name + sizeof(WHITEOUT) - 1) + 1);
		og_builder_hide(scan->builder, scan->path, true);
	}
	return true;
}

/* ---- the tar ---- */

/* It has no content of its own, but a mode, and a name that may be of interest as its first one was. */
static int take_hard_link(struct og_layer_scan *scan, const char *link, struct og_err *err)
{
	struct og_interest_set set = { .privileged = scan->interest.privileged };
	og_auto_free char *target = malloc(OG_TAR_NAME_MAX + 1);
	bool reads = scan->interest.reader != OG_INTEREST_NONE;
	int r = 0;

	scan->interest = (struct og_interest_set){};
	if (target == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	if (reads && clean_name(link, target))
		r = og_builder_link(scan->builder, scan->path, target, err);
	if (r == 0 && set.privileged != 0)
		r = og_interest_take(scan->builder, scan->path, &set, NULL, err);
	return r;
}

static int on_entry(void *data, const struct og_tar_entry *entry, struct og_err *err)
{
	struct og_layer_scan *scan = data;
	bool file = entry->type == OG_TAR_FILE;

	scan->kept = false;
	scan->interest = (struct og_interest_set){};
	if (scan->entries++ == ENTRIES_MAX)
		return og_fail_plain(err, -E2BIG, "over %d files", ENTRIES_MAX);
	if (!clean_name(entry->name, scan->path) || scan->path[0] == '\0')
		return 0;
	if (take_whiteout(scan))
		return 0;
	og_builder_path(scan->builder, scan->path, entry->type == OG_TAR_DIRECTORY);
	if (!file && entry->type != OG_TAR_HARD_LINK)
		return 0;
	scan->interest = og_interest_in(scan->path, entry->mode, file ? entry->size : 0);
	if (!file)
		return take_hard_link(scan, entry->link, err);
	scan->kept = og_interest_wants_content(&scan->interest, entry->size);
	return scan->kept ? og_spool_begin(&scan->spool, entry->size, err) : 0;
}

static int on_content(void *data, uint64_t offset, const void *buf, size_t len, struct og_err *err)
{
	struct og_layer_scan *scan = data;

	return scan->kept ? og_spool_write(&scan->spool, offset, buf, len, err) : 0;
}

static int on_file_end(void *data, struct og_err *err)
{
	struct og_layer_scan *scan = data;
	struct og_bytes bytes;

	if (!og_interest_is_any(&scan->interest))
		return 0;
	bytes = og_spool_bytes(&scan->spool);
	return og_interest_take(scan->builder, scan->path, &scan->interest,
				scan->kept ? &bytes : NULL, err);
}

static int on_bytes(void *data, const void *buf, size_t len, struct og_err *err)
{
	struct og_layer_scan *scan = data;
	int r = og_sha256_add(scan->sha256, buf, len, err);

	return r < 0 ? r : og_tar_feed(scan->tar, buf, len, err);
}

int og_layer_scan_new(struct og_builder *builder, struct og_layer_scan **ret_scan,
		      struct og_err *err)
{
	static const struct og_tar_ops ops = { .entry = on_entry,
					       .content = on_content,
					       .file_end = on_file_end };
	static const struct og_decompress_limits limits = { .max_bytes = LAYER_BYTES_MAX,
							    .max_ratio = RATIO_MAX,
							    .ratio_from_bytes = RATIO_FROM };
	og_cleanup(og_layer_scan_freep) struct og_layer_scan *scan = calloc(1, sizeof(*scan));
	int r;

	if (scan == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	scan->builder = builder;
	scan->spool.fd = -EBADF;
	r = og_tar_new(&ops, scan, &scan->tar, err);
	if (r == 0)
		r = og_sha256_new(&scan->sha256, err);
	if (r == 0)
		r = og_decompress_new(&limits, on_bytes, scan, &scan->decompress, err);
	if (r == 0)
		*ret_scan = og_take_ptr(scan);
	return r;
}

struct og_layer_scan *og_layer_scan_free(struct og_layer_scan *scan)
{
	if (scan == NULL)
		return NULL;
	(void)og_tar_free(scan->tar);
	(void)og_decompress_free(scan->decompress);
	(void)og_sha256_free(scan->sha256);
	og_spool_done(&scan->spool);
	free(scan);
	return NULL;
}

int og_layer_scan_feed(struct og_layer_scan *scan, const void *buf, size_t len, struct og_err *err)
{
	return og_decompress_feed(scan->decompress, buf, len, err);
}

int og_layer_scan_finish(struct og_layer_scan *scan, struct og_digest *ret_diff_id,
			 struct og_err *err)
{
	int r = og_decompress_finish(scan->decompress, err);

	if (r == 0)
		r = og_tar_finish(scan->tar, err);
	if (r == 0)
		og_sha256_finish(scan->sha256, ret_diff_id->sha256);
	return r;
}
