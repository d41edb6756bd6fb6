/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests: push, pull, delete, by tag and by digest (distribution-spec). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/io.h"
#include "base/text.h"
#include "registry/internal.h"
#include "registry/put_manifest.h"

/* How often is tried what others change at the same time. */
#define TRIES 5

#define SPOOL_BLOCK (64U << 10)

/* ---- pull ---- */

static bool is_not_modified(struct call *call, const char *digest)
{
	const char *header = og_http_request_header(call->request, "If-None-Match");

	return header != NULL && digest[0] != '\0' && strstr(header, digest) != NULL;
}

void reply_manifest(struct call *call, const struct og_manifest_record *record, int fd,
		    const char *buf, size_t len)
{
	struct og_registry_event event =
		event_of(call, OG_REGISTRY_PULL_MANIFEST, record->digest.text);
	char tag[OG_BLOB_DIGEST_MAX + 2];

	(void)snprintf(tag, sizeof(tag), "\"%s\"", record->digest.text);
	og_http_set_header(call->request, "Docker-Content-Digest", record->digest.text);
	og_http_set_header(call->request, "ETag", tag);
	og_http_set_header(call->request, "X-Content-Type-Options", "nosniff");
	if (record->subject.text[0] != '\0')
		og_http_set_header(call->request, "OCI-Subject", record->subject.text);
	if (is_not_modified(call, record->digest.text)) {
		(void)og_close(fd);
		og_http_reply(call->request, 304, NULL, NULL, 0);
	} else if (fd >= 0) {
		og_http_reply_file(call->request, 200, record->media_type, fd, 0, len, NULL);
	} else {
		og_http_reply(call->request, 200, record->media_type, buf, len);
	}
	event.bytes = len;
	event.media_type = record->media_type;
	event.artifact_type = record->artifact_type;
	event.subject = record->subject.text;
	if (!call->head)
		after(call, &event);
}

static int find(struct call *call, struct og_manifest_record *ret_record, struct og_err *err)
{
	struct og_records *records = call->registry->records;
	struct og_db *db = og_records_read(records);
	int r = og_records_find_manifest(db, call->path.name,
					 call->path.by_digest ? NULL : call->path.tag,
					 &call->path.digest, ret_record, err);

	og_records_unread(records);
	return r > 0 ? 0 : r < 0 ? r : -ENOENT;
}

/* Nothing depends on it being written, so nothing fails with it. HEAD, too: many clients ask by it
 * where a tag points, and pull that by its digest. */
static void note_pull(struct call *call)
{
	struct og_records *records = call->registry->records;
	int64_t now = time(NULL), pulled_at = 0;
	struct og_db *db;

	if (call->path.by_digest)
		return;
	db = og_records_read(records);
	(void)og_records_pulled_at(db, call->path.name, call->path.tag, &pulled_at, NULL);
	og_records_unread(records);
	if (now - pulled_at < OG_REGISTRY_PULLED_EVERY_S ||
	    og_records_begin(records, false, NULL) < 0)
		return;
	(void)og_records_end(records,
			     og_records_pulled(og_records_db(records), call->path.name,
					       call->path.tag, now, NULL),
			     NULL);
}

/*
 * Clients ask for a tag's digest alone (HEAD), and then for that: it is the tag that may be another than was
 * signed, so that this is part of a pull.
 */
bool is_pull(const struct call *call)
{
	return !call->head || !call->path.by_digest;
}

/* A long one goes out of its file: who takes his time over it holds no memory. */
static int open_long(struct call *call, const struct og_manifest_record *record, size_t len,
		     struct og_err *err)
{
	struct og_store_blob blob = { .fd = -EBADF };
	int r;

	if (len <= OG_STORE_SMALL)
		return -EBADF;
	r = og_blob_store_open_blob(&call->registry->store, &record->digest, OG_STORE_VERIFY, len,
				    &blob, err);
	free(blob.buf);
	return r < 0 ? r : blob.fd;
}

/* Returns 0 when an answer was given. */
static int serve_once(struct call *call, struct og_err *err)
{
	struct og_manifest_record record = {};
	struct og_registry_event event;
	og_auto_free char *buf = NULL;
	size_t len = 0;
	int r = find(call, &record, err), fd;

	if (r == -ENOENT && call->registry->engine != NULL)
		return og_engine_images_serve_manifest(call->registry->engine, call, err);
	if (r == 0)
		r = refresh_tag(call, record.digest.text, err);
	if (r > 0)
		r = find(call, &record, err);
	if (r == 0)
		r = og_blob_store_read(&call->registry->store, &record.digest,
				       OG_MANIFEST_BYTES_MAX, &buf, &len, err);
	if (r < 0)
		return r;
	event = event_of(call, OG_REGISTRY_PULL_MANIFEST, record.digest.text);
	event.media_type = record.media_type;
	event.artifact_type = record.artifact_type;
	event.subject = record.subject.text;
	event.bytes = len;
	event.body = buf;
	if (is_pull(call) && !before(call, &event))
		return 0;
	fd = open_long(call, &record, len, err);
	if (fd < 0 && fd != -EBADF)
		return fd;
	reply_manifest(call, &record, fd, buf, len);
	note_pull(call);
	return 0;
}

