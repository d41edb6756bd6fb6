/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A push: the image's layers are shared out among a few threads, each with a connection of its own;
 * a layer the registry has is passed over, one that another repository there has is mounted. Then
 * the configuration, and the manifest last, so that a tag never names what is not there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "format/manifest.h"
#include "image/crew.h"
#include "image/parts.h"
#include "image/recipe.h"
#include "image/remote.h"

#define SKIP_BYTES (256U << 10)

/* What one push knows; shared by its threads, which only read it but for what has a lock. */
struct push {
	struct og_images *images;
	const struct og_push *options;
	struct og_imageref ref;
	struct og_remote *registry; /* owned */
	struct og_remote_options registry_options;
	struct og_reporter reporter;
	struct og_session session;
	struct og_record record;

	char *manifest; /* text; owned */
	size_t manifest_len;
	char media_type[128];
	char mount_from[OG_IMAGEREF_NAME_MAX +
			1]; /* a repository there that has the image; "": none */
};

/* ---- what to push ---- */

static int find_record(struct push *push, struct og_err *err)
{
	struct og_db *db = push->images->store.db;
	struct og_image_id id;
	int r;

	(void)pthread_mutex_lock(&push->images->store.lock);
	r = og_catalog_find(db, &push->ref, &id, err);
	if (r == 0)
		r = og_fail_plain(err, -ENOENT, "An image does not exist locally with the tag: %s",
				  og_imageref_familiar(&push->ref).text);
	if (r > 0)
		r = og_catalog_read(db, id.text, &push->record, err);
	(void)pthread_mutex_unlock(&push->images->store.lock);
	return r < 0 ? r : og_session_pin_record(&push->session, &push->record, err);
}

/* Does the manifest name the very blobs that the record has? */
static bool is_of(const struct og_manifest *manifest, const struct og_record *record)
{
	if (manifest->is_index || manifest->count != record->layer_count ||
	    !og_digest_equal(&manifest->config.sha256, &record->id))
		return false;
	for (size_t i = 0; i < manifest->count; i++)
		if (!og_digest_equal(&manifest->items[i].sha256, &record->layers[i].blob))
			return false;
	return true;
}

/* The manifest as it came, when it is whole and what it names is here. Returns 1, or 0. */
static int take_own_manifest(struct push *push)
{
	og_cleanup(og_manifest_freep) struct og_manifest *manifest = NULL;
	og_auto_free char *text = NULL;
	struct og_digest digest;
	size_t len = 0;

	if (og_blob_read(&push->images->store, &push->record.manifest, OG_MANIFEST_BYTES_MAX, &text,
			 &len, NULL) < 0 ||
	    og_digest_of(text, len, &digest, NULL) < 0 ||
	    !og_digest_equal(&digest, &push->record.manifest) ||
	    og_manifest_parse_image(text, len, NULL, &manifest, NULL) < 0 ||
	    !is_of(manifest, &push->record))
		return 0;
	(void)snprintf(push->media_type, sizeof(push->media_type), "%s", manifest->media_type);
	push->manifest = og_take_ptr(text);
	push->manifest_len = len;
	return 1;
}

