/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs: pull, whole and in parts, and delete (distribution-spec, "Pulling blobs"). */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "format/http_range.h"
#include "registry/internal.h"

#define BLOB_TYPE "application/octet-stream"

void set_blob_headers(struct call *call, const struct og_blob_digest *digest)
{
	char tag[OG_BLOB_DIGEST_MAX + 2];

	(void)snprintf(tag, sizeof(tag), "\"%s\"", digest->text);
	og_http_set_header(call->request, "Docker-Content-Digest", digest->text);
	og_http_set_header(call->request, "ETag", tag);
	og_http_set_header(call->request, "Accept-Ranges", "bytes");
	/* It never changes; and no browser is to make a page of it. */
	og_http_set_header(call->request, "Cache-Control", "max-age=31536000, immutable, private");
	og_http_set_header(call->request, "X-Content-Type-Options", "nosniff");
}

bool choose_range(struct call *call, uint64_t size, int *ret_status, uint64_t *ret_first,
		  uint64_t *ret_len)
{
	/* Of GET alone (RFC 9110, section 14.2). */
	const char *header = call->head ? NULL : og_http_request_header(call->request, "Range");
	char text[80];

	*ret_status = 200;
	switch (og_http_range(header, size, ret_first, ret_len)) {
	case OG_RANGE_NONE:
		(void)snprintf(text, sizeof(text), "bytes */%" PRIu64, size);
		og_http_set_header(call->request, "Content-Range", text);
		reply_error(call, 416, "RANGE_INVALID", "the range begins behind the blob's end");
		return false;
	case OG_RANGE_PART:
		*ret_status = 206;
		(void)snprintf(text, sizeof(text), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64,
			       *ret_first, *ret_first + *ret_len - 1, size);
		og_http_set_header(call->request, "Content-Range", text);
		return true;
	case OG_RANGE_WHOLE:
	default:
		return true;
	}
}

/* A client that keeps the blob will refer to it soon: it must not be collected until then. */
static void renew(struct call *call, uint64_t bytes, int64_t at)
{
	struct og_registry *registry = call->registry;
	int64_t now = time(NULL);

	if (now - at < (int64_t)registry->options.grace_s / 4 ||
	    og_records_begin(registry->records, false, NULL) < 0)
		return;
	(void)og_records_end(registry->records,
			     og_records_link(og_records_db(registry->records), call->path.name,
					     &call->path.digest, bytes, now, NULL),
			     NULL);
}

static int find(struct call *call, uint64_t *ret_bytes, struct og_err *err)
{
	struct og_registry *registry = call->registry;
	int64_t at = 0;
	struct og_db *db = og_records_read(registry->records);
	int r = og_records_find_link(db, call->path.name, &call->path.digest, ret_bytes, &at, err);

	og_records_unread(registry->records);
	if (r > 0 && call->head)
		renew(call, *ret_bytes, at);
	return r > 0 ? 0 : r < 0 ? r : -ENOENT;
}

static int verdict(void *data)
{
	return og_store_check_result(data, NULL);
}

static void forget(void *data)
{
	(void)og_store_check_free(data);
}

/* Of one that is still being hashed the end waits. */
static void send_file(struct call *call, struct og_store_blob *blob, int status, uint64_t first,
		      uint64_t len)
{
	const struct og_http_hold hold = {
		.bytes = OG_STORE_HELD,
		.ready_fd = blob->check == NULL ? -EBADF : og_store_check_fd(blob->check),
		.verdict = verdict,
		.free = forget,
		.data = blob->check,
	};

	og_http_reply_file(call->request, status, BLOB_TYPE, og_take_fd(&blob->fd), first, len,
			   blob->check == NULL ? NULL : &hold);
	blob->check = NULL;
}

static void send_blob(struct call *call, struct og_store_blob *blob)
{
	struct og_registry_event event =
		event_of(call, OG_REGISTRY_PULL_BLOB, call->path.digest.text);
	uint64_t first, len;
	int status;

	if (!choose_range(call, blob->size, &status, &first, &len))
		return;
	set_blob_headers(call, &call->path.digest);
	event.bytes = len;
	if (blob->buf != NULL)
		og_http_reply(call->request, status, BLOB_TYPE, blob->buf + first, (size_t)len);
	else
		send_file(call, blob, status, first, len);
	if (!call->head)
		after(call, &event);
}

/* So little is asked for that nothing of it may go out before the blob is verified. */
static bool is_all_held(const struct call *call, uint64_t size)
{
	uint64_t first = 0, len = size;

	(void)og_http_range(og_http_request_header(call->request, "Range"), size, &first, &len);
	return len <= OG_STORE_HELD;
}

/* Returns 0 when an answer was given. */
static int serve_once(struct call *call, struct og_err *err)
{
	og_cleanup(og_store_blob_done) struct og_store_blob blob = { .fd = -EBADF };
	uint64_t bytes = 0;
	int r = find(call, &bytes, err);

	if (r < 0)
		return r == -ENOENT && call->registry->engine != NULL
			       ? og_engine_images_serve_blob(call->registry->engine, call, err)
			       : r;
	r = og_blob_store_open_blob(&call->registry->store, &call->path.digest,
				    call->head ? OG_STORE_LOOK : OG_STORE_BEGIN, bytes, &blob, err);
	if (r == 0 && blob.check != NULL && is_all_held(call, blob.size)) {
		r = og_store_check_result(blob.check, err);
		blob.check = og_store_check_free(blob.check);
	}
	if (r < 0)
		return r == -EUCLEAN ? -ENOENT : r;
	send_blob(call, &blob);
	return 0;
}

void serve_blob(struct call *call)
{
	const struct og_registry_event event =
		event_of(call, OG_REGISTRY_PULL_BLOB, call->path.digest.text);
	struct og_err err = {};
	bool answered = false;
	int r;

	if (!call->head && !before(call, &event))
		return;
	r = serve_once(call, &err);
	if (r == -ENOENT && fetch_missing(call, call->path.digest.text, false, &answered))
		r = serve_once(call, &err);
	if (answered || r == 0)
		return;
	if (r == -ENOENT)
		(void)og_fail_plain(&err, r, "%s is not in this repository",
				    call->path.digest.text);
	reply_failure(call, r, "BLOB_UNKNOWN", &err);
}

void serve_blob_delete(struct call *call)
{
	struct og_registry_event event =
		event_of(call, OG_REGISTRY_DELETE_BLOB, call->path.digest.text);
	struct og_records *records = call->registry->records;
	struct og_err err = {};
	int r;

	if (!before(call, &event))
		return;
	r = og_records_begin(records, false, &err);
	if (r == 0) {
		r = og_records_unlink(og_records_db(records), call->path.name, &call->path.digest,
				      &err);
		if (r == 0)
			r = og_fail_plain(&err, -ENOENT, "%s is not in this repository",
					  call->path.digest.text);
		r = og_records_end(records, r, &err);
	}
	if (r == -EBUSY) {
		og_http_set_header(call->request, "Allow", "GET, HEAD");
		reply_error(call, 405, "DENIED", err.text);
	} else if (r < 0) {
		reply_failure(call, r, "BLOB_UNKNOWN", &err);
	} else {
		og_http_reply(call->request, 202, NULL, NULL, 0);
		after(call, &event);
	}
}
