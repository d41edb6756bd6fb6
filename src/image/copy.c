/* SPDX-License-Identifier: Apache-2.0 */
#include "image/copy.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "base/io.h"
#include "base/text.h"
#include "format/manifest.h"
#include "image/crew.h"
#include "image/parts.h"

#define DEPTH_MAX  16 /* an index in an index, a signature of an attestation of it, and so on */
#define PIPE_BYTES (1 << 20)

/* More than any image or artifact has: a pack of a VM's memory has hundreds. */
#define BLOBS_MAX 65536

/* One blob of a manifest. */
struct blob {
	const char *digest; /* borrowed from the manifest */
	uint64_t size;
};

/* What one copy knows; its threads work on one manifest's blobs at a time. */
struct copying {
	const struct og_copy *copy;
	struct og_copied result;
	struct og_http_client *from_client, *to_client; /* owned; for documents */
	struct og_reporter reporter;
	bool one_registry;

	struct og_digest *seen; /* manifests that are there or on their way; owned */
	size_t seen_count;

	const struct blob *blobs;
	pthread_mutex_t lock; /* over @result */
};

/* ---- one blob through this machine ---- */

/* The source's bytes come by a pipe from a thread, because both libraries want to call us. */
struct stream {
	struct copying *copying;
	const struct blob *blob;
	uint64_t offset;
	pthread_t thread;
	bool running;
	int read_fd, write_fd;
	struct og_bar bar;
	int code; /* of the thread, after it ended */
	struct og_err err;
};

static int into_pipe(void *data, const void *buf, size_t len, struct og_err *err)
{
	const struct stream *stream = data;
	int r = og_write_all(stream->write_fd, buf, len);

	return r < 0 ? og_fail(err, r, "pass on") : 0;
}

static void *fetch(void *data)
{
	struct stream *stream = data;
	const struct og_copy *copy = stream->copying->copy;
	og_cleanup(og_http_client_freep) struct og_http_client *client = NULL;
	int r = og_http_client_new(&client, &stream->err);

	if (r == 0)
		r = og_remote_blob_from(copy->from.registry, client, stream->blob->digest,
					stream->blob->size, stream->offset, into_pipe, stream,
					&stream->err);
	stream->code = r;
	stream->write_fd = og_close(stream->write_fd);
	return NULL;
}

/* A closed reading end ends the thread by EPIPE. */
static void stop_stream(struct stream *stream)
{
	stream->read_fd = og_close(stream->read_fd);
	if (stream->running)
		(void)pthread_join(stream->thread, NULL);
	stream->running = false;
}

static int seek_stream(void *data, uint64_t offset, struct og_err *err)
{
	struct stream *stream = data;
	int fds[2];
	int e;

	stop_stream(stream);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return og_fail(err, -errno, "make pipe");
	(void)fcntl(fds[1], F_SETPIPE_SZ, PIPE_BYTES);
	stream->read_fd = fds[0];
	stream->write_fd = fds[1];
	stream->offset = offset;
	stream->bar.current = offset;
	stream->code = 0;
	stream->err = (struct og_err){};
	e = pthread_create(&stream->thread, NULL, fetch, stream);
	if (e != 0) {
		stream->write_fd = og_close(stream->write_fd);
		return og_fail(err, -e, "start a thread");
	}
	stream->running = true;
	return 0;
}

static ssize_t read_stream(void *data, void *buf, size_t len, struct og_err *err)
{
	struct stream *stream = data;
	ssize_t n = read(stream->read_fd, buf, len);
	int r;

	if (n < 0)
		return errno == EINTR ? read_stream(data, buf, len, err)
				      : og_fail(err, -errno, "pass on");
	if (n == 0) {
		stop_stream(stream);
		if (err != NULL)
			*err = stream->err;
		return stream->code < 0 ? stream->code : 0;
	}
	r = og_bar_advance(&stream->bar, (size_t)n);
	return r < 0 ? og_fail(err, r, "cancelled") : n;
}

