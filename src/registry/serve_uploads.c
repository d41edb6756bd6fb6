/* SPDX-License-Identifier: Apache-2.0 */
/* Pushing blobs: in one request, in two, in chunks, as a stream, by mount (distribution-spec). */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file_writer.h"
#include "base/io.h"
#include "base/text.h"
#include "format/http_range.h"
#include "registry/internal.h"

#define READ_BLOCK (64U << 10)

/* Above it a second thread writes while this one hashes. */
#define WRITE_BESIDE_BYTES (4 << 20)

/* Repositories that are asked for a blob to mount from anywhere. */
#define HOLDERS_MAX 1000

static bool blob_in_store(struct call *call, const char *repository,
			  const struct og_blob_digest *digest, uint64_t *ret_bytes)
{
	struct og_registry *registry = call->registry;
	struct og_db *db = og_records_read(registry->records);
	int r = og_records_find_link(db, repository, digest, ret_bytes, NULL, NULL);

	og_records_unread(registry->records);
	return r > 0 && og_blob_store_has(&registry->store, digest);
}

/* ---- answers ---- */

static void set_location(struct call *call, const char *id)
{
	og_auto_free char *location = og_strdupf("/v2/%s/blobs/uploads/%s", call->path.name, id);

	if (location != NULL)
		og_http_set_header(call->request, "Location", location);
	og_http_set_header(call->request, "Docker-Upload-UUID", id);
}

static void reply_progress(struct call *call, int status, const char *id, uint64_t bytes)
{
	char range[40];

	(void)snprintf(range, sizeof(range), "0-%" PRIu64, bytes > 0 ? bytes - 1 : 0);
	set_location(call, id);
	og_http_set_header(call->request, "Range", range);
	og_http_reply(call->request, status, NULL, NULL, 0);
}

static void reply_created(struct call *call, const struct og_blob_digest *digest)
{
	og_auto_free char *location = og_strdupf("/v2/%s/blobs/%s", call->path.name, digest->text);

	if (location != NULL)
		og_http_set_header(call->request, "Location", location);
	og_http_set_header(call->request, "Docker-Content-Digest", digest->text);
	og_http_reply(call->request, 201, NULL, NULL, 0);
}

static void reply_upload_failure(struct call *call, int r, const struct og_err *err)
{
	if (r == -EBUSY)
		reply_error(call, 409, "BLOB_UPLOAD_INVALID", err->text);
	else if (r == -EDQUOT)
		reply_error(call, 429, "TOOMANYREQUESTS", err->text);
	else if (r == -EBADMSG)
		reply_error(call, 400, "DIGEST_INVALID", err->text);
	else if (r == -ERANGE)
		reply_error(call, 416, "BLOB_UPLOAD_INVALID", err->text);
	else
		reply_failure(call, r, "BLOB_UPLOAD_UNKNOWN", err);
}

/* ?digest=; false: the answer is given. */
static bool digest_of_query(struct call *call, struct og_blob_digest *ret_digest)
{
	const char *text = og_http_query(call->request, "digest");

	if (text != NULL && og_http_query_at(call->request, "digest", 1) == NULL &&
	    og_blob_digest_parse(text, ret_digest) == 0)
		return true;
	reply_error(call, 400, "DIGEST_INVALID",
		    text == NULL ? "?digest= is missing"
				 : "?digest= is no digest: sha256: or sha512: and lower-case "
				   "hexadecimal digits");
	return false;
}

/* ---- mounting ---- */

static bool find_source(struct call *call, const struct og_blob_digest *digest, const char *from,
			char ret_name[OG_REPOSITORY_MAX], uint64_t *ret_bytes)
{
	struct og_registry *registry = call->registry;

	if (from != NULL) {
		(void)snprintf(ret_name, OG_REPOSITORY_MAX, "%s", from);
		return og_repository_is_valid(from) && may_silently(call, from, OG_REGISTRY_READ) &&
		       blob_in_store(call, from, digest, ret_bytes);
	}
	for (unsigned i = 0; i < HOLDERS_MAX; i++) {
		struct og_db *db = og_records_read(registry->records);
		int r = og_records_nth_holder(db, digest, i, ret_name, NULL);

		og_records_unread(registry->records);
		if (r <= 0)
			return false;
		if (may_silently(call, ret_name, OG_REGISTRY_READ) &&
		    blob_in_store(call, ret_name, digest, ret_bytes))
			return true;
	}
	return false;
}

