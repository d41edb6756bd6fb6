/* SPDX-License-Identifier: Apache-2.0 */
#include "image/archive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compress.h"
#include "base/grow.h"
#include "base/text.h"
#include "format/tar.h"

#define READ_BYTES (256U << 10)

/* Enough of a member to tell what it is: a tar header is one block. */
#define HEAD_BYTES OG_TAR_BLOCK_BYTES

void og_archive_done(struct og_archive *archive)
{
	for (size_t i = 0; i < archive->names.count; i++)
		free(archive->members[i].buf);
	free(archive->members);
	og_tar_members_done(&archive->names);
	og_text_done(&archive->head);
	og_intake_done(&archive->intake);
	*archive = (struct og_archive){};
}

const struct og_member *og_archive_find(const struct og_archive *archive, const char *name)
{
	size_t at = og_tar_members_find(&archive->names, name);

	return at < archive->names.count ? &archive->members[at] : NULL;
}

int og_archive_document(const struct og_archive *archive, const char *name,
			const struct og_member **ret_member, struct og_err *err)
{
	const struct og_member *member = og_archive_find(archive, name);

	if (member == NULL || member->kind != OG_MEMBER_DOCUMENT)
		return og_fail_plain(err, -EBADMSG, "'%.200s' is %s", name,
				     member == NULL ? "missing" : "no document");
	*ret_member = member;
	return 0;
}

int og_archive_layer(const struct og_archive *archive, const char *name,
		     const struct og_member **ret_member, struct og_err *err)
{
	const struct og_member *member = og_archive_find(archive, name);

	if (member != NULL && member->kind == OG_MEMBER_BAD_LAYER) {
		(void)og_fail_plain(err, member->code, "%s", member->err.text);
		return og_fail_in(err, member->code, "layer '%.200s'", name);
	}
	if (member == NULL || member->kind != OG_MEMBER_LAYER)
		return og_fail_plain(err, -EBADMSG, "layer '%.200s' is %s", name,
				     member == NULL ? "missing" : "no tar archive");
	*ret_member = member;
	return 0;
}

/* ---- members ---- */

static struct og_member *current(struct og_archive *archive)
{
	return &archive->members[archive->names.count - 1];
}

static int add_member(struct og_archive *archive, const struct og_tar_entry *entry,
		      struct og_err *err)
{
	struct og_member *member;
	int r;

	if (og_grow(archive->members, archive->names.count) < 0)
		return og_fail(err, -ENOMEM, "no memory");
	r = og_tar_members_add(&archive->names, entry, err);
	if (r < 0)
		return r;
	member = current(archive);
	*member = (struct og_member){ .name = archive->names.list[archive->names.count - 1].name };
	return 0;
}

/* POSIX's header checksum, the surest sign of a tar of any age; a block of zeros is an empty one. */
static bool looks_like_tar(const uint8_t *block, size_t len)
{
	unsigned long sum = 0;
	bool zeros = true;
	char field[9] = "";

	if (len < OG_TAR_BLOCK_BYTES)
		return false;
	for (size_t i = 0; i < OG_TAR_BLOCK_BYTES; i++) {
		sum += i >= 148 && i < 156 ? ' ' : block[i];
		zeros = zeros && block[i] == 0;
	}
	memcpy(field, block + 148, 8);
	return zeros || strtoul(field, NULL, 8) == sum;
}

static bool looks_like_layer(const uint8_t *head, size_t len)
{
	static const uint8_t gzip[] = { 0x1f, 0x8b }, zstd[] = { 0x28, 0xb5, 0x2f, 0xfd };
	static const uint8_t skippable[] = { 0x2a, 0x4d, 0x18 }; /* behind 0x50 to 0x5f */

	return (len > 8 && (head[0] & 0xf0) == 0x50 && memcmp(head + 1, skippable, 3) == 0) ||
	       (len > 18 && memcmp(head, gzip, sizeof(gzip)) == 0) ||
	       (len > 8 && memcmp(head, zstd, sizeof(zstd)) == 0) || looks_like_tar(head, len);
}

static bool looks_like_document(const char *head, size_t len)
{
	size_t at = 0;

	while (at < len &&
	       (head[at] == ' ' || head[at] == '\n' || head[at] == '\r' || head[at] == '\t'))
		at++;
	return at < len && (head[at] == '{' || head[at] == '[');
}

