/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pull: the reference leads to a manifest (through indexes), that to a configuration and layers.
 * The layers are shared out among a few threads, each with a connection of its own; a layer's bytes
 * go through SHA-256 into its blob and at once through og_layer into its EROFS. Only when every
 * digest was right is the record written.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "image/merge.h"
#include "image/parts.h"
#include "image/remote.h"

/* As many as Docker's "max-concurrent-downloads": one alone leaves the network idle at times. */
#define THREADS_MAX 3

/* What one pull knows; shared by its threads, which write only their layer's record. */
struct pull {
	struct og_images *images;
	const struct og_pull *options;
	struct og_imageref ref;
	struct og_remote *registry; /* owned */
	struct og_remote_options registry_options;
	struct og_reporter reporter;
	struct og_session session;

	struct og_document document;   /* the image's own manifest; owned */
	struct og_manifest *manifest;  /* owned */
	struct og_digest top;	       /* digest of what the reference named: index or manifest */
	char *config_text;	       /* owned */
	struct og_imageconfig *config; /* owned */
	struct og_record record;

	atomic_size_t next;	    /* layer to be taken next */
	pthread_mutex_t error_lock; /* over the first failure of a thread */
	int code;
	struct og_err err;
};

/* ---- manifests ---- */

static int take_manifest(struct pull *pull, struct og_document *document,
			 const struct og_descriptor *want, struct og_err *err)
{
	struct og_manifest *manifest = NULL;
	int r;

	if (want != NULL && document->len != want->size)
		return og_fail_plain(err, -EBADMSG,
				     "manifest: it has another size than its index says");
	r = og_manifest_parse_image(document->buf, document->len, document->media_type, &manifest,
				    err);
	if (r < 0)
		return r;
	if (want != NULL &&
	    og_media_kind(want->media_type) != og_media_kind(manifest->media_type)) {
		og_manifest_free(manifest);
		return og_fail_plain(err, -EBADMSG,
				     "manifest: it is of another kind than its index says");
	}
	og_manifest_free(pull->manifest);
	pull->manifest = manifest;
	og_document_done(&pull->document);
	pull->document = *document;
	*document = (struct og_document){};
	return 0;
}

static int fetch_manifest(struct pull *pull, struct og_http_client *client, const char *reference,
			  const struct og_descriptor *want, struct og_err *err)
{
	og_cleanup(og_document_done) struct og_document document = {};
	int r = og_remote_manifest(pull->registry, client, reference, &document, err);

	return r < 0 ? r : take_manifest(pull, &document, want, err);
}

static const struct og_descriptor *choose(const struct pull *pull)
{
	const struct og_platform *p = &pull->options->platform;

	return og_manifest_choose(pull->manifest, p->os != NULL ? p->os : "linux",
				  p->architecture != NULL ? p->architecture
							  : og_native_architecture(),
				  p->variant != NULL ? p->variant : "");
}

