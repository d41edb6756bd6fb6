/* SPDX-License-Identifier: Apache-2.0 */
#include "image/remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "format/blob_digest.h"
#include "format/manifest.h"
#include "image/remote_ask.h"
#include "image/remote_referrers.h"

void og_document_done(struct og_document *document)
{
	free(document->buf);
	*document = (struct og_document){};
}

/* ---- manifests ---- */

/* Is the content what the digest, of whatever algorithm, stands for? */
static int check_content(const struct og_document *document, const char *body, const char *digest,
			 const char *whose, struct og_err *err)
{
	struct og_blob_digest want, got;
	uint8_t hash[OG_HASH_BYTES_MAX];

	if (og_blob_digest_parse(digest, &want) < 0)
		return og_fail_plain(err, -EBADMSG, "manifest: '%.160s' is no digest", digest);
	if (og_hash_of(want.kind, body, document->len, hash) < 0)
		return og_fail(err, -EIO, "hash");
	og_blob_digest_of(want.kind, hash, &got);
	if (!og_blob_digest_equal(&want, &got))
		return og_fail_plain(err, -EBADMSG,
				     "manifest: %s %s but its content is another (%s); the "
				     "registry or something on the way is not to be trusted",
				     whose, want.text, got.text);
	return 0;
}

/* The content must be what was asked for, and what the registry itself says it is. */
static int check_digest(const struct og_document *document, const char *body, const char *reference,
			const struct og_http_response *response, struct og_err *err)
{
	const char *named = og_http_header(response, "Docker-Content-Digest", 0);
	int r = 0;

	if (strchr(reference, ':') != NULL)
		r = check_content(document, body, reference, "asked for was", err);
	if (r == 0 && named != NULL && og_remote_is_digest(named))
		r = check_content(document, body, named, "the registry calls it", err);
	return r;
}

