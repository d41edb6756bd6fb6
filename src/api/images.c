/* SPDX-License-Identifier: Apache-2.0 */
/* Routes below /images. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/call.h"
#include "api/progress.h"
#include "base/clock.h"
#include "engine/gate.h"
#include "format/docker_query.h"

#define SHOWN_CHANGES 64
#define SAVED_IMAGES  256

static struct og_images *images(const struct call *call)
{
	return og_engine_images(call->engine);
}

static struct og_json *strings(char *const *list)
{
	struct og_json *array = og_json_new_array();

	for (; list != NULL && *list != NULL; list++)
		og_json_push(array, og_json_new_string(*list));
	return array;
}

static struct og_json *copy_or_null(const struct og_json *value)
{
	return value == NULL ? NULL : og_json_copy(value);
}

/* ---- list, inspect, history ---- */

static const struct og_json *labels_of(const struct og_image *image)
{
	return og_json_get(og_json_get(image->config, "config"), "Labels");
}

static struct og_json *summary(const struct og_image *image)
{
	struct og_json *json = og_json_new_object();

	og_json_set_int(json, "Containers", -1);
	og_json_set_int(json, "Created", image->created_s);
	og_json_set_string(json, "Id", image->id);
	og_json_set(json, "Labels", copy_or_null(labels_of(image)));
	og_json_set_string(json, "ParentId", "");
	og_json_set(json, "RepoDigests", strings(image->repo_digests));
	og_json_set(json, "RepoTags", strings(image->repo_tags));
	og_json_set_int(json, "SharedSize", -1);
	og_json_set_int(json, "Size", (int64_t)image->size);
	og_json_set_int(json, "VirtualSize", (int64_t)image->size);
	return json;
}

/* "debian" fits "debian:12" and "debian:12" itself; patterns of Docker's are '*' at the end. */
static bool fits(const char *tag, const char *wanted)
{
	size_t len = strlen(wanted);
	const char *colon = strrchr(tag, ':');

	if (len > 0 && wanted[len - 1] == '*')
		return strncmp(tag, wanted, len - 1) == 0;
	if (og_streq(tag, wanted))
		return true;
	return colon != NULL && strchr(colon, '/') == NULL && (size_t)(colon - tag) == len &&
	       strncmp(tag, wanted, len) == 0;
}

static bool reference_fits(const struct og_image *image, const struct og_json *filters)
{
	const struct og_json *wanted = og_filters_get(filters, "reference");

	for (size_t i = 0; i < og_json_count(wanted); i++) {
		const char *text = og_json_string(og_json_at(wanted, i), "");

		for (char **tag = image->repo_tags; tag != NULL && *tag != NULL; tag++) {
			if (fits(*tag, text))
				return true;
		}
	}
	return wanted == NULL;
}

static bool is_listed(const struct og_image *image, const struct og_json *filters)
{
	bool dangling = image->repo_tags == NULL || *image->repo_tags == NULL;

	return og_filters_allow(filters, "dangling", dangling ? "true" : "false") &&
	       reference_fits(image, filters) && og_filters_allow_labels(filters, labels_of(image));
}

static int list(struct call *call, struct og_err *err)
{
	static const char *const accepted[] = { "dangling", "label", "reference", NULL };
	og_cleanup(og_json_freep) struct og_json *filters = NULL;
	og_cleanup(og_image_list_freep) struct og_image **all = NULL;
	struct og_json *answer;
	int r = og_filters_parse(og_http_query(call->request, "filters"), accepted, &filters, err);

	if (r == 0)
		r = og_images_list(images(call), &all, err);
	if (r < 0)
		return r;
	answer = og_json_new_array();
	for (struct og_image **image = all; *image != NULL; image++) {
		if (is_listed(*image, filters))
			og_json_push(answer, summary(*image));
	}
	return reply_json(call, 200, answer);
}

static struct og_json *rootfs_json(const struct og_image *image)
{
	struct og_json *json = og_json_new_object();

	og_json_set_string(json, "Type", "layers");
	og_json_set(json, "Layers", strings(image->diff_ids));
	return json;
}

static struct og_json *graph_json(void)
{
	struct og_json *json = og_json_new_object();

	og_json_set(json, "Data", NULL);
	og_json_set_string(json, "Name", "erofs");
	return json;
}

static void copy_text(struct og_json *to, const char *key, const struct og_json *from,
		      const char *from_key)
{
	og_json_set_string(to, key, og_json_string(og_json_get(from, from_key), ""));
}

