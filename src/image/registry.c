/* SPDX-License-Identifier: Apache-2.0 */
#include "image/registry.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/text.h"
#include "format/manifest.h"
#include "image/registry_auth.h"

/* How often one request is tried again without a byte of progress, and how often at all. */
#define TRIES_WITHOUT_PROGRESS 5
#define TRIES_MAX	       50

/* Wherever Docker keeps a registry's certificates; the first that exists counts. */
static const char *const certs_dirs[] = { "/etc/onggi/certs.d", "/etc/docker/certs.d" };

struct og_registry {
	struct og_imageref ref;
	const struct og_registry_options *options;
	char host[OG_IMAGEREF_NAME_MAX + 1];
	bool may_be_insecure;
	char ca_file[512]; /* "" for the system's */

	pthread_mutex_t lock; /* over what is below */
	bool plain_http;
	char *authorization; /* owned; NULL while none is needed */
};

int og_registry_new(const struct og_imageref *ref, const struct og_registry_options *options,
		    struct og_registry **ret_registry, struct og_err *err)
{
	struct og_registry *registry = calloc(1, sizeof(*registry));

	if (registry == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	registry->ref = *ref;
	registry->options = options;
	/* Docker Hub's registry has another name than its images. */
	(void)snprintf(registry->host, sizeof(registry->host), "%s",
		       og_streq(ref->domain, OG_IMAGEREF_HUB) ? "registry-1.docker.io"
							      : ref->domain);
	registry->may_be_insecure = og_registry_is_insecure(ref->domain, options->insecure);
	for (size_t i = 0; i < sizeof(certs_dirs) / sizeof(certs_dirs[0]); i++) {
		(void)snprintf(registry->ca_file, sizeof(registry->ca_file), "%s/%s/ca.crt",
			       certs_dirs[i], ref->domain);
		if (access(registry->ca_file, R_OK) == 0)
			break;
		registry->ca_file[0] = '\0';
	}
	(void)pthread_mutex_init(&registry->lock, NULL);
	*ret_registry = registry;
	return 0;
}

struct og_registry *og_registry_free(struct og_registry *registry)
{
	if (registry == NULL)
		return NULL;
	(void)pthread_mutex_destroy(&registry->lock);
	free(registry->authorization);
	free(registry);
	return NULL;
}

void og_document_done(struct og_document *document)
{
	free(document->buf);
	*document = (struct og_document){};
}

/* ---- one request with all that may come in its way ---- */

/* What is asked of the registry, and by whom. */
struct inquiry {
	struct og_registry *registry;
	struct og_http_client *client;
	const char *path; /* below /v2/NAME/ */
	const char *const *headers;
	size_t max_body_bytes;
	og_http_body_fn *body;
	void *data; /* for @body */
};

static bool may_ask(void *data, const char *url)
{
	const struct inquiry *inquiry = data;

	return og_registry_may_ask(url, inquiry->registry->options->insecure);
}

static int on_body(void *data, const struct og_http_response *response, const void *buf, size_t len)
{
	const struct inquiry *inquiry = data;

	return inquiry->body(inquiry->data, response, buf, len);
}

static int on_tick(void *data)
{
	const struct og_registry_options *options = ((struct inquiry *)data)->registry->options;

	return options->tick != NULL ? options->tick(options->tick_data) : 0;
}

/* The authorization of the moment, the caller's to free; NULL when there is none. */
static char *copy_authorization(struct og_registry *registry)
{
	char *copy;

	(void)pthread_mutex_lock(&registry->lock);
	copy = registry->authorization != NULL ? strdup(registry->authorization) : NULL;
	(void)pthread_mutex_unlock(&registry->lock);
	return copy;
}

static int ask_plainly(struct inquiry *inquiry, bool plain_http, const char *authorization,
		       struct og_http_response **ret_response, struct og_err *err)
{
	struct og_registry *registry = inquiry->registry;
	og_auto_free char *url = og_strdupf("%s://%s/v2/%s/%s", plain_http ? "http" : "https",
					    registry->host, registry->ref.path, inquiry->path);
	struct og_http_request request = {
		.url = url,
		.headers = inquiry->headers,
		.authorization = authorization,
		.ca_file = registry->ca_file[0] != '\0' ? registry->ca_file : NULL,
		.unverified = registry->may_be_insecure && registry->ca_file[0] == '\0',
		.max_body_bytes = inquiry->max_body_bytes,
		.may = may_ask,
		.body = inquiry->body != NULL ? on_body : NULL,
		.tick = on_tick,
		.data = inquiry,
	};

