/* SPDX-License-Identifier: Apache-2.0 */
/* The registry client's half that changes a registry, and its questions whether something is there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "format/manifest.h"
#include "image/remote_ask.h"
#include "image/remote_referrers.h"

/* Up to this size a blob is offered together with the request to upload: one round trip, not two. */
#define SMALL_BLOB_BYTES (64U << 10)

/*
 * From this size on a blob goes by PATCH and is ended by an empty PUT: what has come by PATCH is kept where
 * it breaks off, which few registries do for a PUT. The further request is nothing beside such a size.
 */
#define LARGE_BLOB_BYTES (8U << 20)

/* What a registry says about an upload is a page of JSON at most. */
#define ANSWER_MAX (64U << 10)

#define ACCEPT_MANIFESTS                                                                       \
	"Accept: " OG_MEDIA_OCI_MANIFEST ", " OG_MEDIA_OCI_INDEX ", " OG_MEDIA_DOCKER_MANIFEST \
	", " OG_MEDIA_DOCKER_LIST

static int no_memory(struct og_err *err)
{
	return og_fail(err, -ENOMEM, "no memory");
}

int og_remote_ping(struct og_remote *registry, struct og_http_client *client, struct og_err *err)
{
	og_cleanup(og_http_response_freep) struct og_http_response *response = NULL;
	og_auto_inquiry inquiry = {
		.registry = registry,
		.client = client,
		.path = "",
		.root = "v2",
		.max_body_bytes = ANSWER_MAX,
	};

	return og_inquire(&inquiry, &response, err);
}

/* ---- is it there? ---- */

/* HEAD. Returns 1 with the answer, 0 for a 404. */
static int ask_head(struct og_remote *registry, struct og_http_client *client, const char *path,
		    const char *const *headers, struct og_http_response **ret_response,
		    struct og_err *err)
{
	og_cleanup(og_http_response_freep) struct og_http_response *response = NULL;
	og_auto_inquiry inquiry = {
		.registry = registry,
		.client = client,
		.method = "HEAD",
		.path = path,
		.headers = headers,
		.accepted = { 200, 404 },
	};
	int r = og_inquire(&inquiry, &response, err);

	if (r < 0)
		return r;
	if (og_http_status(response) == 404)
		return 0;
	*ret_response = og_take_ptr(response);
	return 1;
}

int og_remote_has_blob(struct og_remote *registry, struct og_http_client *client,
		       const char *digest, uint64_t *ret_size, struct og_err *err)
{
	og_cleanup(og_http_response_freep) struct og_http_response *response = NULL;
	og_auto_free char *path = og_strdupf("blobs/%s", digest);
	const char *length;
	uint64_t size = 0;
	int r;

	if (path == NULL)
		return no_memory(err);
	r = ask_head(registry, client, path, NULL, &response, err);
	if (r <= 0)
		return r < 0 ? og_fail_in(err, r, "blob %.19s", digest) : 0;
	length = og_http_header(response, "Content-Length", 0);
	if (length != NULL)
		(void)og_parse_u64(length, 0, INT64_MAX, &size);
	if (ret_size != NULL)
		*ret_size = size;
	return 1;
}

int og_remote_has_manifest(struct og_remote *registry, struct og_http_client *client,
			   const char *reference, char ret_digest[160], struct og_err *err)
{
	static const char *const headers[] = { ACCEPT_MANIFESTS, NULL };
	og_cleanup(og_http_response_freep) struct og_http_response *response = NULL;
	og_auto_free char *path = og_strdupf("manifests/%s", reference);
	const char *digest;
	int r;

	if (path == NULL)
		return no_memory(err);
	r = ask_head(registry, client, path, headers, &response, err);
	if (r <= 0)
		return r < 0 ? og_fail_in(err, r, "manifest") : 0;
	digest = og_http_header(response, "Docker-Content-Digest", 0);
	if (ret_digest != NULL)
		(void)snprintf(ret_digest, 160, "%s", digest != NULL ? digest : "");
	return 1;
}

/* ---- uploads ---- */

/* A blob on its way out. */
struct sending {
	struct og_remote *registry;
	struct og_http_client *client;
	const struct og_remote_source *source;
	char *location;	   /* owned; where to send to; NULL: not begun */
	uint64_t accepted; /* bytes the registry has */
	uint64_t sent;	   /* bytes handed out in all this time */
	struct og_http_upload upload;
	char range[64];
	struct og_err source_err;
	int source_code; /* why the source failed, 0 while it has not */
};