/* The source may have lost it since it was found. */
static int link_from(struct call *call, const char *from, const struct og_blob_digest *digest,
		     struct og_err *err)
{
	struct og_records *records = call->registry->records;
	struct og_db *db = og_records_db(records);
	uint64_t bytes = 0;
	int r = og_records_begin(records, false, err);

	if (r < 0)
		return r;
	r = og_records_find_link(db, from, digest, &bytes, NULL, err);
	if (r == 0 || (r > 0 && !og_blob_store_has(&call->registry->store, digest)))
		r = -ENOENT;
	if (r > 0)
		r = og_records_link(db, call->path.name, digest, bytes, time(NULL), err);
	return og_records_end(records, r, err);
}

/* True: an answer is given. Whoever may not read the source hears what everyone hears for a blob
 * that is nowhere (A56): an ordinary upload begins. */
static bool try_mount(struct call *call, const char *mount)
{
	const char *from = og_http_query(call->request, "from");
	struct og_registry_event event = event_of(call, OG_REGISTRY_PUSH_BLOB, mount);
	char source[OG_REPOSITORY_MAX];
	struct og_blob_digest digest;
	struct og_err err = {};
	uint64_t there = 0;

	if (og_blob_digest_parse(mount, &digest) < 0 ||
	    !find_source(call, &digest, from, source, &event.bytes))
		return false;
	event.from = source;
	event.added = blob_in_store(call, call->path.name, &digest, &there) ? 0 : event.bytes;
	if (!before(call, &event))
		return true;
	if (link_from(call, source, &digest, &err) < 0)
		return false;
	reply_created(call, &digest);
	after(call, &event);
	return true;
}

/* ---- receiving ---- */

struct receiving {
	struct call *call;
	struct og_upload *upload;
	struct og_file_writer *writer; /* owned; NULL: this thread writes */
	char *buf;		       /* owned */
};

static int receive_piece(struct receiving *receiving, size_t len, struct og_err *err)
{
	struct og_upload *upload = receiving->upload;
	int r = og_upload_grow(upload, len, err);

	if (r < 0)
		return r;
	if (receiving->writer != NULL) {
		r = og_file_writer_add(receiving->writer, receiving->buf, len, upload->bytes, err);
	} else {
		r = og_pwrite_all(upload->fd, receiving->buf, len, upload->bytes);
		if (r < 0)
			r = og_fail(err, r, "write an upload");
	}
	/* Not before: what is not in the file must not be in a hash that is kept. */
	if (r == 0 && upload->hash != NULL)
		r = og_hash_add(upload->hash, receiving->buf, len, err);
	if (r == 0)
		upload->bytes += len;
	return r;
}

/* Large bodies come in large pieces. */
static ssize_t read_piece(struct receiving *receiving)
{
	return og_http_read(receiving->call->request, receiving->buf, READ_BLOCK);
}

static int receive_all(struct receiving *receiving, uint64_t most, struct og_err *err)
{
	uint64_t left = most;

	for (;;) {
		ssize_t n = read_piece(receiving);
		int r;

		if (n < 0)
			return og_fail(err, (int)n, "the request's body is incomplete");
		if (n == 0)
			return 0;
		if ((uint64_t)n > left)
			return og_fail_plain(err, -ERANGE,
					     "the body is longer than its Content-Range");
		left -= (uint64_t)n;
		r = receive_piece(receiving, (size_t)n, err);
		if (r < 0)
			return r;
	}
}

/* Appends the request's body. What came of one that breaks off stays: the client may go on. */
static int receive(struct call *call, struct og_upload *upload, uint64_t most, struct og_err *err)
{
	struct receiving receiving = { .call = call, .upload = upload };
	int64_t length = og_http_content_length(call->request);
	uint64_t before_bytes = upload->bytes;
	int r = 0;

	if (!og_http_has_body(call->request))
		return 0;
	receiving.buf = malloc(READ_BLOCK);
	if (receiving.buf == NULL)
		return og_fail(err, -ENOMEM, "receive a blob");
	if (length < 0 || length >= WRITE_BESIDE_BYTES)
		r = og_file_writer_new(upload->fd, &receiving.writer, err);
	if (r == 0)
		r = receive_all(&receiving, most, err);
	if (receiving.writer != NULL) {
		struct og_err later = {};
		int written = og_file_writer_wait(receiving.writer, r < 0 ? &later : err);

		if (written < 0)
			(void)og_upload_cut(upload, before_bytes, &later);
		r = r < 0 ? r : written;
	}
	(void)og_file_writer_free(receiving.writer);
	free(receiving.buf);
	if (r == -ERANGE)
		(void)og_upload_cut(upload, before_bytes, NULL);
	return r;
}