static int choose_manifest(struct push *push, struct og_err *err)
{
	og_cleanup(og_blob_reader_freep) struct og_blob_reader *config = NULL;
	int r;

	if (take_own_manifest(push) > 0)
		return 0;
	r = og_blob_reader_new(&push->images->store, &push->record.id, &config, err);
	if (r < 0)
		return r;
	push->manifest = og_make_oci_manifest(&push->record, og_blob_reader_size(config));
	if (push->manifest == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	push->manifest_len = strlen(push->manifest);
	(void)snprintf(push->media_type, sizeof(push->media_type), "%s", OG_MEDIA_OCI_MANIFEST);
	return 0;
}

/* Another repository of the same registry that the image is known to be in. */
static int find_neighbour(struct push *push, struct og_err *err)
{
	og_cleanup(og_strv_freep) char **digests = NULL;
	struct og_digest_text id = og_digest_format(&push->record.id);
	int r;

	(void)pthread_mutex_lock(&push->images->store.lock);
	r = og_catalog_digests(push->images->store.db, id.text, &digests, err);
	(void)pthread_mutex_unlock(&push->images->store.lock);
	for (char **text = digests; r == 0 && text != NULL && *text != NULL; text++) {
		struct og_imageref other;

		if (og_imageref_parse(*text, &other, NULL) < 0 ||
		    !og_streq(other.domain, push->ref.domain) ||
		    og_streq(other.path, push->ref.path))
			continue;
		(void)snprintf(push->mount_from, sizeof(push->mount_from), "%s", other.path);
		break;
	}
	return r;
}

/* ---- blobs ---- */

/* One blob on its way, on one thread. */
struct parcel {
	struct push *push;
	const struct og_digest *digest;
	struct og_blob_reader *reader; /* owned */
	struct og_bar bar;
};

/* Recipes are read from their beginning; a break is rare enough. */
static int seek_blob(void *data, uint64_t offset, struct og_err *err)
{
	struct parcel *parcel = data;
	og_auto_free char *skip = malloc(SKIP_BYTES);
	int r;

	if (skip == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	parcel->reader = og_blob_reader_free(parcel->reader);
	r = og_blob_reader_new(&parcel->push->images->store, parcel->digest, &parcel->reader, err);
	for (uint64_t left = offset; r == 0 && left > 0;) {
		size_t want = left < SKIP_BYTES ? (size_t)left : SKIP_BYTES;
		ssize_t n = og_blob_reader_read(parcel->reader, skip, want, err);

		if (n <= 0)
			return n < 0 ? (int)n : og_fail_plain(err, -EUCLEAN, "it is cut short");
		left -= (uint64_t)n;
	}
	parcel->bar.current = offset;
	return r;
}

static ssize_t read_blob(void *data, void *buf, size_t len, struct og_err *err)
{
	struct parcel *parcel = data;
	ssize_t n = og_blob_reader_read(parcel->reader, buf, len, err);
	int r = n > 0 && parcel->bar.text != NULL ? og_bar_advance(&parcel->bar, (size_t)n) : 0;

	return r < 0 ? og_fail(err, r, "cancelled") : n;
}

static int upload(struct parcel *parcel, struct og_http_client *client, struct og_err *err)
{
	struct push *push = parcel->push;
	struct og_digest_text name = og_digest_format(parcel->digest);
	struct og_remote_source source = {
		.digest = name.text,
		.seek = seek_blob,
		.read = read_blob,
		.data = parcel,
	};
	int r = og_blob_reader_new(&push->images->store, parcel->digest, &parcel->reader, err);

	if (r == 0) {
		source.size = og_blob_reader_size(parcel->reader);
		parcel->bar.total = source.size;
		r = og_remote_put_blob(push->registry, client, &source, err);
	}
	parcel->reader = og_blob_reader_free(parcel->reader);
	return r;
}

/* A layer may be there twice in an image; the first one carries it. */
static bool is_repeated(const struct og_record *record, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (og_digest_equal(&record->layers[i].blob, &record->layers[index].blob))
			return true;
	return false;
}

/* Returns 1 when the registry has it or takes it from a neighbour. */
static int is_there(struct push *push, struct og_http_client *client, const char *digest,
		    const char *id, struct og_err *err)
{
	char text[sizeof(push->mount_from) + 16];
	int r = og_remote_has_blob(push->registry, client, digest, NULL, err);

	if (r < 0)
		return r;
	if (r > 0) {
		r = og_report(&push->reporter, id, "Layer already exists", 0, 0);
		return r < 0 ? r : 1;
	}
	if (push->mount_from[0] == '\0')
		return 0;
	/* A neighbour may be closed to us, or the registry may not know mounts: then it is sent. */
	if (og_remote_mount_blob(push->registry, client, digest, push->mount_from, NULL) <= 0)
		return 0;
	(void)snprintf(text, sizeof(text), "Mounted from %s", push->mount_from);
	r = og_report(&push->reporter, id, text, 0, 0);
	return r < 0 ? r : 1;
}

static int push_layer(struct push *push, struct og_http_client *client, size_t index,
		      struct og_err *err)
{
	const struct og_record_layer *layer = &push->record.layers[index];
	struct og_digest_text name = og_digest_format(&layer->blob);
	struct parcel parcel = {
		.push = push,
		.digest = &layer->blob,
		.bar = { .reporter = &push->reporter, .text = "Pushing" },
	};
	int r;

	og_short_id(&layer->diff_id, parcel.bar.id);
	if (is_repeated(&push->record, index))
		return og_report(&push->reporter, parcel.bar.id, "Layer already exists", 0, 0);
	r = is_there(push, client, name.text, parcel.bar.id, err);
	if (r != 0)
		return r < 0 ? r : 0;
	r = upload(&parcel, client, err);
	return r < 0 ? r : og_report(&push->reporter, parcel.bar.id, "Pushed", 0, 0);
}

static int push_nth(void *data, struct og_http_client *client, size_t nth, struct og_err *err)
{
	struct push *push = data;
	int r = og_reporter_tick(&push->reporter);

	return r < 0 ? og_fail(err, r, "cancelled") : push_layer(push, client, nth, err);
}

static void stop_pushing(void *data)
{
	struct push *push = data;

	og_reporter_end(&push->reporter, -ECANCELED);
}

static int push_config(struct push *push, struct og_http_client *client, struct og_err *err)
{
	struct og_digest_text name = og_digest_format(&push->record.id);
	og_auto_free char *text = NULL;
	struct og_remote_source source = { .digest = name.text };
	size_t len = 0;
	int r = og_remote_has_blob(push->registry, client, name.text, NULL, err);

	if (r != 0)
		return r < 0 ? r : 0;
	r = og_blob_read(&push->images->store, &push->record.id, OG_IMAGECONFIG_BYTES_MAX, &text,
			 &len, err);
	if (r < 0)
		return r;
	source.buf = text;
	source.size = len;
	return og_remote_put_blob(push->registry, client, &source, err);
}

/* ---- the whole ---- */

static int announce(struct push *push)
{
	int r = og_reportf(&push->reporter, "The push refers to repository [%s]",
			   og_imageref_name(&push->ref).text);

	for (size_t i = 0; i < push->record.layer_count && r == 0; i++) {
		char id[13];

		og_short_id(&push->record.layers[i].diff_id, id);
		r = og_report(&push->reporter, id, "Preparing", 0, 0);
	}
	return r;
}

static int name_it(struct push *push, const struct og_digest *digest, struct og_err *err)
{
	struct og_digest_text id = og_digest_format(&push->record.id);
	const struct og_naming naming = { .digest = &push->ref, .digest_of = *digest };
	int r = og_images_name(push->images, id.text, &naming, err);

	return r == -ENOENT ? 0 : r; /* removed this very moment */
}

static int run(struct push *push, struct og_pushed *ret_pushed, struct og_err *err)
{
	og_cleanup(og_http_client_freep) struct og_http_client *client = NULL;
	struct og_pushed pushed = {};
	struct og_digest digest;
	int r = og_http_client_new(&client, err);

	if (r == 0)
		r = announce(push);
	/* The first request alone: it finds out the scheme and gets the token for all. */
	if (r == 0)
		r = push_config(push, client, err);
	if (r == 0)
		r = og_crew_run(push->record.layer_count, push_nth, stop_pushing, push, err);
	if (r == 0)
		r = og_remote_put_manifest(push->registry, client, push->ref.tag, push->media_type,
					   push->manifest, push->manifest_len, &digest, err);
	if (r == 0)
		r = name_it(push, &digest, err);
	if (r < 0)
		return r;
	(void)snprintf(pushed.digest, sizeof(pushed.digest), "%s", og_digest_format(&digest).text);
	(void)snprintf(pushed.tag, sizeof(pushed.tag), "%s", push->ref.tag);
	pushed.size = push->manifest_len;
	*ret_pushed = pushed;
	return og_reportf(&push->reporter, "%s: digest: %s size: %zu", pushed.tag, pushed.digest,
			  push->manifest_len);
}

static void push_done(struct push *push)
{
	og_session_end(&push->session);
	og_remote_free(push->registry);
	og_record_done(&push->record);
	free(push->manifest);
	og_reporter_done(&push->reporter);
}

int og_images_push(struct og_images *images, const struct og_push *options,
		   struct og_pushed *ret_pushed, struct og_err *err)
{
	og_cleanup(push_done) struct push push = { .images = images, .options = options };
	int r;

	og_reporter_init(&push.reporter, options->progress, options->progress_data);
	push.registry_options = (struct og_remote_options){
		.access = OG_REMOTE_PULL | OG_REMOTE_PUSH,
		.user = options->user,
		.password = options->password,
		.identity_token = options->identity_token,
		.insecure = options->insecure,
		.tick = og_reporter_tick,
		.tick_data = &push.reporter,
	};
	r = og_imageref_parse(options->reference, &push.ref, err);
	if (r == 0 && push.ref.has_digest)
		r = og_fail_plain(err, -EINVAL, "cannot push a digest reference");
	if (r < 0)
		return r;
	r = og_session_begin(&images->store, &push.session, err);
	if (r == 0)
		r = find_record(&push, err);
	if (r == 0)
		r = choose_manifest(&push, err);
	if (r == 0)
		r = find_neighbour(&push, err);
	if (r == 0)
		r = og_remote_new(&push.ref, &push.registry_options, &push.registry, err);
	if (r == 0)
		r = run(&push, ret_pushed, err);
	return r;
}

/* ---- which tags ---- */

static int add_tags(char *const *tags, const struct og_imageref *ref, char **names, size_t *count)
{
	for (; *tags != NULL; tags++) {
		struct og_imageref other;

		if (og_imageref_parse(*tags, &other, NULL) < 0 ||
		    !og_streq(other.domain, ref->domain) || !og_streq(other.path, ref->path))
			continue;
		names[*count] = strdup(*tags);
		if (names[*count] == NULL)
			return -ENOMEM;
		(*count)++;
	}
	return 0;
}

static size_t count_tags(struct og_image *const *list)
{
	size_t count = 0;

	for (; *list != NULL; list++)
		for (char **tag = (*list)->repo_tags; *tag != NULL; tag++)
			count++;
	return count;
}

int og_images_repository_tags(struct og_images *images, const char *name, char ***ret_names,
			      struct og_err *err)
{
	og_cleanup(og_image_list_freep) struct og_image **list = NULL;
	og_cleanup(og_strv_freep) char **names = NULL;
	struct og_imageref ref;
	size_t count = 0;
	int r = og_imageref_parse(name, &ref, err);

	if (r == 0)
		r = og_images_list(images, &list, err);
	if (r < 0)
		return r;
	names = calloc(count_tags(list) + 1, sizeof(*names));
	for (size_t i = 0; names != NULL && list[i] != NULL; i++)
		if (add_tags(list[i]->repo_tags, &ref, names, &count) < 0)
			return og_fail(err, -ENOMEM, "no memory");
	if (names == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	if (count == 0)
		return og_fail_plain(err, -ENOENT,
				     "An image does not exist locally with the tag: %s",
				     og_imageref_familiar(&ref).text);
	*ret_names = og_take_ptr(names);
	return 0;
}