static const char *reference(const struct call *call)
{
	return call->path.by_digest ? call->path.digest.text : call->path.tag;
}

void serve_manifest(struct call *call)
{
	struct og_err err = {};
	bool answered = false;
	int r = serve_once(call, &err);

	if (r == -ENOENT && fetch_missing(call, reference(call), true, &answered))
		r = serve_once(call, &err);
	if (answered || r == 0)
		return;
	if (r == -ENOENT)
		(void)og_fail_plain(&err, r, "'%s' has no manifest %s", call->path.name,
				    reference(call));
	reply_failure(call, r, "MANIFEST_UNKNOWN", &err);
}

/* ---- push ---- */

static void reply_put_failure(struct call *call, int r, const struct og_err *err)
{
	if (r == -EBADMSG || r == -ENOTSUP || r == -ELOOP)
		reply_error(call, 400, "MANIFEST_INVALID", err->text);
	else if (r == -E2BIG || r == -EFBIG)
		reply_error(call, 413, "MANIFEST_INVALID", err->text);
	else if (r == -EUCLEAN)
		reply_error(call, 400, "DIGEST_INVALID", err->text);
	else if (r == -ENOENT)
		reply_error(call, 404, "MANIFEST_BLOB_UNKNOWN", err->text);
	else
		reply_failure(call, r, "MANIFEST_UNKNOWN", err);
}

static void reply_created(struct call *call, const struct og_manifest_upload *upload)
{
	og_auto_free char *location =
		og_strdupf("/v2/%s/manifests/%s", call->path.name, upload->digest.text);

	if (location != NULL)
		og_http_set_header(call->request, "Location", location);
	og_http_set_header(call->request, "Docker-Content-Digest", upload->digest.text);
	if (upload->document->has_subject)
		og_http_set_header(call->request, "OCI-Subject",
				   upload->document->subject.digest.text);
	og_http_reply(call->request, 201, NULL, NULL, 0);
}

/* What the tag points to now, and whether it may be moved. False: the answer is given. */
static bool may_tag(struct call *call, const struct og_manifest_upload *upload,
		    char ret_previous[OG_BLOB_DIGEST_MAX])
{
	struct og_manifest_record record = {};

	ret_previous[0] = '\0';
	if (call->path.by_digest || find(call, &record, NULL) < 0)
		return true;
	memcpy(ret_previous, record.digest.text, sizeof(record.digest.text));
	return og_blob_digest_equal(&record.digest, &upload->digest) ||
	       may(call, OG_REGISTRY_UPDATE);
}

static struct og_registry_event
push_event(const struct call *call, const struct og_manifest_upload *upload, const char *previous)
{
	struct og_registry_event event =
		event_of(call, OG_REGISTRY_PUSH_MANIFEST, upload->digest.text);

	event.previous = previous;
	event.media_type = upload->document->media_type;
	event.artifact_type = upload->document->artifact_type;
	event.subject = upload->document->has_subject ? upload->document->subject.digest.text : "";
	event.bytes = upload->len;
	event.added = upload->is_new ? upload->len : 0;
	event.body = upload->buf;
	return event;
}

/* -EAGAIN: the tag was moved by somebody else between the question and the deed. */
static int put_once(struct call *call, struct og_manifest_upload *upload, struct og_err *err)
{
	char previous[OG_BLOB_DIGEST_MAX];
	struct og_registry_event event;
	int r;

	if (!may_tag(call, upload, previous))
		return 0;
	event = push_event(call, upload, previous);
	if (!before(call, &event))
		return 0;
	r = og_manifest_upload_put(upload, call->path.by_digest ? NULL : call->path.tag,
				   call->path.by_digest ? NULL : previous, err);
	if (r < 0)
		return r;
	reply_created(call, upload);
	after(call, &event);
	return 0;
}

static int spool(struct call *call, int fd, struct og_manifest_upload *upload, struct og_err *err)
{
	og_auto_free char *buf = malloc(SPOOL_BLOCK);

	if (buf == NULL)
		return og_fail(err, -ENOMEM, "receive a manifest");
	for (;;) {
		ssize_t n = og_http_read(call->request, buf, SPOOL_BLOCK);
		int r;

		if (n <= 0)
			return n == 0 ? 0 : og_fail(err, (int)n, "the body is incomplete");
		upload->len += (size_t)n;
		if (upload->len > OG_MANIFEST_BYTES_MAX)
			return og_fail_plain(err, -EFBIG, "the manifest is over %u bytes",
					     OG_MANIFEST_BYTES_MAX);
		r = og_write_all(fd, buf, (size_t)n);
		if (r < 0)
			return og_fail(err, r, "receive a manifest");
	}
}