/* Is it a blob, by its name, that the store has with its layer? Then its bytes need no look. */
static int find_known_layer(struct og_archive *archive, struct og_member *member, bool *ret_known,
			    struct og_err *err)
{
	static const char folder[] = "blobs/sha256/";
	struct og_file_name blob, layer;
	struct og_digest digest;
	bool blob_exists = false, layer_exists = false;
	int r;

	*ret_known = false;
	if (!og_starts_with(member->name, folder) ||
	    strlen(member->name) != strlen(folder) + OG_DIGEST_HEX_CHARS ||
	    og_digest_parse_hex(member->name + strlen(folder), &digest) < 0)
		return 0;
	(void)pthread_mutex_lock(&archive->images->store.lock);
	r = og_catalog_find_blob(archive->images->store.db, &digest, &member->layer, err);
	(void)pthread_mutex_unlock(&archive->images->store.lock);
	if (r <= 0)
		return r;
	blob = og_layer_blob_name(&digest, &member->layer.diff_id);
	layer = og_file_name(OG_FOLDER_LAYERS, &member->layer.diff_id);
	r = og_session_pin(archive->session, &blob, &blob_exists, err);
	if (r == 0)
		r = og_session_pin(archive->session, &layer, &layer_exists, err);
	*ret_known = r == 0 && blob_exists && layer_exists;
	return r;
}

static void drop_intake(struct og_archive *archive, struct og_member *member, int code,
			const struct og_err *why)
{
	og_intake_done(&archive->intake);
	member->kind = OG_MEMBER_BAD_LAYER;
	member->code = code;
	member->err = *why;
}

/* A damaged layer is remembered; only what concerns all of it ends the reading. */
static int settle(struct og_archive *archive, int r, const struct og_err *why, struct og_err *err)
{
	if (r != -EBADMSG && r != -EFBIG) {
		if (r < 0 && err != NULL)
			*err = *why;
		return r;
	}
	drop_intake(archive, current(archive), r, why);
	return 0;
}

static int take_layer_bytes(struct og_archive *archive, const void *buf, size_t len,
			    struct og_err *err)
{
	struct og_err why = {};
	int r = og_intake_write(&archive->intake, buf, len, &why);

	r = settle(archive, r, &why, err);
	if (r == 0)
		r = og_bar_advance(&archive->bar, len);
	return r;
}

static int begin_layer(struct og_archive *archive, struct og_member *member, struct og_err *err)
{
	const char *slash = strrchr(member->name, '/');
	bool known;
	int r = find_known_layer(archive, member, &known, err);

	if (r < 0)
		return r;
	if (og_starts_with(member->name, "blobs/sha256/") && slash != NULL)
		(void)snprintf(archive->bar.id, sizeof(archive->bar.id), "%.12s", slash + 1);
	else
		(void)snprintf(archive->bar.id, sizeof(archive->bar.id), "%.12s", member->name);
	member->kind = OG_MEMBER_LAYER;
	if (known)
		return og_report(archive->reporter, archive->bar.id, "Layer already exists", 0, 0);
	r = og_intake_begin(archive->session, &archive->intake, err);
	return r < 0 ? r : take_layer_bytes(archive, archive->head.buf, archive->head.len, err);
}

/* With the head there (all of it, or all there is): what is this? */
static int decide(struct og_archive *archive, struct og_err *err)
{
	struct og_member *member = current(archive);
	const struct og_text *head = &archive->head;
	int r = 0;

	archive->decided = true;
	if (head->len == 0)
		return 0;
	if (looks_like_layer((const uint8_t *)head->buf, head->len))
		r = begin_layer(archive, member, err);
	else if (looks_like_document(head->buf, head->len))
		member->kind = OG_MEMBER_DOCUMENT;
	return r;
}

static int on_entry(void *data, const struct og_tar_entry *entry, struct og_err *err)
{
	struct og_archive *archive = data;

	if (entry->type == OG_TAR_DIRECTORY)
		return 0;
	og_text_clear(&archive->head);
	archive->decided = false;
	archive->bar = (struct og_bar){ .reporter = archive->reporter,
					.text = "Loading layer",
					.total = entry->size };
	return add_member(archive, entry, err);
}