/* ---- finishing ---- */

static int check_digest(struct og_upload *upload, const struct og_blob_digest *digest,
			struct og_err *err)
{
	uint8_t hash[OG_HASH_BYTES_MAX];
	struct og_blob_digest found;
	int r = og_upload_hash_as(upload, digest->kind, err);

	if (r < 0)
		return r;
	og_hash_finish(upload->hash, hash);
	upload->hash = og_hash_free(upload->hash);
	og_blob_digest_of(digest->kind, hash, &found);
	return og_blob_digest_equal(&found, digest)
		       ? 0
		       : og_fail_plain(err, -EBADMSG, "what came is %s, not %s", found.text,
				       digest->text);
}

static int record(struct call *call, const struct og_upload *upload,
		  const struct og_blob_digest *digest, struct og_err *err)
{
	struct og_records *records = call->registry->records;
	int r = og_records_begin(records, false, err);

	if (r < 0)
		return r;
	r = og_blob_store_republish(&call->registry->store, upload->fd,
				    upload->named ? upload->id : NULL, digest, err);
	if (r == 0)
		r = og_records_link(og_records_db(records), call->path.name, digest, upload->bytes,
				    time(NULL), err);
	return og_records_end(records, r, err);
}

static int publish(struct call *call, struct og_upload *upload, const struct og_blob_digest *digest,
		   struct og_err *err)
{
	int r = og_blob_store_publish(&call->registry->store, upload->fd,
				      upload->named ? upload->id : NULL, digest, err);

	return r < 0 ? r : record(call, upload, digest, err);
}

/* The body is all there, or the rest of it: makes the blob, and answers. */
static void finish(struct call *call, struct og_upload *upload, const struct og_blob_digest *digest)
{
	struct og_registry_event event = event_of(call, OG_REGISTRY_PUSH_BLOB, digest->text);
	struct og_err err = {};
	uint64_t there = 0;
	bool refused = false;
	int r = receive(call, upload, UINT64_MAX, &err);
	bool broken = r == -ECONNRESET && upload->named;

	if (r == 0)
		r = check_digest(upload, digest, &err);
	if (r == 0) {
		event.bytes = upload->bytes;
		event.added = blob_in_store(call, call->path.name, digest, &there) ? 0
										   : event.bytes;
		refused = !before(call, &event);
	}
	if (r == 0 && !refused)
		r = publish(call, upload, digest, &err);
	og_upload_release(upload, !broken);
	if (refused)
		return;
	if (r < 0) {
		reply_upload_failure(call, r, &err);
		return;
	}
	reply_created(call, digest);
	after(call, &event);
}

/* Is there room for what is announced? False: the answer is given. */
static bool announced_fits(struct call *call, const char *digest)
{
	struct og_registry_event event = event_of(call, OG_REGISTRY_PUSH_BLOB, digest);
	int64_t length = og_http_content_length(call->request);
	struct og_blob_digest known;
	uint64_t there = 0;

	event.bytes = event.added = length > 0 ? (uint64_t)length : 0;
	if (og_blob_digest_parse(digest, &known) == 0 &&
	    blob_in_store(call, call->path.name, &known, &there))
		event.added = 0;
	return length <= 0 || before(call, &event);
}

/* ---- handlers ---- */

static void push_at_once(struct call *call, const char *id)
{
	struct og_blob_digest digest;
	struct og_upload upload;
	struct og_err err = {};
	int r;

	if (!digest_of_query(call, &digest) || !announced_fits(call, digest.text))
		return;
	r = og_upload_take(&call->registry->uploads, id, true, &upload, &err);
	if (r == 0 && digest.kind != OG_HASH_SHA256)
		r = og_upload_hash_as(&upload, digest.kind, &err);
	if (r < 0)
		reply_upload_failure(call, r, &err);
	else
		finish(call, &upload, &digest);
}