/* A long one waits in a file until it is whole, and then for its turn in memory: clients who send
 * many of them, slowly, take no more than that. */
static int receive_long(struct call *call, struct og_manifest_upload *upload, char **ret_buf,
			struct og_err *err)
{
	og_auto_free char *buf = NULL;
	og_auto_fd fd = -EBADF;
	int r;

	fd = og_blob_store_temp(&call->registry->store, err);
	if (fd < 0)
		return fd;
	r = spool(call, fd, upload, err);
	if (r < 0)
		return r;
	og_manifest_upload_alone(upload);
	buf = malloc(upload->len + 1);
	if (buf == NULL || og_pread_upto(fd, buf, upload->len, 0) != (ssize_t)upload->len)
		return og_fail(err, buf == NULL ? -ENOMEM : -EIO, "receive a manifest");
	*ret_buf = og_take_ptr(buf);
	return 0;
}

static int receive(struct call *call, struct og_manifest_upload *upload, char **ret_buf,
		   struct og_err *err)
{
	int64_t length = og_http_content_length(call->request);

	if (length < 0 || length > (int64_t)PARSE_ALONE_BYTES)
		return receive_long(call, upload, ret_buf, err);
	return og_http_read_body(call->request, PARSE_ALONE_BYTES, ret_buf, &upload->len, err);
}

void serve_manifest_put(struct call *call)
{
	const char *type = og_http_request_header(call->request, "Content-Type");
	struct og_manifest_upload upload = {
		.registry = call->registry,
		.repository = call->path.name,
		.sparse = call->registry->options.sparse_indexes,
	};
	og_auto_free char *buf = NULL;
	struct og_err err = {};
	int r = receive(call, &upload, &buf, &err);

	upload.buf = buf;
	if (r == 0)
		r = og_manifest_upload_open(&upload, type,
					    call->path.by_digest ? &call->path.digest : NULL, &err);
	if (r == 0)
		r = -EAGAIN;
	for (unsigned i = 0; i < TRIES && r == -EAGAIN; i++)
		r = put_once(call, &upload, &err);
	if (r < 0)
		reply_put_failure(call, r, &err);
	og_manifest_upload_done(&upload);
}

/* ---- delete ---- */

static int delete_record(struct call *call, const uint8_t mark[OG_HASH_BYTES_MAX],
			 struct og_err *err)
{
	struct og_records *records = call->registry->records;
	int r = og_records_begin(records, false, err);

	if (r < 0)
		return r;
	if (call->path.by_digest)
		r = og_records_delete_manifest(og_records_db(records), call->path.name,
					       &call->path.digest, mark, err);
	else
		r = og_records_delete_tag(og_records_db(records), call->path.name, call->path.tag,
					  err);
	if (r == 0)
		r = -ENOENT;
	return og_records_end(records, r, err);
}

/* What the hook says holds for the tags that it saw. */
static int mark_tags(struct call *call, const struct og_manifest_record *record,
		     uint8_t ret_mark[OG_HASH_BYTES_MAX], struct og_err *err)
{
	struct og_records *records = call->registry->records;
	int r = og_records_mark_tags(og_records_read(records), call->path.name, &record->digest,
				     ret_mark, err);

	og_records_unread(records);
	return r;
}

/* -EAGAIN: a tag came or went between the question and the deed. */
static int delete_once(struct call *call, struct og_err *err)
{
	uint8_t mark[OG_HASH_BYTES_MAX];
	struct og_manifest_record record = {};
	struct og_registry_event event;
	int r = find(call, &record, err);

	if (r == 0)
		r = mark_tags(call, &record, mark, err);
	if (r < 0)
		return r;
	event = event_of(
		call, call->path.by_digest ? OG_REGISTRY_DELETE_MANIFEST : OG_REGISTRY_DELETE_TAG,
		record.digest.text);
	event.media_type = record.media_type;
	event.bytes = record.bytes;
	if (!before(call, &event))
		return 0;
	r = delete_record(call, mark, err);
	if (r < 0)
		return r;
	og_http_reply(call->request, 202, NULL, NULL, 0);
	after(call, &event);
	return 0;
}

void serve_manifest_delete(struct call *call)
{
	struct og_err err = {};
	int r = -EAGAIN;

	for (unsigned i = 0; i < TRIES && r == -EAGAIN; i++)
		r = delete_once(call, &err);
	if (r == -ENOENT)
		(void)og_fail_plain(&err, r, "'%s' has no manifest %s", call->path.name,
				    reference(call));
	if (r < 0)
		reply_failure(call, r, "MANIFEST_UNKNOWN", &err);
}