static int take_location(struct og_inquiry *inquiry, const struct og_http_response *response,
			 char **location, struct og_err *err)
{
	const char *header = og_http_header(response, "Location", 0);
	char *url = NULL;

	if (header == NULL || og_http_resolve(inquiry->asked_url, header, &url) < 0)
		return og_fail_plain(err, -EPROTO, "the registry does not say where to upload to");
	free(*location);
	*location = url;
	return 0;
}

/* Begins an upload, perhaps with the whole of a small blob. Returns 1 when that was all. */
static int begin_upload(struct sending *sending, bool at_once, struct og_err *err)
{
	og_cleanup(og_http_response_freep) struct og_http_response *response = NULL;
	const struct og_remote_source *source = sending->source;
	const struct og_http_upload upload = { .buf = source->buf, .size = source->size };
	og_auto_free char *path = at_once ? og_strdupf("blobs/uploads/?digest=%s", source->digest)
					  : strdup("blobs/uploads/");
	og_auto_inquiry inquiry = {
		.registry = sending->registry,
		.client = sending->client,
		.method = "POST",
		.path = path,
		.upload = at_once ? &upload : NULL,
		.accepted = { 202, 201 },
		.max_body_bytes = ANSWER_MAX,
	};
	int r;

	if (path == NULL)
		return no_memory(err);
	r = og_inquire(&inquiry, &response, err);
	if (r < 0)
		return r;
	if (at_once && og_http_status(response) == 201)
		return 1;
	sending->accepted = 0;
	return take_location(&inquiry, response, &sending->location, err);
}

/* "0-499", after some requests with "bytes=" in front: the last byte that the registry has. */
static uint64_t accepted_bytes(const struct og_http_response *response)
{
	const char *range = og_http_header(response, "Range", 0);
	const char *dash = range != NULL ? strchr(range, '-') : NULL;
	uint64_t last = 0;

	if (dash == NULL || og_parse_u64(dash + 1, 0, INT64_MAX, &last) < 0 || last == 0)
		return 0; /* "0-0" is what registries say of nothing, too */
	return last + 1;
}

/* Where has it got to? Anything but an answer begins the upload anew. */
static int ask_status(struct sending *sending, struct og_err *err)
{
	og_cleanup(og_http_response_freep) struct og_http_response *response = NULL;
	og_auto_inquiry inquiry = {
		.registry = sending->registry,
		.client = sending->client,
		.url = sending->location,
		.accepted = { 204, 202, 200, 404 },
		.max_body_bytes = ANSWER_MAX,
	};
	int r = og_inquire(&inquiry, &response, err);

	if (r < 0 && r != -ENOENT && r != -EPROTO)
		return r;
	if (r == 0 && og_http_status(response) != 404)
		sending->accepted = accepted_bytes(response);
	else
		sending->accepted = UINT64_MAX;
	if (sending->accepted > sending->source->size) {
		sending->location = (free(sending->location), NULL);
		return begin_upload(sending, false, err);
	}
	/* Some put the state of the upload into the address; those that do not may leave it out. */
	if (og_http_header(response, "Location", 0) != NULL)
		return take_location(&inquiry, response, &sending->location, err);
	return 0;
}

static int note_source(struct sending *sending, int r)
{
	if (r < 0)
		sending->source_code = r;
	return r;
}

static ssize_t read_source(void *data, void *buf, size_t len)
{
	struct sending *sending = data;
	ssize_t n = sending->source->read(sending->source->data, buf, len, &sending->source_err);

	if (n == 0)
		n = og_fail_plain(&sending->source_err, -EBADMSG,
				  "it is shorter than the %llu bytes it should have",
				  (unsigned long long)sending->source->size);
	if (n < 0)
		return note_source(sending, (int)n);
	sending->sent += (uint64_t)n;
	return n;
}

/* Before each sending, which a 401 or a dead connection may make several of. */
static int prepare_upload(void *data, struct og_err *err)
{
	struct sending *sending = data;
	const struct og_remote_source *source = sending->source;
	uint64_t at = sending->accepted;

	sending->upload = (struct og_http_upload){ .size = source->size - at };
	if (source->buf != NULL || at == source->size) {
		sending->upload.buf = source->buf != NULL ? (const char *)source->buf + at : "";
		sending->sent = at;
	} else {
		sending->upload.source = read_source;
		sending->upload.source_data = sending;
		if (source->seek(source->data, at, &sending->source_err) < 0)
			return og_fail(err, note_source(sending, -EIO), "read the blob anew");
	}
	sending->range[0] = '\0';
	if (at > 0 && at < source->size)
		(void)snprintf(sending->range, sizeof(sending->range), "Content-Range: %llu-%llu",
			       (unsigned long long)at, (unsigned long long)(source->size - 1));
	return 0;
}