static int add_document_bytes(struct og_archive *archive, const void *buf, size_t len,
			      struct og_err *err)
{
	if (archive->head.len + len > OG_IMAGECONFIG_BYTES_MAX ||
	    archive->document_bytes + len > OG_ARCHIVE_DOCUMENTS_MAX)
		return og_fail_plain(err, -E2BIG, "'%.200s': its documents are too large",
				     current(archive)->name);
	archive->document_bytes += len;
	og_text_add_bytes(&archive->head, buf, len);
	return archive->head.failed ? og_fail(err, -ENOMEM, "no memory") : 0;
}

static int on_content(void *data, uint64_t offset, const void *buf, size_t len, struct og_err *err)
{
	struct og_archive *archive = data;
	const uint8_t *bytes = buf;
	const struct og_member *member = current(archive);
	int r;

	(void)offset;
	if (!archive->decided) {
		size_t part = HEAD_BYTES - archive->head.len;

		part = part < len ? part : len;
		og_text_add_bytes(&archive->head, bytes, part);
		if (archive->head.failed)
			return og_fail(err, -ENOMEM, "no memory");
		if (archive->head.len < HEAD_BYTES)
			return 0;
		r = decide(archive, err);
		if (r < 0)
			return r;
		bytes += part;
		len -= part;
	}
	if (len == 0)
		return 0;
	if (member->kind == OG_MEMBER_DOCUMENT)
		return add_document_bytes(archive, bytes, len, err);
	if (archive->intake.session != NULL)
		return take_layer_bytes(archive, bytes, len, err);
	return 0;
}

static int end_layer(struct og_archive *archive, struct og_member *member, struct og_err *err)
{
	struct og_intake *intake = &archive->intake;
	struct og_err why = {};
	int r = og_intake_finish(intake, &why);

	if (r == 0)
		r = og_intake_publish(intake, &why);
	if (r < 0)
		return settle(archive, r, &why, err);
	member->layer = og_intake_layer(intake);
	og_intake_done(intake);
	return 0;
}

static int on_file_end(void *data, struct og_err *err)
{
	struct og_archive *archive = data;
	struct og_member *member = current(archive);
	int r = archive->decided ? 0 : decide(archive, err);

	if (r < 0)
		return r;
	if (archive->intake.session != NULL)
		return end_layer(archive, member, err);
	if (member->kind != OG_MEMBER_DOCUMENT)
		return 0;
	member->len = archive->head.len;
	member->buf = og_text_take(&archive->head);
	return member->buf != NULL ? 0 : og_fail(err, -ENOMEM, "no memory");
}

/* ---- the stream ---- */

static int feed_tar(void *data, const void *buf, size_t len, struct og_err *err)
{
	return og_tar_feed(data, buf, len, err);
}

static int pump(struct og_archive *archive, og_source_fn *read, void *read_data,
		struct og_decompress *decompress, struct og_err *err)
{
	og_auto_free char *buf = malloc(READ_BYTES);
	int r = 0;

	if (buf == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	while (r == 0) {
		ssize_t n = read(read_data, buf, READ_BYTES);

		if (n < 0)
			return og_fail(err, (int)n, "read the archive");
		if (n == 0)
			return og_decompress_finish(decompress, err);
		r = og_decompress_feed(decompress, buf, (size_t)n, err);
		if (r == 0)
			r = og_reporter_tick(archive->reporter);
	}
	return r;
}

int og_archive_read(struct og_archive *archive, og_source_fn *read, void *read_data,
		    struct og_err *err)
{
	static const struct og_tar_ops ops = { .entry = on_entry,
					       .content = on_content,
					       .file_end = on_file_end };
	/* A whole archive squeezed: the bounds of one layer's bytes (image/layer.h). */
	static const struct og_decompress_limits limits = { .max_ratio = 400,
							    .ratio_from_bytes = 256U << 20 };
	og_cleanup(og_tar_freep) struct og_tar *tar = NULL;
	og_cleanup(og_decompress_freep) struct og_decompress *decompress = NULL;
	int r = og_tar_new(&ops, archive, &tar, err);

	if (r == 0)
		r = og_decompress_new(&limits, feed_tar, tar, &decompress, err);
	if (r == 0)
		r = pump(archive, read, read_data, decompress, err);
	return r < 0 ? r : og_tar_finish(tar, err);
}