int og_remote_manifest(struct og_remote *registry, struct og_http_client *client,
		       const char *reference, struct og_document *ret_document, struct og_err *err)
{
	static const char *const headers[] = { "Accept: " OG_MEDIA_OCI_INDEX
					       ", " OG_MEDIA_DOCKER_LIST ", " OG_MEDIA_OCI_MANIFEST
					       ", " OG_MEDIA_DOCKER_MANIFEST,
					       NULL };
	og_cleanup(og_http_response_freep) struct og_http_response *response = NULL;
	og_cleanup(og_document_done) struct og_document document = {};
	og_auto_free char *path = og_strdupf("manifests/%s", reference);
	og_auto_inquiry inquiry = {
		.registry = registry,
		.client = client,
		.path = path,
		.headers = headers,
		.max_body_bytes = OG_MANIFEST_BYTES_MAX,
	};
	const char *body;
	int r;

	if (path == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = og_inquire(&inquiry, &response, err);
	if (r < 0)
		return og_fail_in(err, r, "manifest");
	body = og_http_body(response, &document.len);
	r = og_digest_of(body, document.len, &document.digest, err);
	if (r == 0)
		r = check_digest(&document, body, reference, response, err);
	if (r < 0)
		return r;
	document.buf = strndup(body, document.len);
	if (document.buf == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	if (strlen(document.buf) != document.len)
		return og_fail_plain(err, -EBADMSG, "manifest %s: NUL in it", reference);
	(void)snprintf(document.media_type, sizeof(document.media_type), "%s",
		       og_http_header(response, "Content-Type", 0) != NULL
			       ? og_http_header(response, "Content-Type", 0)
			       : "");
	*ret_document = document;
	document = (struct og_document){};
	return 0;
}

/* ---- blobs ---- */

/* A blob on its way. */
struct transfer {
	uint64_t size;	   /* bytes it should have */
	uint64_t received; /* handed on so far */
	uint64_t skip;	   /* of this answer, because they came before */
	bool started;	   /* this answer's first bytes were seen */
	char range[64];
	og_remote_sink_fn *sink;
	void *data;
	struct og_err *err;
	int code; /* why it ended, 0 while it has not */
};

/* "bytes 500-999/1000" */
static bool continues_at(const struct og_http_response *response, uint64_t offset)
{
	const char *range = og_http_header(response, "Content-Range", 0);
	char want[64];

	(void)snprintf(want, sizeof(want), "bytes %llu-", (unsigned long long)offset);
	return range != NULL && og_starts_with(range, want);
}

/* An answer begins: does it begin where the last one broke off? */
static int begin_answer(struct transfer *transfer, const struct og_http_response *response)
{
	transfer->started = true;
	transfer->skip = 0;
	if (og_http_status(response) == 200)
		transfer->skip = transfer->received;
	else if (!continues_at(response, transfer->received))
		return og_fail_plain(transfer->err, -EPROTO,
				     "it continues at another byte than asked");
	return 0;
}

static int receive(struct transfer *transfer, const struct og_http_response *response,
		   const char *buf, size_t len)
{
	size_t skip;
	int r = transfer->started ? 0 : begin_answer(transfer, response);

	if (r < 0)
		return r;
	skip = transfer->skip < len ? (size_t)transfer->skip : len;
	transfer->skip -= skip;
	buf += skip;
	len -= skip;
	if (len > transfer->size - transfer->received)
		return og_fail_plain(transfer->err, -EBADMSG,
				     "it is longer than the %llu bytes its descriptor says",
				     (unsigned long long)transfer->size);
	if (len > 0)
		r = transfer->sink(transfer->data, buf, len, transfer->err);
	if (r == 0)
		transfer->received += len;
	return r;
}

static int on_blob_bytes(void *data, const struct og_http_response *response, const void *buf,
			 size_t len)
{
	struct transfer *transfer = data;

	transfer->code = receive(transfer, response, buf, len);
	return transfer->code;
}

/* Before each try: ask from the byte where the last one broke. */
static int prepare_range(void *data, struct og_err *err)
{
	struct transfer *transfer = data;

	(void)err;
	transfer->started = false;
	transfer->range[0] = '\0';
	if (transfer->received > 0)
		(void)snprintf(transfer->range, sizeof(transfer->range), "Range: bytes=%llu-",
			       (unsigned long long)transfer->received);
	return 0;
}

static int finish(struct transfer *transfer, int r, struct og_err *err)
{
	if (transfer->code < 0)
		return transfer->code; /* its text is in @err already */
	/* All came and only the farewell was rude: that will do. */
	if (og_may_pass_by_itself(r) && transfer->received == transfer->size)
		return 0;
	if (r == 0 && transfer->received < transfer->size)
		return og_fail_plain(err, -EBADMSG,
				     "it is shorter (%llu) than the %llu bytes its descriptor says",
				     (unsigned long long)transfer->received,
				     (unsigned long long)transfer->size);
	return r;
}

int og_remote_blob_from(struct og_remote *registry, struct og_http_client *client,
			const char *digest, uint64_t size, uint64_t offset, og_remote_sink_fn *sink,
			void *data, struct og_err *err)
{
	og_cleanup(og_http_response_freep) struct og_http_response *response = NULL;
	og_auto_free char *path = og_strdupf("blobs/%s", digest);
	struct og_err sink_err = {};
	struct transfer transfer = {
		.size = size, .received = offset, .sink = sink, .data = data, .err = &sink_err
	};
	const char *headers[] = { transfer.range, NULL };
	og_auto_inquiry inquiry = {
		.registry = registry,
		.client = client,
		.path = path,
		.headers = headers,
		.body = on_blob_bytes,
		.prepare = prepare_range,
		.progress = &transfer.received,
		.data = &transfer,
	};
	int r;

	if (path == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	if (offset > 0 && offset >= size)
		return 0;
	r = og_inquire(&inquiry, &response, err);
	r = finish(&transfer, r, err);
	if (transfer.code < 0 && err != NULL)
		*err = sink_err;
	return r < 0 ? og_fail_in(err, r, "blob %.19s", digest) : 0;
}

int og_remote_blob(struct og_remote *registry, struct og_http_client *client,
		   const struct og_digest *digest, uint64_t size, og_remote_sink_fn *sink,
		   void *data, struct og_err *err)
{
	return og_remote_blob_from(registry, client, og_digest_format(digest).text, size, 0, sink,
				   data, err);
}

/* ---- a blob in memory ---- */

static int add_bytes(void *data, const void *buf, size_t len, struct og_err *err)
{
	struct og_text *text = data;

	og_text_add_bytes(text, buf, len);
	return text->failed ? og_fail(err, -ENOMEM, "no memory") : 0;
}

int og_remote_blob_read(struct og_remote *registry, struct og_http_client *client,
			const struct og_digest *digest, uint64_t size, char **ret_buf,
			struct og_err *err)
{
	og_auto_text text = {};
	struct og_digest got;
	int r = og_remote_blob(registry, client, digest, size, add_bytes, &text, err);

	if (r == 0)
		r = og_digest_of(text.buf != NULL ? text.buf : "", text.len, &got, err);
	if (r < 0)
		return r;
	if (!og_digest_equal(&got, digest))
		return og_fail_plain(err, -EBADMSG, "blob %.19s: its content is another (%.19s)",
				     og_digest_format(digest).text, og_digest_format(&got).text);
	*ret_buf = og_text_take(&text);
	return *ret_buf != NULL ? 0 : og_fail(err, -ENOMEM, "no memory");
}