/* Sends the rest, and leaves the upload open. */
static int patch_rest(struct sending *sending, struct og_err *err)
{
	og_cleanup(og_http_response_freep) struct og_http_response *response = NULL;
	const char *headers[] = { sending->range, NULL };
	og_auto_inquiry inquiry = {
		.registry = sending->registry,
		.client = sending->client,
		.method = "PATCH",
		.url = sending->location,
		.headers = headers,
		.upload = &sending->upload,
		.accepted = { 202, 204, 201 },
		.max_body_bytes = ANSWER_MAX,
		.prepare = prepare_upload,
		.data = sending,
	};
	int r = og_inquire_once(&inquiry, &response, err);

	if (r < 0)
		return r;
	sending->accepted = sending->source->size;
	if (og_http_header(response, "Location", 0) != NULL)
		return take_location(&inquiry, response, &sending->location, err);
	return 0;
}

/* Sends what is left and ends the upload, in one PUT. */
static int put_rest(struct sending *sending, struct og_err *err)
{
	og_cleanup(og_http_response_freep) struct og_http_response *response = NULL;
	const char *headers[] = { sending->range, NULL };
	og_auto_free char *url = og_strdupf("%s%sdigest=%s", sending->location,
					    strchr(sending->location, '?') != NULL ? "&" : "?",
					    sending->source->digest);
	og_auto_inquiry inquiry = {
		.registry = sending->registry,
		.client = sending->client,
		.method = "PUT",
		.url = url,
		.headers = headers,
		.upload = &sending->upload,
		.accepted = { 201, 204 },
		.max_body_bytes = ANSWER_MAX,
		.prepare = prepare_upload,
		.data = sending,
	};

	if (url == NULL)
		return no_memory(err);
	return og_inquire_once(&inquiry, &response, err);
}

static int send_rest(struct sending *sending, struct og_err *err)
{
	uint64_t size = sending->source->size;
	int r = 0;

	if (size >= LARGE_BLOB_BYTES && sending->accepted < size)
		r = patch_rest(sending, err);
	return r < 0 ? r : put_rest(sending, err);
}

static int send_with_tries(struct sending *sending, struct og_err *err)
{
	struct og_inquiry pauses = { .registry = sending->registry, .client = sending->client };
	struct og_inquiry_tries tries = {};
	int r;

	for (;;) {
		r = send_rest(sending, err);
		if (sending->source_code < 0)
			return r;
		/* 404: the registry has forgotten it; then it is begun anew. */
		if (!og_may_pass_by_itself(r) && r != -ENOENT)
			return r;
		if (!og_inquiry_hope(&tries, sending->accepted))
			return r;
		if (og_inquiry_pause(&pauses, tries.fruitless) < 0)
			return og_fail_plain(err, -ECANCELED, "cancelled");
		r = ask_status(sending, err);
		if (r < 0)
			return r;
	}
}

static int put_blob(struct sending *sending, struct og_err *err)
{
	const struct og_remote_source *source = sending->source;
	bool small = source->buf != NULL && source->size > 0 && source->size <= SMALL_BLOB_BYTES;
	int r = begin_upload(sending, small, err);

	/* Not every registry passes over what it does not know. */
	if (small && r < 0 && r != -EACCES && r != -ECANCELED && !og_may_pass_by_itself(r))
		r = begin_upload(sending, false, err);
	if (r != 0)
		return r < 0 ? r : 0;
	return send_with_tries(sending, err);
}

int og_remote_put_blob(struct og_remote *registry, struct og_http_client *client,
		       const struct og_remote_source *source, struct og_err *err)
{
	struct sending sending = { .registry = registry, .client = client, .source = source };
	int r = put_blob(&sending, err);

	free(sending.location);
	if (r < 0 && sending.source_code < 0 && sending.source_err.code != 0) {
		if (err != NULL)
			*err = sending.source_err;
		r = sending.source_err.code;
	}
	return r < 0 ? og_fail_in(err, r, "push blob %.19s", source->digest) : 0;
}