static int send_blob(struct copying *copying, struct og_http_client *client,
		     const struct blob *blob, const char *id, struct og_err *err)
{
	struct stream stream = {
		.copying = copying,
		.blob = blob,
		.read_fd = -EBADF,
		.write_fd = -EBADF,
		.bar = { .reporter = &copying->reporter, .text = "Copying", .total = blob->size },
	};
	const struct og_remote_source source = {
		.digest = blob->digest,
		.size = blob->size,
		.seek = seek_stream,
		.read = read_stream,
		.data = &stream,
	};
	int r;

	(void)snprintf(stream.bar.id, sizeof(stream.bar.id), "%s", id);
	r = og_remote_put_blob(copying->copy->to.registry, client, &source, err);
	stop_stream(&stream);
	return r;
}

/* ---- the blobs of a manifest ---- */

static void short_id(const char *digest, char id[13])
{
	const char *hex = strchr(digest, ':');

	(void)snprintf(id, 13, "%.12s", hex != NULL ? hex + 1 : digest);
}

static void count(struct copying *copying, size_t *counter, uint64_t bytes)
{
	(void)pthread_mutex_lock(&copying->lock);
	(*counter)++;
	copying->result.bytes_sent += bytes;
	(void)pthread_mutex_unlock(&copying->lock);
}

static int copy_blob(struct copying *copying, struct og_http_client *client,
		     const struct blob *blob, struct og_err *err)
{
	const struct og_copy *copy = copying->copy;
	struct og_copied *result = &copying->result;
	char id[13];
	int r;

	short_id(blob->digest, id);
	r = og_remote_has_blob(copy->to.registry, client, blob->digest, NULL, err);
	if (r > 0) {
		count(copying, &result->blobs_there, 0);
		return og_report(&copying->reporter, id, "Already exists", 0, 0);
	}
	if (r == 0 && copying->one_registry)
		r = og_remote_mount_blob(copy->to.registry, client, blob->digest,
					 copy->from.ref->path, err);
	if (r > 0) {
		count(copying, &result->blobs_mounted, 0);
		return og_report(&copying->reporter, id, "Mounted", 0, 0);
	}
	if (r == 0)
		r = send_blob(copying, client, blob, id, err);
	if (r < 0)
		return r;
	count(copying, &result->blobs_sent, blob->size);
	return og_report(&copying->reporter, id, "Copied", 0, 0);
}

static int copy_nth(void *data, struct og_http_client *client, size_t nth, struct og_err *err)
{
	struct copying *copying = data;
	int r = og_reporter_tick(&copying->reporter);

	return r < 0 ? og_fail(err, r, "cancelled")
		     : copy_blob(copying, client, &copying->blobs[nth], err);
}

static void stop_copying(void *data)
{
	struct copying *copying = data;

	og_reporter_end(&copying->reporter, -ECANCELED);
}

/* ---- documents ---- */

static int read_descriptor(const struct og_json *json, struct blob *ret_blob, struct og_err *err)
{
	struct blob blob = { .digest = "" };
	int64_t size = -1;

	if (og_json_kind(json) != OG_JSON_OBJECT ||
	    og_json_opt_string(json, "digest", &blob.digest, NULL) < 0 ||
	    og_json_opt_int(json, "size", 0, INT64_MAX, &size, NULL) < 0 || size < 0 ||
	    !og_remote_is_digest(blob.digest))
		return og_fail_plain(err, -EBADMSG, "manifest: a descriptor that is none");
	blob.size = (uint64_t)size;
	*ret_blob = blob;
	return 0;
}

static int add_blob(struct blob *blobs, size_t *count, const struct og_json *json,
		    struct og_err *err)
{
	struct blob blob;
	int r = read_descriptor(json, &blob, err);

	for (size_t i = 0; i < *count && r == 0; i++)
		if (og_streq(blobs[i].digest, blob.digest))
			return 0;
	if (r == 0)
		blobs[(*count)++] = blob;
	return r;
}

