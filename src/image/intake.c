/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/parts.h"
#include "image/recipe.h"

static const uint8_t gzip_magic[] = { 0x1f, 0x8b }, zstd_magic[] = { 0x28, 0xb5, 0x2f, 0xfd };

/* Used by the other thread while the relay runs, by the caller's after it. */
struct og_intake_worker {
	struct og_layer *layer;	  /* owned */
	struct og_recipe *recipe; /* owned; NULL for a compressed blob */
};

static struct og_intake_worker *worker_free(struct og_intake_worker *worker)
{
	if (worker == NULL)
		return NULL;
	og_recipe_free(worker->recipe);
	og_layer_free(worker->layer);
	free(worker);
	return NULL;
}

static int work(void *data, const void *buf, size_t len, struct og_err *err)
{
	struct og_intake_worker *worker = data;
	int r = og_layer_write(worker->layer, buf, len, err);

	if (r == 0 && worker->recipe != NULL)
		r = og_recipe_write(worker->recipe, buf, len, err);
	return r;
}

static int begin_work(struct og_intake *intake, bool recipe, struct og_err *err)
{
	struct og_store *store = intake->session->store;
	struct og_intake_worker *worker = calloc(1, sizeof(*worker));
	int r;

	if (worker == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	intake->worker = worker;
	r = og_layer_new(store->folder_fds[OG_FOLDER_LAYERS], NULL, &worker->layer, err);
	if (r == 0 && recipe)
		r = og_recipe_new(store, worker->layer, &worker->recipe, err);
	return r < 0 ? r : og_relay_new(work, worker, &intake->relay, err);
}

int og_intake_begin(struct og_session *session, struct og_intake *ret_intake, struct og_err *err)
{
	(void)err;
	*ret_intake = (struct og_intake){ .session = session };
	return 0;
}

void og_intake_done(struct og_intake *intake)
{
	intake->relay = og_relay_free(intake->relay);
	intake->worker = worker_free(intake->worker);
	og_blob_done(&intake->blob);
	*intake = (struct og_intake){};
}

static bool begins_with(const struct og_intake *intake, const uint8_t *magic, size_t len)
{
	return intake->head_len >= len && memcmp(intake->head, magic, len) == 0;
}

/* A zstd stream may begin with a frame to be skipped: 0x184d2a50 to 0x184d2a5f (RFC 8878, 3.1.2). */
static bool begins_with_skippable(const struct og_intake *intake)
{
	return intake->head_len == sizeof(intake->head) && (intake->head[0] & 0xf0) == 0x50 &&
	       memcmp(intake->head + 1, "\x2a\x4d\x18", 3) == 0;
}

static bool is_zstd(const struct og_intake *intake)
{
	return begins_with(intake, zstd_magic, sizeof(zstd_magic)) || begins_with_skippable(intake);
}

/* With the first bytes known (or all, when they are fewer): how is it kept? */
static int decide(struct og_intake *intake, struct og_err *err)
{
	int r = 0;

	intake->decided = true;
	intake->plain = !begins_with(intake, gzip_magic, sizeof(gzip_magic)) && !is_zstd(intake);
	if (!intake->plain)
		r = og_blob_begin(intake->session->store, &intake->blob, err);
	return r < 0 ? r : begin_work(intake, intake->plain, err);
}

static int take(struct og_intake *intake, const void *buf, size_t len, struct og_err *err)
{
	int r = og_relay_push(intake->relay, buf, len, err);

	if (r == 0 && !intake->plain)
		r = og_blob_write(&intake->blob, buf, len, err);
	return r;
}

static int decide_and_take_head(struct og_intake *intake, struct og_err *err)
{
	int r = decide(intake, err);

	return r < 0 ? r : take(intake, intake->head, intake->head_len, err);
}

int og_intake_write(struct og_intake *intake, const void *buf, size_t len, struct og_err *err)
{
	const uint8_t *bytes = buf;
	int r = 0;

	intake->bytes += len;
	while (!intake->decided && len > 0 && r == 0) {
		intake->head[intake->head_len++] = *bytes++;
		len--;
		if (intake->head_len == sizeof(intake->head))
			r = decide_and_take_head(intake, err);
	}
	return r < 0 || len == 0 ? r : take(intake, bytes, len, err);
}

int og_intake_finish(struct og_intake *intake, struct og_err *err)
{
	int r = intake->decided ? 0 : decide_and_take_head(intake, err);

	if (r == 0)
		r = og_relay_finish(intake->relay, err);
	if (r == 0)
		r = og_layer_finish(intake->worker->layer, &intake->info, err);
	if (r < 0)
		return r;
	if (!intake->plain)
		return og_blob_finish(&intake->blob, err);
	intake->blob.digest = intake->info.diff_id;
	return 0;
}

static const char *media_type_of(const struct og_intake *intake)
{
	if (intake->plain)
		return OG_MEDIA_OCI_LAYER;
	return is_zstd(intake) ? OG_MEDIA_OCI_LAYER_ZSTD : OG_MEDIA_OCI_LAYER_GZIP;
}

struct og_record_layer og_intake_layer(const struct og_intake *intake)
{
	struct og_record_layer layer = {
		.diff_id = intake->info.diff_id,
		.blob = intake->blob.digest,
		.blob_bytes = intake->bytes,
		.bytes = intake->info.content_bytes,
	};

	(void)snprintf(layer.media_type, sizeof(layer.media_type), "%s", media_type_of(intake));
	return layer;
}

int og_intake_publish(struct og_intake *intake, struct og_err *err)
{
	struct og_file_name blob = og_layer_blob_name(&intake->blob.digest, &intake->info.diff_id);
	struct og_file_name layer = og_file_name(OG_FOLDER_LAYERS, &intake->info.diff_id);
	bool exists;
	int r = og_session_pin(intake->session, &layer, &exists, err);

	if (r == 0)
		r = og_layer_publish(intake->worker->layer, err);
	if (r == 0)
		r = og_session_pin(intake->session, &blob, &exists, err);
	if (r < 0)
		return r;
	return intake->plain ? og_recipe_publish(intake->worker->recipe, &intake->info.diff_id, err)
			     : og_blob_publish(&intake->blob, err);
}

static int feed_from(struct og_blob_reader *reader, struct og_intake *intake, struct og_err *err)
{
	og_auto_free char *buf = malloc(256U << 10);
	int r = 0;

	if (buf == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	while (r == 0) {
		ssize_t n = og_blob_reader_read(reader, buf, 256U << 10, err);

		if (n <= 0)
			return (int)n;
		r = og_relay_push(intake->relay, buf, (size_t)n, err);
	}
	return r;
}

static int make_layer(struct og_intake *intake, struct og_blob_reader *reader,
		      const struct og_digest *diff_id, struct og_err *err)
{
	int r = begin_work(intake, false, err);

	if (r == 0)
		r = feed_from(reader, intake, err);
	if (r == 0)
		r = og_relay_finish(intake->relay, err);
	if (r == 0)
		r = og_layer_finish(intake->worker->layer, &intake->info, err);
	if (r == 0 && !og_digest_equal(&intake->info.diff_id, diff_id))
		r = og_fail_plain(err, -EBADMSG, "its content has another diff_id (%s)",
				  og_digest_format(&intake->info.diff_id).text);
	return r < 0 ? r : og_layer_publish(intake->worker->layer, err);
}

int og_intake_from_blob(struct og_session *session, const struct og_digest *blob,
			const struct og_digest *diff_id, struct og_layer_info *ret_info,
			struct og_err *err)
{
	og_cleanup(og_blob_reader_freep) struct og_blob_reader *reader = NULL;
	struct og_file_name layer = og_file_name(OG_FOLDER_LAYERS, diff_id);
	struct og_intake intake = { .session = session };
	bool exists;
	int r = og_session_pin(session, &layer, &exists, err);

	if (r == 0)
		r = og_blob_reader_new(session->store, blob, &reader, err);
	if (r == 0)
		r = make_layer(&intake, reader, diff_id, err);
	if (r == 0)
		*ret_info = intake.info;
	og_intake_done(&intake);
	return r;
}