/* An upload that nobody will end; the registry forgets it by itself some day if this fails. */
static void cancel_upload(struct og_remote *registry, struct og_http_client *client,
			  const char *location)
{
	og_cleanup(og_http_response_freep) struct og_http_response *response = NULL;
	og_auto_inquiry inquiry = {
		.registry = registry,
		.client = client,
		.method = "DELETE",
		.url = location,
		.accepted = { 204, 202, 200 },
		.max_body_bytes = ANSWER_MAX,
	};

	(void)og_inquire_once(&inquiry, &response, NULL);
}

int og_remote_mount_blob(struct og_remote *registry, struct og_http_client *client,
			 const char *digest, const char *from, struct og_err *err)
{
	og_cleanup(og_http_response_freep) struct og_http_response *response = NULL;
	og_auto_free char *escaped = og_http_escape(client, from);
	og_auto_free char *path =
		escaped != NULL ? og_strdupf("blobs/uploads/?mount=%s&from=%s", digest, escaped)
				: NULL;
	og_auto_free char *location = NULL;
	og_auto_inquiry inquiry = {
		.registry = registry,
		.client = client,
		.method = "POST",
		.path = path,
		.accepted = { 201, 202 },
		.max_body_bytes = ANSWER_MAX,
	};
	int r = path != NULL ? og_remote_set_mount_from(registry, from, err) : no_memory(err);

	if (r == 0)
		r = og_inquire(&inquiry, &response, err);
	if (r < 0)
		return og_fail_in(err, r, "mount blob %.19s", digest);
	if (og_http_status(response) == 201)
		return 1;
	if (take_location(&inquiry, response, &location, NULL) == 0)
		cancel_upload(registry, client, location);
	return 0;
}

/* ---- manifests ---- */

int og_remote_put_plain_manifest(struct og_remote *registry, struct og_http_client *client,
				 const char *reference, const char *media_type, const void *buf,
				 size_t len, bool *ret_subject_known, struct og_err *err)
{
	og_cleanup(og_http_response_freep) struct og_http_response *response = NULL;
	og_auto_free char *path = og_strdupf("manifests/%s", reference);
	const struct og_http_upload upload = { .buf = buf, .size = len, .type = media_type };
	og_auto_inquiry inquiry = {
		.registry = registry,
		.client = client,
		.method = "PUT",
		.path = path,
		.upload = &upload,
		.accepted = { 201, 200, 202 },
		.max_body_bytes = ANSWER_MAX,
	};
	int r;

	if (path == NULL)
		return no_memory(err);
	r = og_inquire(&inquiry, &response, err);
	if (r < 0)
		return og_fail_in(err, r, "push manifest");
	*ret_subject_known = og_http_header(response, "OCI-Subject", 0) != NULL;
	return 0;
}

int og_remote_put_manifest(struct og_remote *registry, struct og_http_client *client,
			   const char *reference, const char *media_type, const void *buf,
			   size_t len, struct og_digest *ret_digest, struct og_err *err)
{
	struct og_digest digest;
	bool subject_known = false;
	int r = og_digest_of(buf, len, &digest, err);

	if (r == 0)
		r = og_remote_put_plain_manifest(registry, client, reference, media_type, buf, len,
						 &subject_known, err);
	if (r == 0 && !subject_known)
		r = og_referrers_enter(registry, client, media_type, buf, len, &digest, err);
	if (r == 0 && ret_digest != NULL)
		*ret_digest = digest;
	return r;
}

int og_remote_delete(struct og_remote *registry, struct og_http_client *client,
		     const char *reference, struct og_err *err)
{
	og_cleanup(og_http_response_freep) struct og_http_response *response = NULL;
	og_auto_free char *path = og_strdupf("manifests/%s", reference);
	og_auto_inquiry inquiry = {
		.registry = registry,
		.client = client,
		.method = "DELETE",
		.path = path,
		.accepted = { 202, 200, 204, 405 },
		.max_body_bytes = ANSWER_MAX,
	};
	int r;

	if (path == NULL)
		return no_memory(err);
	r = og_inquire(&inquiry, &response, err);
	if (r == 0 && og_http_status(response) == 405)
		return og_fail_plain(err, -ENOTSUP, "the registry does not allow to delete");
	return r < 0 ? og_fail_in(err, r, "delete") : 0;
}