/* Layers that lie elsewhere are passed over, as every registry expects. */
static bool lies_elsewhere(const struct og_json *json)
{
	return og_media_kind(og_json_string(og_json_get(json, "mediaType"), "")) ==
	       OG_MEDIA_FOREIGN_LAYER;
}

static int copy_parts(struct copying *copying, const struct og_json *root, struct og_err *err)
{
	const struct og_json *config = og_json_get(root, "config");
	const struct og_json *layers = og_json_get(root, "layers");
	og_auto_free struct blob *blobs = NULL;
	size_t layer_count = og_json_count(layers), blob_count = 0;
	int r = 0;

	if (layer_count > BLOBS_MAX)
		return og_fail_plain(err, -E2BIG, "manifest: over %d layers", BLOBS_MAX);
	blobs = calloc(layer_count + 1, sizeof(*blobs));
	if (blobs == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	if (config != NULL)
		r = add_blob(blobs, &blob_count, config, err);
	for (size_t i = 0; i < layer_count && r == 0; i++)
		if (!lies_elsewhere(og_json_at(layers, i)))
			r = add_blob(blobs, &blob_count, og_json_at(layers, i), err);
	if (r < 0)
		return r;
	copying->blobs = blobs;
	return og_crew_run(blob_count, copy_nth, stop_copying, copying, err);
}

/* Returns 1 for a manifest that was seen before. */
static int note_seen(struct copying *copying, const struct og_digest *digest, struct og_err *err)
{
	for (size_t i = 0; i < copying->seen_count; i++)
		if (og_digest_equal(&copying->seen[i], digest))
			return 1;
	if (copying->seen_count == OG_COPY_MANIFESTS_MAX)
		return og_fail_plain(err, -E2BIG, "over %d manifests", OG_COPY_MANIFESTS_MAX);
	if (og_grow(copying->seen, copying->seen_count) < 0)
		return og_fail(err, -ENOMEM, "no memory");
	copying->seen[copying->seen_count++] = *digest;
	return 0;
}

static int copy_manifest(struct copying *copying, const char *from, const char *tag, int depth,
			 struct og_digest *ret_digest, struct og_err *err);

static int copy_children(struct copying *copying, const struct og_json *root, int depth,
			 struct og_err *err)
{
	const struct og_json *list = og_json_get(root, "manifests");
	int r = 0;

	if (og_json_count(list) > OG_INDEX_MANIFESTS_MAX)
		return og_fail_plain(err, -E2BIG, "index: over %d manifests",
				     OG_INDEX_MANIFESTS_MAX);
	for (size_t i = 0; i < og_json_count(list) && r == 0; i++) {
		struct blob child = {};

		r = read_descriptor(og_json_at(list, i), &child, err);
		if (r == 0)
			r = copy_manifest(copying, child.digest, NULL, depth + 1, NULL, err);
	}
	return r;
}

/* ---- what refers to it ---- */

static int copy_referrers(struct copying *copying, const char *digest, int depth,
			  struct og_err *err)
{
	og_cleanup(og_referrers_done) struct og_referrers referrers = {};
	int r = og_remote_referrers(copying->copy->from.registry, copying->from_client, digest,
				    NULL, &referrers, err);

	for (size_t i = 0; i < referrers.count && r == 0; i++)
		r = copy_manifest(copying, referrers.items[i].digest, NULL, depth + 1, NULL, err);
	return r;
}

/* What cosign keeps under tags made of the digest. */
static int copy_cosign_tags(struct copying *copying, const char *digest, int depth,
			    struct og_err *err)
{
	static const char *const kinds[] = { "sig", "att", "sbom" };
	int r = 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && r >= 0; i++) {
		og_auto_free char *tag = og_strdupf("%s.%s", digest, kinds[i]);

		if (tag == NULL)
			return og_fail(err, -ENOMEM, "no memory");
		if (strlen(tag) > OG_IMAGEREF_TAG_MAX)
			continue; /* of SHA-512: no tag is so long */
		*strchr(tag, ':') = '-';
		r = og_remote_has_manifest(copying->copy->from.registry, copying->from_client, tag,
					   NULL, err);
		if (r > 0)
			r = copy_manifest(copying, tag, tag, depth + 1, NULL, err);
	}
	return r < 0 ? r : 0;
}