	if (url == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	return og_http_ask(inquiry->client, &request, ret_response, err);
}

/* Did it fail before a word of HTTP was spoken, as where the other side knows no TLS? */
static bool spoke_no_http(int r)
{
	return r == -EPROTO || r == -ECONNREFUSED || r == -ECONNRESET;
}

static void set_plain_http(struct og_registry *registry)
{
	(void)pthread_mutex_lock(&registry->lock);
	registry->plain_http = true;
	(void)pthread_mutex_unlock(&registry->lock);
}

/* HTTPS first; where it may be and HTTPS does not work, HTTP from then on. */
static int ask_any_scheme(struct inquiry *inquiry, const char *authorization,
			  struct og_http_response **ret_response, struct og_err *err)
{
	struct og_registry *registry = inquiry->registry;
	struct og_err plain_err = {};
	bool plain_http;
	int r, plain_r;

	(void)pthread_mutex_lock(&registry->lock);
	plain_http = registry->plain_http;
	(void)pthread_mutex_unlock(&registry->lock);
	r = ask_plainly(inquiry, plain_http, authorization, ret_response, err);
	if (plain_http || !registry->may_be_insecure || !spoke_no_http(r))
		return r;
	plain_r = ask_plainly(inquiry, true, authorization, ret_response, &plain_err);
	if (spoke_no_http(plain_r))
		return r; /* neither works: HTTPS is what was meant */
	if (plain_r < 0 && err != NULL)
		*err = plain_err;
	set_plain_http(registry);
	return plain_r;
}

/* Gets what a 401 asked for, unless another thread has done so since. */
static int authorize(struct inquiry *inquiry, const struct og_http_response *response,
		     const char *tried, struct og_err *err)
{
	struct og_registry *registry = inquiry->registry;
	char *fresh = NULL;
	bool newer;
	int r = 0;

	(void)pthread_mutex_lock(&registry->lock);
	newer = registry->authorization != NULL &&
		(tried == NULL || !og_streq(tried, registry->authorization));
	if (!newer)
		r = og_registry_authorize(inquiry->client, response, registry->options,
					  registry->ref.path, &fresh, err);
	if (fresh != NULL) {
		free(registry->authorization);
		registry->authorization = fresh;
	}
	(void)pthread_mutex_unlock(&registry->lock);
	return r;
}

/*
 * The first sentence of the registry's own explanation (OCI distribution-spec, "Error codes"),
 * without anything that could garble a terminal; the caller frees it.
 */
static char *explanation(const struct og_http_response *response)
{
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	size_t len = 0;
	const char *body = og_http_body(response, &len);
	const struct og_json *first;
	char *text;

	if (og_json_parse(body, len, &root, NULL) < 0)
		return og_strdupf("HTTP status %d", og_http_status(response));
	first = og_json_at(og_json_get(root, "errors"), 0);
	text = og_strdupf("%.40s: %.200s", og_json_string(og_json_get(first, "code"), "no code"),
			  og_json_string(og_json_get(first, "message"), "no message"));
	for (char *c = text; c != NULL && *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
	return text;
}

static int refuse(struct inquiry *inquiry, const struct og_http_response *response,
		  struct og_err *err)
{
	const struct og_imageref *ref = &inquiry->registry->ref;
	og_auto_free char *why = explanation(response);
	int status = og_http_status(response);

	if (status == 401 || status == 403)
		return og_fail_plain(err, -EACCES,
				     "pull access denied for %s, repository does not exist or may "
				     "require 'docker login': %s",
				     og_imageref_familiar(ref).text, why);
	if (status == 404)
		return og_fail_plain(err, -ENOENT, "%s not found: %s", og_imageref_format(ref).text,
				     why);
	if (status == 429 || status >= 500)
		return og_fail_plain(err, -EAGAIN, "%s is busy or broken: %s",
				     inquiry->registry->host, why);
	return og_fail_plain(err, -EPROTO, "%s gives no registry's answer: %s",
			     inquiry->registry->host, why);
}

/* One try, with authorization. Success is an answer with content. */
static int ask_once(struct inquiry *inquiry, struct og_http_response **ret_response,
		    struct og_err *err)
{
	og_auto_free char *authorization = copy_authorization(inquiry->registry);
	og_cleanup(og_http_response_freep) struct og_http_response *response = NULL;
	int r = ask_any_scheme(inquiry, authorization, &response, err);

	if (r == 0 && og_http_status(response) == 401) {
		og_auto_free char *next = NULL;

		r = authorize(inquiry, response, authorization, err);
		if (r < 0)
			return r;
		next = copy_authorization(inquiry->registry);
		if (next == NULL)
			return refuse(inquiry, response, err);
		response = og_http_response_free(response);
		r = ask_any_scheme(inquiry, next, &response, err);
	}
	if (r < 0)
		return r;
	if (og_http_status(response) != 200 && og_http_status(response) != 206)
		return refuse(inquiry, response, err);
	*ret_response = og_take_ptr(response);
	return 0;
}

static bool may_pass_by_itself(int r)
{
	return r == -ECONNRESET || r == -ETIMEDOUT || r == -EAGAIN;
}

/* Waits before the @tries-th try: 0.1 s, doubled each time, 3.2 s at most. */
static int pause_before(struct inquiry *inquiry, int tries)
{
	int rounds = 1 << (tries < 6 ? tries : 6);
	int r = 0;

	for (int i = 0; i < rounds / 2 && r == 0; i++) {
		(void)poll(NULL, 0, 100);
		r = on_tick(inquiry);
	}
	return r;
}

/* Tries until it works, as long as there is hope; *@progress, when it grows, gives new hope. */
static int ask(struct inquiry *inquiry, const uint64_t *progress,
	       int (*prepare)(struct inquiry *inquiry), struct og_http_response **ret_response,
	       struct og_err *err)
{
	uint64_t last = 0;
	int tries = 0;
	int r = 0;

	for (int i = 0; i < TRIES_MAX; i++) {
		r = prepare != NULL ? prepare(inquiry) : 0;
		if (r == 0)
			r = ask_once(inquiry, ret_response, err);
		if (!may_pass_by_itself(r))
			return r;
		tries = progress != NULL && *progress > last ? 1 : tries + 1;
		last = progress != NULL ? *progress : 0;
		if (tries >= TRIES_WITHOUT_PROGRESS)
			return r;
		if (pause_before(inquiry, tries) < 0)
			return og_fail_plain(err, -ECANCELED, "cancelled");
	}
	return r;
}

/* ---- manifests ---- */

static int digest_of(const char *buf, size_t len, struct og_digest *ret_digest, struct og_err *err)
{
	og_cleanup(og_sha256_freep) struct og_sha256 *sha256 = NULL;
	int r = og_sha256_new(&sha256, err);

	if (r == 0)
		r = og_sha256_add(sha256, buf, len, err);
	if (r == 0)
		og_sha256_finish(sha256, ret_digest->sha256);
	return r;
}

/* The content must be what was asked for, and what the registry itself says it is. */
static int check_digest(const struct og_document *document, const char *reference,
			const struct og_http_response *response, struct og_err *err)
{
	struct og_digest_text got = og_digest_format(&document->digest);
	const char *named = og_http_header(response, "Docker-Content-Digest", 0);

	if (strchr(reference, ':') != NULL && !og_streq(reference, got.text))
		return og_fail_plain(err, -EBADMSG,
				     "manifest %s: its content is another (%s); the registry or "
				     "something on the way is not to be trusted",
				     reference, got.text);
	if (named != NULL && og_starts_with(named, OG_DIGEST_PREFIX) && !og_streq(named, got.text))
		return og_fail_plain(
			err, -EBADMSG,
			"manifest %s: the registry calls it %.80s but its content is %s", reference,
			named, got.text);
	return 0;
}

int og_registry_manifest(struct og_registry *registry, struct og_http_client *client,
			 const char *reference, struct og_document *ret_document,
			 struct og_err *err)
{
	static const char *const headers[] = { "Accept: " OG_MEDIA_OCI_INDEX
					       ", " OG_MEDIA_DOCKER_LIST ", " OG_MEDIA_OCI_MANIFEST
					       ", " OG_MEDIA_DOCKER_MANIFEST,
					       NULL };
	og_cleanup(og_http_response_freep) struct og_http_response *response = NULL;
	og_cleanup(og_document_done) struct og_document document = {};
	og_auto_free char *path = og_strdupf("manifests/%s", reference);
	struct inquiry inquiry = {
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
	r = ask(&inquiry, NULL, NULL, &response, err);
	if (r < 0)
		return og_fail_in(err, r, "manifest");
	body = og_http_body(response, &document.len);
	r = digest_of(body, document.len, &document.digest, err);
	if (r == 0)
		r = check_digest(&document, reference, response, err);
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
	og_registry_sink_fn *sink;
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
static int prepare_range(struct inquiry *inquiry)
{
	struct transfer *transfer = inquiry->data;

	transfer->started = false;
	transfer->range[0] = '\0';
	if (transfer->received > 0)
		(void)snprintf(transfer->range, sizeof(transfer->range), "Range: bytes=%llu-",
			       (unsigned long long)transfer->received);
	return 0;
}

static int finish(struct inquiry *inquiry, struct transfer *transfer, int r, struct og_err *err)
{
	(void)inquiry;
	if (transfer->code < 0)
		return transfer->code; /* its text is in @err already */
	/* All came and only the farewell was rude: that will do. */
	if (may_pass_by_itself(r) && transfer->received == transfer->size)
		return 0;
	if (r == 0 && transfer->received < transfer->size)
		return og_fail_plain(err, -EBADMSG,
				     "it is shorter (%llu) than the %llu bytes its descriptor says",
				     (unsigned long long)transfer->received,
				     (unsigned long long)transfer->size);
	return r;
}

int og_registry_blob(struct og_registry *registry, struct og_http_client *client,
		     const struct og_digest *digest, uint64_t size, og_registry_sink_fn *sink,
		     void *data, struct og_err *err)
{
	og_cleanup(og_http_response_freep) struct og_http_response *response = NULL;
	struct og_digest_text name = og_digest_format(digest);
	og_auto_free char *path = og_strdupf("blobs/%s", name.text);
	struct og_err sink_err = {};
	struct transfer transfer = { .size = size, .sink = sink, .data = data, .err = &sink_err };
	const char *headers[] = { transfer.range, NULL };
	struct inquiry inquiry = {
		.registry = registry,
		.client = client,
		.path = path,
		.headers = headers,
		.body = on_blob_bytes,
		.data = &transfer,
	};
	int r;

	if (path == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = ask(&inquiry, &transfer.received, prepare_range, &response, err);
	r = finish(&inquiry, &transfer, r, err);
	if (transfer.code < 0 && err != NULL)
		*err = sink_err;
	return r < 0 ? og_fail_in(err, r, "blob %.19s", name.text) : 0;
}