/* From the reference through indexes to the manifest of the image for this platform. */
static int find_manifest(struct pull *pull, struct og_http_client *client, struct og_err *err)
{
	struct og_digest_text by_digest = og_digest_format(&pull->ref.digest);
	int r = fetch_manifest(pull, client, pull->ref.has_digest ? by_digest.text : pull->ref.tag,
			       NULL, err);

	if (r < 0)
		return r;
	pull->top = pull->document.digest;
	for (int depth = 0; pull->manifest->is_index; depth++) {
		const struct og_descriptor *choice = choose(pull);
		struct og_descriptor want;

		if (depth == OG_INDEX_DEPTH_MAX)
			return og_fail_plain(err, -E2BIG, "over %d indexes inside one another",
					     OG_INDEX_DEPTH_MAX);
		if (choice == NULL)
			return og_fail_plain(err, -ENOENT,
					     "no matching manifest for %s/%s in the manifest list "
					     "entries",
					     pull->options->platform.os != NULL
						     ? pull->options->platform.os
						     : "linux",
					     pull->options->platform.architecture != NULL
						     ? pull->options->platform.architecture
						     : og_native_architecture());
		want = *choice;
		r = fetch_manifest(pull, client, og_digest_format(&want.sha256).text, &want, err);
		/* @want's texts went with the index; only numbers are used after this. */
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- the configuration ---- */

static int fetch_config(struct pull *pull, struct og_http_client *client, struct og_err *err)
{
	const struct og_descriptor *want = &pull->manifest->config;
	og_auto_free char *text = NULL;
	int r = og_remote_blob_read(pull->registry, client, &want->sha256, want->size, &text, err);

	if (r == 0)
		r = og_imageconfig_parse(text, (size_t)want->size, &pull->config, err);
	if (r < 0)
		return r;
	if (pull->config->layer_count != pull->manifest->count)
		return og_fail_plain(err, -EBADMSG,
				     "manifest: it has %zu layers, its configuration %zu",
				     pull->manifest->count, pull->config->layer_count);
	pull->config_text = og_take_ptr(text);
	return 0;
}

/* ---- layers ---- */

/* One layer on its way, on one thread. */
struct fetch {
	struct pull *pull;
	struct og_http_client *client;
	const struct og_descriptor *want;
	struct og_record_layer *layer;
	struct og_bar bar;
	struct og_intake intake;
};

static int take_bytes(void *data, const void *buf, size_t len, struct og_err *err)
{
	struct fetch *fetch = data;
	int r = og_intake_write(&fetch->intake, buf, len, err);

	if (r < 0)
		return r;
	r = og_bar_advance(&fetch->bar, len);
	return r < 0 ? og_fail(err, r, "cancelled") : 0;
}

static int check_layer(const struct fetch *fetch, struct og_err *err)
{
	const struct og_intake *intake = &fetch->intake;

	if (!og_digest_equal(&intake->blob.digest, &fetch->want->sha256))
		return og_fail(
			err, -EBADMSG,
			"layer %s: filesystem layer verification failed: its digest is %.19s",
			fetch->bar.id, og_digest_format(&intake->blob.digest).text);
	if (!og_digest_equal(&intake->info.diff_id, &fetch->layer->diff_id))
		return og_fail_plain(
			err, -EBADMSG,
			"layer %s: its content is not what the image's configuration says "
			"(diff_id %.19s)",
			fetch->bar.id, og_digest_format(&intake->info.diff_id).text);
	return 0;
}

static int download(struct fetch *fetch, struct og_err *err)
{
	struct pull *pull = fetch->pull;
	int r = og_intake_begin(&pull->session, &fetch->intake, err);

	if (r == 0)
		r = og_remote_blob(pull->registry, fetch->client, &fetch->want->sha256,
				   fetch->want->size, take_bytes, fetch, err);
	if (r == 0)
		r = og_intake_finish(&fetch->intake, err);
	if (r == 0)
		r = check_layer(fetch, err);
	if (r == 0)
		r = og_report(&pull->reporter, fetch->bar.id, "Download complete", 0, 0);
	if (r == 0)
		r = og_intake_publish(&fetch->intake, err);
	if (r == 0)
		fetch->layer->bytes = fetch->intake.info.content_bytes;
	og_intake_done(&fetch->intake);
	return r;
}

/*
 * Bytes of the files of a layer that is there and was made of this very blob, whatever the image's
 * documents claim to belong together. Returns 1, 0 when it is not so, or an error.
 */
static int find_layer(struct fetch *fetch, const struct og_file_name *blob, uint64_t *ret_bytes,
		      struct og_err *err)
{
	struct pull *pull = fetch->pull;
	int r;

	if (og_session_noted(&pull->session, blob, &fetch->layer->diff_id, ret_bytes))
		return 1;
	(void)pthread_mutex_lock(&pull->images->store.lock);
	r = og_catalog_layer_bytes(pull->images->store.db, &fetch->want->sha256,
				   &fetch->layer->diff_id, ret_bytes, err);
	(void)pthread_mutex_unlock(&pull->images->store.lock);
	return r;
}

/* The blob is there already: the layer, too, or it is made of it. */
static int reuse(struct fetch *fetch, const struct og_file_name *blob, struct og_err *err)
{
	struct pull *pull = fetch->pull;
	struct og_layer_info info = {};
	int r = find_layer(fetch, blob, &fetch->layer->bytes, err);

	if (r == 0) {
		r = og_intake_from_blob(&pull->session, &fetch->want->sha256,
					&fetch->layer->diff_id, &info, err);
		fetch->layer->bytes = info.content_bytes;
	}
	return r < 0 ? r : og_report(&pull->reporter, fetch->bar.id, "Already exists", 0, 0);
}

static int fetch_layer(struct fetch *fetch, struct og_err *err)
{
	struct pull *pull = fetch->pull;
	struct og_file_name blob = og_layer_blob_name(&fetch->want->sha256, &fetch->layer->diff_id);
	struct og_file_name layer = og_file_name(OG_FOLDER_LAYERS, &fetch->layer->diff_id);
	bool exists = false, mine = false;
	int r = og_session_pin(&pull->session, &layer, &exists, err);

	if (r == 0)
		r = og_session_pin(&pull->session, &blob, &exists, err);
	if (r == 0)
		r = og_session_claim(&pull->session, &blob, og_reporter_tick, &pull->reporter,
				     &mine, err);
	if (r < 0)
		return r;
	if (!mine)
		return reuse(fetch, &blob, err);
	if (fetch->want->kind == OG_MEDIA_FOREIGN_LAYER)
		r = og_fail_plain(
			err, -ENOTSUP,
			"layer %s: it lies outside the registry (a foreign layer), and onggi "
			"fetches from no other place",
			fetch->bar.id);
	if (r == 0)
		r = download(fetch, err);
	if (r == 0)
		og_session_note(&pull->session, &blob, &fetch->layer->diff_id, fetch->layer->bytes);
	og_session_made(&pull->session, &blob);
	if (r == 0)
		r = og_report(&pull->reporter, fetch->bar.id, "Pull complete", 0, 0);
	return r;
}

/* The first failure ends the whole pull; what the others then report is only an echo. */
static void note_failure(struct pull *pull, int r, const struct og_err *err)
{
	(void)pthread_mutex_lock(&pull->error_lock);
	if (pull->code == 0) {
		pull->code = r;
		pull->err = *err;
	}
	(void)pthread_mutex_unlock(&pull->error_lock);
	og_reporter_end(&pull->reporter, -ECANCELED);
}

static int fetch_layers(struct pull *pull, struct og_http_client *client, struct og_err *err)
{
	int r = 0;

	while (r == 0) {
		size_t i = atomic_fetch_add(&pull->next, 1);
		struct fetch fetch = { .pull = pull, .client = client };

		if (i >= pull->manifest->count)
			break;
		fetch.want = &pull->manifest->items[i];
		fetch.layer = &pull->record.layers[i];
		fetch.bar = (struct og_bar){ .reporter = &pull->reporter,
					     .text = "Downloading",
					     .total = fetch.want->size };
		og_short_id(&fetch.want->sha256, fetch.bar.id);
		r = og_reporter_tick(&pull->reporter);
		if (r == 0)
			r = fetch_layer(&fetch, err);
	}
	return r;
}

static void *fetch_thread(void *data)
{
	struct pull *pull = data;
	og_cleanup(og_http_client_freep) struct og_http_client *client = NULL;
	struct og_err err = {};
	int r = og_http_client_new(&client, &err);

	if (r == 0)
		r = fetch_layers(pull, client, &err);
	if (r < 0)
		note_failure(pull, r, &err);
	return NULL;
}

static int announce_layers(struct pull *pull)
{
	int r = 0;

	for (size_t i = 0; i < pull->manifest->count && r == 0; i++) {
		char id[13];

		og_short_id(&pull->manifest->items[i].sha256, id);
		r = og_report(&pull->reporter, id, "Pulling fs layer", 0, 0);
	}
	return r;
}

static int run_threads(struct pull *pull, struct og_err *err)
{
	pthread_t threads[THREADS_MAX];
	size_t count = 0;
	int e = 0;

	while (count < THREADS_MAX && count < pull->manifest->count && e == 0) {
		e = pthread_create(&threads[count], NULL, fetch_thread, pull);
		if (e == 0)
			count++;
	}
	for (size_t i = 0; i < count; i++)
		(void)pthread_join(threads[i], NULL);
	if (pull->code < 0) {
		if (err != NULL)
			*err = pull->err;
		return pull->code;
	}
	return count == 0 && pull->manifest->count > 0 ? og_fail(err, -e, "start a thread") : 0;
}

/* ---- the record ---- */

static int prepare_record(struct pull *pull, struct og_err *err)
{
	struct og_record *record = &pull->record;
	size_t count = pull->manifest->count;

	record->layers = calloc(count > 0 ? count : 1, sizeof(*record->layers));
	if (record->layers == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	record->layer_count = count;
	record->id = pull->manifest->config.sha256;
	record->manifest = pull->document.digest;
	for (size_t i = 0; i < count; i++) {
		struct og_record_layer *layer = &record->layers[i];

		layer->diff_id = pull->config->diff_ids[i];
		layer->blob = pull->manifest->items[i].sha256;
		layer->blob_bytes = pull->manifest->items[i].size;
		(void)snprintf(layer->media_type, sizeof(layer->media_type), "%s",
			       pull->manifest->items[i].media_type);
	}
	return 0;
}

static int store_documents(struct pull *pull, struct og_err *err)
{
	int r = og_blob_put(&pull->session, pull->config_text, strlen(pull->config_text), NULL,
			    err);

	if (r == 0)
		r = og_blob_put(&pull->session, pull->document.buf, pull->document.len, NULL, err);
	for (size_t i = 0; i < pull->record.layer_count; i++)
		pull->record.size += pull->record.layers[i].bytes;
	return r;
}

static int is_known(struct pull *pull, bool *ret_known, struct og_err *err)
{
	struct og_digest_text id = og_digest_format(&pull->manifest->config.sha256);
	int r;

	(void)pthread_mutex_lock(&pull->images->store.lock);
	r = og_catalog_has_image(pull->images->store.db, id.text, ret_known, err);
	(void)pthread_mutex_unlock(&pull->images->store.lock);
	return r;
}

static int fetch_image(struct pull *pull, struct og_http_client *client,
		       const struct og_naming *naming, struct og_err *err)
{
	int r = fetch_config(pull, client, err);

	if (r == 0)
		r = prepare_record(pull, err);
	if (r == 0)
		r = announce_layers(pull);
	if (r == 0)
		r = run_threads(pull, err);
	if (r == 0)
		r = store_documents(pull, err);
	return r < 0 ? r
		     : og_images_commit(pull->images, &pull->session, &pull->record, naming, err);
}

/* Names the image, fetching it unless it is here. */
static int get_image(struct pull *pull, struct og_http_client *client, bool *ret_known,
		     struct og_err *err)
{
	struct og_naming naming = {
		.tag = pull->ref.has_digest ? NULL : &pull->ref,
		.digest = &pull->ref,
		.digest_of = pull->top,
	};
	struct og_digest_text id = og_digest_format(&pull->manifest->config.sha256);
	int r = is_known(pull, ret_known, err);

	if (r == 0 && *ret_known) {
		r = og_images_name(pull->images, id.text, &naming, err);
		if (r != -ENOENT)
			return r;
		*ret_known = false; /* removed this very moment */
		r = 0;
	}
	return r < 0 ? r : fetch_image(pull, client, &naming, err);
}

static int announce(struct pull *pull)
{
	struct og_digest_text digest = og_digest_format(&pull->ref.digest);
	char text[sizeof(pull->ref.path) + 16];

	(void)snprintf(text, sizeof(text), "Pulling from %s", pull->ref.path);
	return og_report(&pull->reporter, pull->ref.has_digest ? digest.text : pull->ref.tag, text,
			 0, 0);
}

static int run(struct pull *pull, char **ret_id, struct og_err *err)
{
	og_cleanup(og_http_client_freep) struct og_http_client *client = NULL;
	bool known = false;
	int r = og_http_client_new(&client, err);

	if (r == 0)
		r = find_manifest(pull, client, err);
	if (r == 0)
		r = announce(pull);
	if (r == 0)
		r = get_image(pull, client, &known, err);
	if (r == 0)
		r = og_reportf(&pull->reporter, "Digest: %s", og_digest_format(&pull->top).text);
	if (r == 0)
		r = og_reportf(&pull->reporter, "Status: %s for %s",
			       known ? "Image is up to date" : "Downloaded newer image",
			       og_imageref_format(&pull->ref).text);
	if (r == 0 && ret_id != NULL) {
		*ret_id = strdup(og_digest_format(&pull->manifest->config.sha256).text);
		if (*ret_id == NULL)
			return og_fail(err, -ENOMEM, "no memory");
	}
	return r;
}

static void pull_done(struct pull *pull)
{
	og_session_end(&pull->session);
	og_remote_free(pull->registry);
	og_document_done(&pull->document);
	og_manifest_free(pull->manifest);
	free(pull->config_text);
	og_imageconfig_free(pull->config);
	og_record_done(&pull->record);
	og_reporter_done(&pull->reporter);
	(void)pthread_mutex_destroy(&pull->error_lock);
}

int og_images_pull(struct og_images *images, const struct og_pull *options, char **ret_id,
		   struct og_err *err)
{
	og_cleanup(pull_done) struct pull pull = { .images = images, .options = options };
	int r;

	og_reporter_init(&pull.reporter, options->progress, options->progress_data);
	(void)pthread_mutex_init(&pull.error_lock, NULL);
	pull.registry_options = (struct og_remote_options){
		.user = options->user,
		.password = options->password,
		.identity_token = options->identity_token,
		.insecure = options->insecure,
		.tick = og_reporter_tick,
		.tick_data = &pull.reporter,
	};
	r = og_imageref_parse(options->reference, &pull.ref, err);
	if (r < 0)
		return r;
	r = og_session_begin(&images->store, &pull.session, err);
	if (r == 0)
		r = og_remote_new(&pull.ref, &pull.registry_options, &pull.registry, err);
	if (r == 0)
		r = run(&pull, ret_id, err);
	if (r < 0 && og_reporter_tick(&pull.reporter) < 0 && pull.code == 0)
		return og_fail(err, og_reporter_tick(&pull.reporter), "pull cancelled");
	return r < 0 ? og_fail_in(err, r, "pull %s", og_imageref_format(&pull.ref).text) : 0;
}