static int inspect(struct call *call, struct og_err *err)
{
	og_cleanup(og_image_freep) struct og_image *image = NULL;
	struct og_json *json;
	int r = og_images_find(images(call), call->param, &image, err);

	if (r < 0)
		return r;
	json = og_json_new_object();
	og_json_set_string(json, "Id", image->id);
	og_json_set(json, "RepoTags", strings(image->repo_tags));
	og_json_set(json, "RepoDigests", strings(image->repo_digests));
	og_json_set_string(json, "Parent", "");
	copy_text(json, "Comment", image->config, "comment");
	og_json_set_string(json, "Created",
			   *image->created == '\0' ? OG_CLOCK_NEVER : image->created);
	og_json_set_string(json, "Container", "");
	copy_text(json, "DockerVersion", image->config, "docker_version");
	copy_text(json, "Author", image->config, "author");
	og_json_set(json, "Config", copy_or_null(og_json_get(image->config, "config")));
	og_json_set_string(json, "Architecture", image->architecture);
	og_json_set_string(json, "Variant", image->variant);
	og_json_set_string(json, "Os", image->os);
	og_json_set_int(json, "Size", (int64_t)image->size);
	og_json_set_int(json, "VirtualSize", (int64_t)image->size);
	og_json_set(json, "GraphDriver", graph_json());
	og_json_set(json, "RootFS", rootfs_json(image));
	og_json_set(json, "Metadata", og_json_new_object());
	return reply_json(call, 200, json);
}

static size_t count_of(char *const *list)
{
	size_t count = 0;

	while (list != NULL && list[count] != NULL)
		count++;
	return count;
}

/* One line of the history; @layer: it made layer @index, top first. */
static struct og_json *history_line(const struct og_image *image, const struct og_json *entry,
				    bool top, uint64_t size)
{
	struct og_json *json = og_json_new_object();
	struct timespec created = {};

	(void)og_clock_parse(og_json_string(og_json_get(entry, "created"), ""), &created);
	copy_text(json, "Comment", entry, "comment");
	og_json_set_int(json, "Created", created.tv_sec);
	copy_text(json, "CreatedBy", entry, "created_by");
	og_json_set_string(json, "Id", top ? image->id : "<missing>");
	og_json_set_int(json, "Size", (int64_t)size);
	og_json_set(json, "Tags", top ? strings(image->repo_tags) : NULL);
	return json;
}

static int history(struct call *call, struct og_err *err)
{
	og_cleanup(og_image_freep) struct og_image *image = NULL;
	const struct og_json *entries;
	struct og_json *answer;
	size_t layer;
	int r = og_images_find(images(call), call->param, &image, err);

	if (r < 0)
		return r;
	answer = og_json_new_array();
	entries = og_json_get(image->config, "history");
	layer = count_of(image->diff_ids);
	for (size_t i = og_json_count(entries); i-- > 0;) {
		const struct og_json *entry = og_json_at(entries, i);
		bool empty = og_json_bool(og_json_get(entry, "empty_layer"), false);
		uint64_t size = !empty && layer > 0 ? image->layer_sizes[--layer] : 0;

		og_json_push(answer, history_line(image, entry, og_json_count(answer) == 0, size));
	}
	return reply_json(call, 200, answer);
}

static ssize_t read_request(void *data, void *buf, size_t len)
{
	return og_http_read(data, buf, len);
}

/* ---- pull, import, load ---- */

/* "linux/arm64/v8" in place. */
static void split_platform(char *text, struct og_platform *ret_platform)
{
	char *rest = text;

	*ret_platform = (struct og_platform){};
	if (text == NULL || *text == '\0')
		return;
	ret_platform->os = strsep(&rest, "/");
	ret_platform->architecture = strsep(&rest, "/");
	ret_platform->variant = rest;
}

char *join_reference(const char *name, const char *tag)
{
	if (*tag == '\0')
		return strdup(name);
	return og_strdupf("%s%s%s", name, strncmp(tag, "sha256:", 7) == 0 ? "@" : ":", tag);
}

const char *or_null(const char *text)
{
	return text == NULL || *text == '\0' ? NULL : text;
}

