/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "image/parts.h"

static int write_layer(void *data, const void *buf, size_t len, struct og_err *err)
{
	return og_layer_write(data, buf, len, err);
}

static int begin_layer(struct og_intake *intake, struct og_err *err)
{
	int folder_fd = intake->session->store->folder_fds[OG_FOLDER_LAYERS];
	int r = og_layer_new(folder_fd, NULL, &intake->layer, err);

	return r < 0 ? r : og_relay_new(write_layer, intake->layer, &intake->relay, err);
}

int og_intake_begin(struct og_session *session, struct og_intake *ret_intake, struct og_err *err)
{
	struct og_intake intake = { .session = session };
	int r = og_blob_begin(session->store, &intake.blob, err);

	if (r == 0)
		r = begin_layer(&intake, err);
	if (r < 0) {
		og_intake_done(&intake);
		return r;
	}
	*ret_intake = intake;
	return 0;
}

void og_intake_done(struct og_intake *intake)
{
	intake->relay = og_relay_free(intake->relay);
	intake->layer = og_layer_free(intake->layer);
	og_blob_done(&intake->blob);
	*intake = (struct og_intake){};
}

static void look_at_head(struct og_intake *intake, const uint8_t *buf, size_t len)
{
	size_t room = sizeof(intake->head) - (size_t)intake->bytes;

	memcpy(intake->head + intake->bytes, buf, len < room ? len : room);
}

int og_intake_write(struct og_intake *intake, const void *buf, size_t len, struct og_err *err)
{
	int r;

	if (intake->bytes < sizeof(intake->head))
		look_at_head(intake, buf, len);
	r = og_relay_push(intake->relay, buf, len, err);
	if (r == 0)
		r = og_blob_write(&intake->blob, buf, len, err);
	if (r == 0)
		intake->bytes += len;
	return r;
}

int og_intake_finish(struct og_intake *intake, struct og_err *err)
{
	int r = og_blob_finish(&intake->blob, err);

	if (r == 0)
		r = og_relay_finish(intake->relay, err);
	if (r == 0)
		r = og_layer_finish(intake->layer, &intake->info, err);
	return r;
}

static const char *media_type_of(const struct og_intake *intake)
{
	static const uint8_t zstd[] = { 0x28, 0xb5, 0x2f, 0xfd };

	if (og_digest_equal(&intake->blob.digest, &intake->info.diff_id))
		return OG_MEDIA_OCI_LAYER;
	return memcmp(intake->head, zstd, sizeof(zstd)) == 0 ? OG_MEDIA_OCI_LAYER_ZSTD
							     : OG_MEDIA_OCI_LAYER_GZIP;
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
	struct og_file_name blob = og_file_name(OG_FOLDER_BLOBS, &intake->blob.digest);
	struct og_file_name layer = og_file_name(OG_FOLDER_LAYERS, &intake->info.diff_id);
	bool exists;
	int r = og_session_pin(intake->session, &layer, &exists, err);

	if (r == 0)
		r = og_layer_publish(intake->layer, err);
	if (r == 0)
		r = og_session_pin(intake->session, &blob, &exists, err);
	return r < 0 ? r : og_blob_publish(&intake->blob, err);
}

static int feed_from(int fd, struct og_intake *intake, struct og_err *err)
{
	og_auto_free char *buf = malloc(256U << 10);

	if (buf == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	for (;;) {
		ssize_t n = og_read_upto(fd, buf, 256U << 10);
		int r;

		if (n <= 0)
			return n < 0 ? og_fail(err, (int)n, "read a blob") : 0;
		r = og_relay_push(intake->relay, buf, (size_t)n, err);
		if (r < 0)
			return r;
	}
}

static int make_layer(struct og_intake *intake, int fd, const struct og_digest *diff_id,
		      struct og_err *err)
{
	int r = begin_layer(intake, err);

	if (r == 0)
		r = feed_from(fd, intake, err);
	if (r == 0)
		r = og_relay_finish(intake->relay, err);
	if (r == 0)
		r = og_layer_finish(intake->layer, &intake->info, err);
	if (r == 0 && !og_digest_equal(&intake->info.diff_id, diff_id))
		r = og_fail_plain(err, -EBADMSG, "its content has another diff_id (%s)",
				  og_digest_format(&intake->info.diff_id).text);
	return r < 0 ? r : og_layer_publish(intake->layer, err);
}

int og_intake_from_blob(struct og_session *session, const struct og_digest *blob,
			const struct og_digest *diff_id, struct og_layer_info *ret_info,
			struct og_err *err)
{
	struct og_file_name layer = og_file_name(OG_FOLDER_LAYERS, diff_id);
	struct og_intake intake = { .session = session };
	og_auto_fd fd = -EBADF;
	bool exists;
	int r = og_session_pin(session, &layer, &exists, err);

	if (r == 0)
		r = og_blob_open(session->store, blob, &fd, NULL, err);
	if (r == 0)
		r = make_layer(&intake, fd, diff_id, err);
	if (r == 0)
		*ret_info = intake.info;
	og_intake_done(&intake);
	return r;
}