void serve_upload_begin(struct call *call)
{
	const char *mount = og_http_query(call->request, "mount");
	char id[OG_UPLOAD_ID_MAX];
	struct og_err err = {};
	int r;

	if (mount != NULL && try_mount(call, mount))
		return;
	r = og_uploads_begin(&call->registry->uploads, call->path.name, call->caller.account, id,
			     &err);
	if (r < 0)
		reply_failure(call, r, "BLOB_UPLOAD_UNKNOWN", &err);
	else if (og_http_query(call->request, "digest") != NULL)
		push_at_once(call, id);
	else
		reply_progress(call, 202, id, 0);
}

/* False: the answer is given. */
static bool is_valid(struct call *call)
{
	if (og_uploads_is_valid(&call->registry->uploads, call->path.upload, call->path.name,
				call->caller.account))
		return true;
	reply_error(call, 404, "BLOB_UPLOAD_UNKNOWN", "there is no such upload");
	return false;
}

void serve_upload_status(struct call *call)
{
	if (is_valid(call))
		reply_progress(call, 204, call->path.upload,
			       og_uploads_size(&call->registry->uploads, call->path.upload));
}

static int out_of_order(struct call *call, const struct og_upload *upload, struct og_err *err)
{
	char range[40];

	(void)snprintf(range, sizeof(range), "0-%" PRIu64,
		       upload->bytes > 0 ? upload->bytes - 1 : 0);
	set_location(call, upload->id);
	og_http_set_header(call->request, "Range", range);
	return og_fail_plain(err, -ERANGE, "chunks come in order: %" PRIu64 " bytes are here",
			     upload->bytes);
}

/* A chunk goes where the last one ended, or it is no chunk of this upload. */
static int check_chunk(struct call *call, const struct og_upload *upload, uint64_t *ret_most,
		       struct og_err *err)
{
	const char *header = og_http_request_header(call->request, "Content-Range");
	int64_t length = og_http_content_length(call->request);
	uint64_t first, last;

	*ret_most = UINT64_MAX;
	if (header == NULL)
		return 0;
	if (og_upload_range_parse(header, &first, &last) < 0)
		return og_fail_plain(err, -ERANGE, "Content-Range must be FIRST-LAST");
	if (first != upload->bytes)
		return out_of_order(call, upload, err);
	*ret_most = last - first + 1;
	if (length >= 0 && (uint64_t)length != *ret_most)
		return og_fail_plain(err, -ERANGE,
				     "Content-Range and Content-Length contradict each other");
	return 0;
}

void serve_upload_patch(struct call *call)
{
	struct og_upload upload;
	struct og_err err = {};
	uint64_t most, bytes;
	int r;

	if (!is_valid(call) || !announced_fits(call, ""))
		return;
	r = og_upload_take(&call->registry->uploads, call->path.upload, false, &upload, &err);
	if (r < 0) {
		reply_upload_failure(call, r, &err);
		return;
	}
	r = check_chunk(call, &upload, &most, &err);
	if (r == 0 && upload.hash == NULL)
		r = og_upload_hash_as(&upload, OG_HASH_SHA256, &err);
	if (r == 0)
		r = receive(call, &upload, most, &err);
	bytes = upload.bytes;
	og_upload_release(&upload, false);
	if (r < 0)
		reply_upload_failure(call, r, &err);
	else
		reply_progress(call, 202, call->path.upload, bytes);
}

void serve_upload_finish(struct call *call)
{
	struct og_blob_digest digest;
	struct og_upload upload;
	struct og_err err = {};
	uint64_t most;
	int r;

	if (!is_valid(call) || !digest_of_query(call, &digest) ||
	    !announced_fits(call, digest.text))
		return;
	r = og_upload_take(&call->registry->uploads, call->path.upload, true, &upload, &err);
	if (r < 0) {
		reply_upload_failure(call, r, &err);
		return;
	}
	r = check_chunk(call, &upload, &most, &err);
	if (r == 0)
		r = og_upload_hash_as(&upload, digest.kind, &err);
	if (r < 0) {
		og_upload_release(&upload, false);
		reply_upload_failure(call, r, &err);
		return;
	}
	finish(call, &upload, &digest);
}

void serve_upload_cancel(struct call *call)
{
	struct og_upload upload;
	struct og_err err = {};
	int r;

	if (!is_valid(call))
		return;
	r = og_upload_take(&call->registry->uploads, call->path.upload, true, &upload, &err);
	if (r < 0) {
		reply_upload_failure(call, r, &err);
		return;
	}
	og_upload_release(&upload, true);
	og_http_reply(call->request, 204, NULL, NULL, 0);
}