static int pull(struct call *call, struct og_err *err)
{
	og_cleanup(og_registry_auth_done) struct og_registry_auth auth = {};
	og_auto_free char *reference = NULL, *id = NULL;
	og_auto_free char *platform = strdup(query_text(call, "platform"));
	struct call_progress progress = { .call = call };
	struct og_pull pull = {
		.insecure = og_engine_config(call->engine)->insecure_registries,
		.progress = call_progress_step,
		.progress_data = &progress,
	};
	int r = og_registry_auth_parse(og_http_request_header(call->request, "X-Registry-Auth"),
				       &auth, err);

	if (r < 0)
		return r;
	reference = join_reference(query_text(call, "fromImage"), query_text(call, "tag"));
	if (reference == NULL)
		return -ENOMEM;
	split_platform(platform, &pull.platform);
	pull.reference = reference;
	pull.user = or_null(auth.user);
	pull.password = pull.user == NULL ? NULL : auth.password;
	pull.identity_token = or_null(auth.identity_token);
	r = og_images_pull(images(call), &pull, &id, err);
	if (r == 0)
		og_engine_gate_pulled(call->engine, &pull, id);
	if (r == 0)
		og_events_image(call->engine, "pull", reference, reference);
	if (r == 0)
		r = call_progress_begin(&progress); /* even without a line it is a stream */
	return call_progress_finish(&progress, r, err);
}

static int import(struct call *call, struct og_err *err)
{
	og_auto_free char *reference = NULL, *id = NULL;
	og_auto_free char *platform = strdup(query_text(call, "platform"));
	const char *changes[SHOWN_CHANGES + 1] = {};
	struct call_progress progress = { .call = call, .quiet = true };
	struct og_import import = { .message = or_null(query_text(call, "message")),
				    .changes = changes };
	int r;

	if (!og_streq(query_text(call, "fromSrc"), "-"))
		return og_fail(err, -ENOSYS,
			       "importing from a URL is not there: send the tar (fromSrc=-)");
	for (size_t i = 0; (changes[i] = og_http_query_at(call->request, "changes", i)) != NULL;
	     i++) {
		if (i == SHOWN_CHANGES)
			return og_fail(err, -E2BIG, "over %d changes", SHOWN_CHANGES);
	}
	reference = join_reference(query_text(call, "repo"), query_text(call, "tag"));
	if (reference == NULL)
		return -ENOMEM;
	split_platform(platform, &import.platform);
	import.reference = reference;
	r = og_images_import(images(call), read_request, call->request, &import, &id, err);
	if (r == 0) {
		og_events_image(call->engine, "import", id, reference);
		r = call_progress_field(&progress, "status", id);
	}
	return call_progress_finish(&progress, r, err);
}

static int create(struct call *call, struct og_err *err)
{
	if (*query_text(call, "fromImage") != '\0')
		return pull(call, err);
	return import(call, err);
}

static int load(struct call *call, struct og_err *err)
{
	og_cleanup(og_strv_freep) char **loaded = NULL;
	og_auto_free char *platform_text = strdup(query_text(call, "platform"));
	struct og_platform platform;
	struct call_progress progress = { .call = call, .quiet = query_bool(call, "quiet", false) };
	int r;

	split_platform(platform_text, &platform);
	r = og_images_load(images(call), read_request, call->request, &platform, call_progress_step,
			   &progress, &loaded, err);
	for (char **name = loaded; r == 0 && *name != NULL; name++) {
		bool is_id = og_starts_with(*name, "sha256:");
		og_auto_free char *text =
			og_strdupf(is_id ? "Loaded image ID: %s\n" : "Loaded image: %s\n", *name);

		if (text == NULL)
			return -ENOMEM;
		og_events_image(call->engine, "load", *name, *name);
		r = call_progress_field(&progress, "stream", text);
	}
	if (r == 0)
		r = call_progress_begin(&progress);
	return call_progress_finish(&progress, r, err);
}

/* ---- save ---- */

static int write_archive(void *data, const void *buf, size_t len)
{
	return og_http_write(data, buf, len);
}

/* @names is NULL-terminated. All are looked up before the first byte is sent. */
static int save(struct call *call, const char *const *names, struct og_err *err)
{
	bool oci = og_streq(query_text(call, "format"), "oci");
	int r = 0;

	for (const char *const *name = names; r == 0 && *name != NULL; name++) {
		og_cleanup(og_image_freep) struct og_image *image = NULL;

		r = og_images_find(images(call), *name, &image, err);
	}
	if (r == 0)
		r = og_http_stream(call->request, 200, "application/x-tar", err);
	if (r < 0)
		return r;
	r = og_images_save(images(call), names, oci ? OG_ARCHIVE_OCI : OG_ARCHIVE_DOCKER,
			   write_archive, call->request, err);
	if (r < 0)
		og_http_break(call->request);
	return r;
}