/* ---- one manifest with all below it ---- */

static int put(struct copying *copying, const struct og_document *document,
	       const struct og_json *root, const char *reference, struct og_err *err)
{
	const char *media_type = og_json_string(og_json_get(root, "mediaType"), "");

	if (media_type[0] == '\0')
		media_type = document->media_type;
	return og_remote_put_manifest(copying->copy->to.registry, copying->to_client, reference,
				      media_type, document->buf, document->len, NULL, err);
}

static int copy_whole(struct copying *copying, const struct og_document *document,
		      const char *reference, int depth, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	int r = og_json_parse(document->buf, document->len, &root, err);

	if (r < 0 || og_json_kind(root) != OG_JSON_OBJECT)
		return og_fail_in(err, -EBADMSG, "manifest");
	if (og_json_get(root, "manifests") != NULL)
		r = copy_children(copying, root, depth, err);
	else
		r = copy_parts(copying, root, err);
	return r < 0 ? r : put(copying, document, root, reference, err);
}

static int copy_manifest(struct copying *copying, const char *from, const char *tag, int depth,
			 struct og_digest *ret_digest, struct og_err *err)
{
	og_cleanup(og_document_done) struct og_document document = {};
	struct og_digest_text by_content;
	const char *digest;
	int seen;
	int r;

	if (depth > DEPTH_MAX)
		return og_fail_plain(err, -ELOOP, "over %d manifests inside one another",
				     DEPTH_MAX);
	r = og_remote_manifest(copying->copy->from.registry, copying->from_client, from, &document,
			       err);
	if (r < 0)
		return r;
	/* What was named by a digest of another algorithm is known by that one there, too. */
	by_content = og_digest_format(&document.digest);
	digest = strchr(from, ':') != NULL ? from : by_content.text;
	seen = note_seen(copying, &document.digest, err);
	if (seen < 0)
		return seen;
	if (seen == 0 || tag != NULL)
		r = copy_whole(copying, &document, tag != NULL ? tag : digest, depth, err);
	if (r == 0 && seen == 0)
		copying->result.manifests++;
	if (r == 0 && seen == 0 && copying->copy->referrers) {
		r = copy_referrers(copying, digest, depth, err);
		if (r == 0)
			r = copy_cosign_tags(copying, digest, depth, err);
	}
	if (r == 0 && ret_digest != NULL)
		*ret_digest = document.digest;
	return r;
}

static void copying_done(struct copying *copying)
{
	og_http_client_free(copying->from_client);
	og_http_client_free(copying->to_client);
	free(copying->seen);
	og_reporter_done(&copying->reporter);
	(void)pthread_mutex_destroy(&copying->lock);
}

int og_copy(const struct og_copy *copy, struct og_copied *ret_copied, struct og_err *err)
{
	og_cleanup(copying_done) struct copying copying = { .copy = copy };
	const struct og_imageref *from = copy->from.ref;
	struct og_digest_text digest = og_digest_format(&from->digest);
	int r;

	og_reporter_init(&copying.reporter, copy->progress, copy->progress_data);
	(void)pthread_mutex_init(&copying.lock, NULL);
	copying.one_registry = og_streq(from->domain, copy->to.ref->domain) &&
			       !og_streq(from->path, copy->to.ref->path);
	r = og_http_client_new(&copying.from_client, err);
	if (r == 0)
		r = og_http_client_new(&copying.to_client, err);
	if (r == 0)
		r = copy_manifest(&copying, from->has_digest ? digest.text : from->tag, copy->tag,
				  0, &copying.result.digest, err);
	if (r == 0)
		*ret_copied = copying.result;
	return r;
}