static int save_one(struct call *call, struct og_err *err)
{
	const char *const names[] = { call->param, NULL };

	return save(call, names, err);
}

/* ?names=a&names=b, or names=a,b as newer clients say. */
static int save_many(struct call *call, struct og_err *err)
{
	og_auto_free char *joined = NULL;
	og_cleanup(og_text_done) struct og_text text = {};
	const char *names[SAVED_IMAGES + 1] = {};
	const char *name;
	size_t count = 0;
	char *rest;

	for (size_t i = 0; (name = og_http_query_at(call->request, "names", i)) != NULL; i++)
		og_text_addf(&text, "%s%s", i == 0 ? "" : ",", name);
	joined = og_text_take(&text);
	for (rest = joined; rest != NULL && *rest != '\0';) {
		if (count == SAVED_IMAGES)
			return og_fail(err, -E2BIG, "over %d images at a time", SAVED_IMAGES);
		names[count++] = strsep(&rest, ",");
	}
	if (count == 0)
		return og_fail(err, -EINVAL, "no image was named: set names");
	return save(call, names, err);
}

/* ---- names and removal ---- */

static int tag(struct call *call, struct og_err *err)
{
	og_auto_free char *target =
		join_reference(query_text(call, "repo"), query_text(call, "tag"));
	int r;

	if (target == NULL)
		return -ENOMEM;
	r = og_images_tag(images(call), call->param, target, err);
	if (r < 0)
		return r;
	og_events_image(call->engine, "tag", call->param, target);
	return reply_empty(call, 201);
}

static struct og_json *removed_json(struct call *call, const struct og_removed_list *removed)
{
	struct og_json *list = og_json_new_array();

	for (size_t i = 0; i < removed->count; i++) {
		const struct og_removed *item = &removed->items[i];
		struct og_json *json = og_json_new_object();

		og_json_set_string(json, item->deleted ? "Deleted" : "Untagged", item->name);
		og_json_push(list, json);
		og_events_image(call->engine, item->deleted ? "delete" : "untag", item->name,
				item->name);
	}
	og_engine_forget_images(call->engine);
	return list;
}

static int remove_(struct call *call, struct og_err *err)
{
	og_cleanup(og_removed_list_done) struct og_removed_list removed = {};
	int r = og_images_remove(images(call), call->param, query_bool(call, "force", false),
				 og_engine_image_use, call->engine, &removed, err);

	return r < 0 ? r : reply_json(call, 200, removed_json(call, &removed));
}

static int prune(struct call *call, struct og_err *err)
{
	static const char *const accepted[] = { "dangling", NULL };
	og_cleanup(og_removed_list_done) struct og_removed_list removed = {};
	og_cleanup(og_json_freep) struct og_json *filters = NULL;
	struct og_json *answer, *list;
	bool all;
	int r = og_filters_parse(og_http_query(call->request, "filters"), accepted, &filters, err);

	if (r < 0)
		return r;
	all = og_filters_get(filters, "dangling") != NULL &&
	      (og_filters_allow(filters, "dangling", "false") ||
	       og_filters_allow(filters, "dangling", "0"));
	r = og_images_prune(images(call), all, og_engine_image_use, call->engine, &removed, err);
	if (r < 0)
		return r;
	answer = og_json_new_object();
	list = removed_json(call, &removed);
	if (og_json_count(list) == 0)
		list = og_json_free(list);
	og_json_set(answer, "ImagesDeleted", list);
	og_json_set_int(answer, "SpaceReclaimed", (int64_t)removed.reclaimed_bytes);
	return reply_json(call, 200, answer);
}

const struct route image_routes[] = {
	{ "GET", "/images/json", list, BODY_NONE },
	{ "POST", "/images/create", create, BODY_STREAM },
	{ "POST", "/images/load", load, BODY_STREAM },
	{ "POST", "/images/prune", prune, BODY_NONE },
	{ "GET", "/images/get", save_many, BODY_NONE },
	{ "GET", "/images/{*}/get", save_one, BODY_NONE },
	{ "GET", "/images/{*}/json", inspect, BODY_NONE },
	{ "GET", "/images/{*}/history", history, BODY_NONE },
	{ "POST", "/images/{*}/tag", tag, BODY_NONE },
	{ "DELETE", "/images/{*}", remove_, BODY_NONE },
	{},
};
