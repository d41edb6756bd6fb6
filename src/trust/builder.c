/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/builder.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/text.h"
#include "trust/path_map.h"
#include "trust/texts.h"

#define NO_RECORD UINT32_MAX
#define SEEN_KEPT 512 /* slots: clearing more for each file would cost */

/* What was found in one file of one layer. Ranges are of the builder's lists. */
struct record {
	const char *path;
	uint64_t hash;
	size_t layer;
	uint32_t previous; /* record of the same path in a lower layer, or NO_RECORD */
	bool hidden;
	uint32_t package_first, package_count;
	uint32_t owned_first, owned_count;
	uint32_t finding_first, finding_count;
};

struct og_builder {
	struct og_texts *texts; /* owned until handed over */
	uint64_t seed;
	const char *target, *image_digest, *image_id;
	struct og_os_release release[2]; /* of /usr/lib, of /etc */

	struct record *records; /* owned */
	size_t record_count;
	struct og_path_map by_path; /* hash of a path: its newest record */
	struct og_path_map folders; /* hash of a folder with records below: layer it was hidden in */
	struct og_path_map seen;    /* of the record under way: its packages */

	struct og_package *packages; /* owned */
	size_t package_count, language_count;
	uint64_t *owned; /* owned; hashes */
	size_t owned_count;
	struct og_finding *findings; /* owned */
	size_t finding_count;
	struct og_inventory_layer *layers; /* owned */
	size_t layer_count;

	const char *path; /* of the file under way; no record before something is found */
	uint32_t current; /* its record */
	bool has_current;

	void *scratch; /* owned */
	size_t scratch_bytes;
};

static int no_memory(struct og_err *err)
{
	return og_fail(err, -ENOMEM, "no memory");
}

/* Makes room for one more element; lists grow by doubling. */
static int make_room(void *list, size_t count, size_t bytes, size_t max, struct og_err *err)
{
	void **items = list;
	void *more;

	if (count >= max)
		return og_fail_plain(err, -E2BIG, "more was found than the limit of %zu", max);
	if (count != 0 && (count < 64 || (count & (count - 1)) != 0))
		return 0;
	more = reallocarray(*items, count < 64 ? 64 : 2 * count, bytes);
	if (more == NULL)
		return no_memory(err);
	*items = more;
	return 0;
}

static const char *keep(struct og_builder *builder, const char *text)
{
	return og_texts_add(builder->texts, og_span_of(text));
}

int og_builder_new(const char *target, struct og_builder **ret_builder, struct og_err *err)
{
	og_cleanup(og_builder_freep) struct og_builder *builder = calloc(1, sizeof(*builder));

	if (builder == NULL)
		return no_memory(err);
	builder->texts = og_texts_new();
	if (builder->texts == NULL)
		return no_memory(err);
	/* Without a seed a stranger could choose names that fall into one place. */
	if (getrandom(&builder->seed, sizeof(builder->seed), 0) < 0)
		return og_fail(err, -errno, "getrandom");
	builder->image_digest = builder->image_id = "";
	builder->target = keep(builder, target);
	if (builder->target == NULL)
		return no_memory(err);
	*ret_builder = og_take_ptr(builder);
	return 0;
}

struct og_builder *og_builder_free(struct og_builder *builder)
{
	if (builder == NULL)
		return NULL;
	(void)og_texts_free(builder->texts);
	og_path_map_done(&builder->by_path);
	og_path_map_done(&builder->folders);
	og_path_map_done(&builder->seen);
	free(builder->records);
	free(builder->packages);
	free(builder->owned);
	free(builder->findings);
	free(builder->layers);
	free(builder->scratch);
	free(builder);
	return NULL;
}

int og_builder_layer(struct og_builder *builder, const char *digest, const char *diff_id,
		     const char *created_by, struct og_err *err)
{
	struct og_inventory_layer layer = { keep(builder, digest), keep(builder, diff_id),
					    keep(builder, created_by) };
	int r = make_room(&builder->layers, builder->layer_count, sizeof(layer), 65536, err);

	if (r < 0)
		return r;
	if (layer.digest == NULL || layer.diff_id == NULL || layer.created_by == NULL)
		return no_memory(err);
	builder->layers[builder->layer_count++] = layer;
	return 0;
}

int og_builder_image(struct og_builder *builder, const char *digest, const char *id,
		     struct og_err *err)
{
	builder->image_digest = keep(builder, digest);
	builder->image_id = keep(builder, id);
	return builder->image_digest != NULL && builder->image_id != NULL ? 0 : no_memory(err);
}

void og_builder_os(struct og_builder *builder, const struct og_os_release *release, bool of_etc)
{
	builder->release[of_etc] = *release;
}

size_t og_builder_language_packages(const struct og_builder *builder)
{
	return builder->language_count;
}

void *og_builder_scratch(struct og_builder *builder, size_t bytes)
{
	if (bytes > builder->scratch_bytes) {
		free(builder->scratch);
		builder->scratch = malloc(bytes);
		builder->scratch_bytes = builder->scratch != NULL ? bytes : 0;
	}
	return builder->scratch;
}

/* ---- paths and what hides them ---- */

static size_t layer_now(const struct og_builder *builder)
{
	return builder->layer_count > 0 ? builder->layer_count - 1 : OG_LAYER_NONE;
}

static uint64_t hash_path(const struct og_builder *builder, const char *path, size_t len)
{
	return og_path_hash(builder->seed, path, len);
}

static bool is_below(const char *path, const char *folder, size_t len)
{
	return len == 0 || (strncmp(path, folder, len) == 0 && path[len] == '/');
}

static void hide_record(struct og_builder *builder, struct record *record)
{
	record->hidden = true;
	for (uint32_t i = 0; i < record->finding_count; i++)
		builder->findings[record->finding_first + i].deleted = true;
}

/* Nothing is looked through where no record is below, nor twice in one layer. */
static void hide_below(struct og_builder *builder, const char *path)
{
	size_t len = strlen(path), layer = layer_now(builder);
	uint32_t *done = og_path_map_find(&builder->folders, hash_path(builder, path, len));

	if (done == NULL || *done == (uint32_t)layer + 1)
		return;
	*done = (uint32_t)layer + 1;
	for (size_t i = 0; i < builder->record_count; i++) {
		struct record *record = &builder->records[i];

		if (!record->hidden && record->layer < layer && is_below(record->path, path, len))
			hide_record(builder, record);
	}
}

static uint32_t find_record(const struct og_builder *builder, const char *path)
{
	uint32_t *at = og_path_map_find(&builder->by_path, hash_path(builder, path, strlen(path)));

	return at != NULL && og_streq(builder->records[*at].path, path) ? *at : NO_RECORD;
}

static void hide_itself(struct og_builder *builder, const char *path, bool lower_only)
{
	uint32_t at = find_record(builder, path);

	if (at == NO_RECORD || builder->records[at].hidden)
		return;
	if (!lower_only || builder->records[at].layer < layer_now(builder))
		hide_record(builder, &builder->records[at]);
}

void og_builder_hide(struct og_builder *builder, const char *path, bool itself)
{
	if (itself)
		hide_itself(builder, path, true);
	hide_below(builder, path);
}

void og_builder_path(struct og_builder *builder, const char *path, bool directory)
{
	hide_itself(builder, path, false);
	if (!directory)
		hide_below(builder, path);
}

/* ---- what is found in a file ---- */

static uint64_t hash_package(const struct og_builder *builder, const struct og_package *package)
{
	const char *texts[] = { package->name, package->version, package->architecture,
				package->path };
	uint64_t hash = builder->seed + package->type;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		hash = og_path_hash(hash, texts[i], strlen(texts[i]) + 1);
	return hash;
}

/* What the file's predecessor said in the same words is of the predecessor's layer. */
static void inherit_layers(struct og_builder *builder, const struct record *record)
{
	const struct record *previous;

	if (record->previous == NO_RECORD)
		return;
	previous = &builder->records[record->previous];
	for (uint32_t i = 0; i < previous->package_count; i++) {
		const struct og_package *old = &builder->packages[previous->package_first + i];
		uint32_t *at = og_path_map_find(&builder->seen, hash_package(builder, old));

		if (at != NULL)
			builder->packages[*at].layer = old->layer;
	}
}

static void end_file(struct og_builder *builder)
{
	if (!builder->has_current)
		return;
	inherit_layers(builder, &builder->records[builder->current]);
	builder->has_current = false;
	builder->seen.count = 0;
	if (builder->seen.room > SEEN_KEPT)
		og_path_map_done(&builder->seen);
	else if (builder->seen.slots != NULL)
		memset(builder->seen.slots, 0, builder->seen.room * sizeof(*builder->seen.slots));
}

void og_builder_file(struct og_builder *builder, const char *path)
{
	end_file(builder);
	builder->path = path;
}

static int add_folders(struct og_builder *builder, const char *path, struct og_err *err)
{
	uint32_t none = 0;
	int r = og_path_map_add(&builder->folders, hash_path(builder, path, 0), none, NULL);

	for (const char *slash = strchr(path, '/'); slash != NULL && r == 0;
	     slash = strchr(slash + 1, '/'))
		r = og_path_map_add(&builder->folders,
				    hash_path(builder, path, (size_t)(slash - path)), none, NULL);
	return r < 0 ? no_memory(err) : 0;
}

/* The record of the file under way; made when the first thing is found in it. */
static int need_record(struct og_builder *builder, struct record **ret_record, struct og_err *err)
{
	struct record record = { .layer = layer_now(builder), .previous = NO_RECORD };
	uint32_t *newest;
	int r;

	if (builder->has_current) {
		*ret_record = &builder->records[builder->current];
		return 0;
	}
	r = make_room(&builder->records, builder->record_count, sizeof(record),
		      OG_INVENTORY_RECORDS_MAX, err);
	if (r < 0)
		return r;
	record.previous = find_record(builder, builder->path);
	/* One that had to be cleaned is not found again: what it held counts as still there. */
	record.path = keep(builder, builder->path);
	if (record.path == NULL)
		return no_memory(err);
	record.hash = hash_path(builder, builder->path, strlen(builder->path));
	record.package_first = (uint32_t)builder->package_count;
	record.owned_first = (uint32_t)builder->owned_count;
	record.finding_first = (uint32_t)builder->finding_count;
	if (og_path_map_add(&builder->by_path, record.hash, 0, &newest) < 0)
		return no_memory(err);
	*newest = (uint32_t)builder->record_count;
	builder->current = (uint32_t)builder->record_count;
	builder->records[builder->record_count++] = record;
	builder->has_current = true;
	*ret_record = &builder->records[builder->current];
	return add_folders(builder, record.path, err);
}

static int keep_package(struct og_builder *builder, const struct og_package_entry *entry,
			const char *path, struct og_package *package, struct og_err *err)
{
	struct og_texts *texts = builder->texts;

	package->name = og_texts_add(texts, entry->name);
	package->version = og_texts_add(texts, entry->version);
	package->architecture = og_texts_add(texts, entry->architecture);
	package->source_name = entry->source_name.len > 0 ? og_texts_add(texts, entry->source_name)
							  : package->name;
	package->source_version = entry->source_version.len > 0
					  ? og_texts_add(texts, entry->source_version)
					  : package->version;
	package->license = og_texts_add(texts, entry->license);
	package->path = path;
	return package->name != NULL && package->version != NULL && package->architecture != NULL &&
			       package->source_name != NULL && package->source_version != NULL &&
			       package->license != NULL
		       ? 0
		       : no_memory(err);
}

int og_builder_package(struct og_builder *builder, enum og_package_type type,
		       const struct og_package_entry *entry, const char *path, struct og_err *err)
{
	struct og_package package = { .type = type, .layer = layer_now(builder) };
	struct record *record = NULL;
	const char *kept;
	uint32_t *at;
	int r = need_record(builder, &record, err);

	if (r == 0)
		r = make_room(&builder->packages, builder->package_count, sizeof(package),
			      OG_INVENTORY_PACKAGES_MAX, err);
	if (r < 0)
		return r;
	kept = path != NULL ? keep(builder, path) : record->path;
	if (kept == NULL)
		return no_memory(err);
	r = keep_package(builder, entry, kept, &package, err);
	if (r < 0)
		return r;
	if (og_path_map_add(&builder->seen, hash_package(builder, &package),
			    (uint32_t)builder->package_count, &at) < 0)
		return no_memory(err);
	if (*at != builder->package_count)
		return 0; /* a lock file that names it twice */
	builder->packages[builder->package_count++] = package;
	builder->language_count += type > OG_PACKAGE_RPM;
	record->package_count++;
	return 0;
}

/* Of a path as every list may write it: with or without "/", "./" or "usr/" in front. */
static uint64_t hash_moved(const struct og_builder *builder, struct og_span path)
{
	static const char *const moved[] = { "usr/bin/", "usr/sbin/", "usr/lib/", "usr/lib64/",
					     "usr/lib32/" };

	while (path.len > 0 &&
	       (path.at[0] == '/' || (path.at[0] == '.' && path.len > 1 && path.at[1] == '/')))
		path = (struct og_span){ path.at + 1, path.len - 1 };
	for (size_t i = 0; i < sizeof(moved) / sizeof(moved[0]); i++)
		if (og_span_starts(path, moved[i]))
			return hash_path(builder, path.at + 4, path.len - 4);
	return hash_path(builder, path.at, path.len);
}

static uint64_t hash_joined(const struct og_builder *builder, struct og_span dir,
			    struct og_span name)
{
	char path[OG_INVENTORY_TEXT_MAX];
	size_t len = dir.len;

	if (dir.len + name.len + 1 > sizeof(path))
		return hash_path(builder, "", 0);
	memcpy(path, dir.at, dir.len);
	if (path[len - 1] != '/')
		path[len++] = '/';
	if (name.len > 0)
		memcpy(path + len, name.at, name.len);
	return hash_moved(builder, (struct og_span){ path, len + name.len });
}

static struct og_package_entry entry_of(const struct og_package *package)
{
	return (struct og_package_entry){
		.name = og_span_of(package->name),
		.version = og_span_of(package->version),
		.architecture = og_span_of(package->architecture),
		.source_name = og_span_of(package->source_name),
		.source_version = og_span_of(package->source_version),
		.license = og_span_of(package->license),
	};
}

int og_builder_link(struct og_builder *builder, const char *path, const char *target,
		    struct og_err *err)
{
	uint32_t at = find_record(builder, target);
	uint32_t first, count;
	int r = 0;

	if (at == NO_RECORD || builder->records[at].hidden ||
	    builder->records[at].layer != layer_now(builder))
		return 0;
	first = builder->records[at].package_first;
	count = builder->records[at].package_count;
	og_builder_file(builder, path);
	for (uint32_t i = first; i < first + count && r == 0; i++) {
		struct og_package_entry entry = entry_of(&builder->packages[i]);

		r = og_builder_package(builder, builder->packages[i].type, &entry, NULL, err);
	}
	return r;
}

int og_builder_owned(void *data, struct og_span dir, struct og_span name, struct og_err *err)
{
	struct og_builder *builder = data;
	struct record *record = NULL;
	int r = need_record(builder, &record, err);

	if (r == 0)
		r = make_room(&builder->owned, builder->owned_count, sizeof(*builder->owned),
			      OG_INVENTORY_OWNED_MAX, err);
	if (r < 0)
		return r;
	builder->owned[builder->owned_count++] = dir.len > 0 ? hash_joined(builder, dir, name)
							     : hash_moved(builder, name);
	record->owned_count++;
	return 0;
}

/* @finding has texts of the caller's. */
static int keep_finding(struct og_builder *builder, const struct og_finding *finding,
			struct og_err *err)
{
	struct og_finding kept = *finding;
	int r = make_room(&builder->findings, builder->finding_count, sizeof(kept),
			  OG_INVENTORY_FINDINGS_MAX, err);

	if (r < 0)
		return r;
	kept.rule = keep(builder, finding->rule);
	kept.path = keep(builder, finding->path);
	kept.detail = keep(builder, finding->detail);
	if (kept.rule == NULL || kept.path == NULL || kept.detail == NULL)
		return no_memory(err);
	builder->findings[builder->finding_count++] = kept;
	return 0;
}

int og_builder_finding(struct og_builder *builder, enum og_finding_kind kind, const char *rule,
		       const char *detail, struct og_err *err)
{
	struct og_finding finding = { .kind = kind, .rule = rule, .detail = detail };
	struct record *record = NULL;
	int r = need_record(builder, &record, err);

	if (r < 0)
		return r;
	finding.path = record->path;
	finding.layer = record->layer;
	r = keep_finding(builder, &finding, err);
	if (r == 0)
		record->finding_count++;
	return r;
}

int og_builder_config_finding(struct og_builder *builder, enum og_finding_kind kind,
			      const char *rule, const char *name, const char *detail,
			      struct og_err *err)
{
	struct og_finding finding = {
		.kind = kind, .rule = rule, .path = name, .detail = detail, .layer = OG_LAYER_NONE
	};

	return keep_finding(builder, &finding, err);
}

/* ---- the end ---- */

/* A jar in a jar: whoever brought the outer one brought it. */
static uint64_t hash_of_file(const struct og_builder *builder, const struct og_package *package)
{
	struct og_span path = og_span_of(package->path), inside;

	(void)og_span_cut(path, '!', &path, &inside);
	return hash_moved(builder, path);
}

/*
 * The files of languages' packages are few, those that distributions own many: it is the few that are
 * kept in a table, each with whether one of the many is it.
 */
static int find_owned(const struct og_builder *builder, struct og_path_map *files,
		      struct og_err *err)
{
	for (size_t i = 0; i < builder->package_count; i++)
		if (builder->packages[i].type > OG_PACKAGE_RPM &&
		    og_path_map_add(files, hash_of_file(builder, &builder->packages[i]), 0, NULL) <
			    0)
			return no_memory(err);
	for (size_t i = 0; i < builder->record_count && files->count > 0; i++) {
		const struct record *record = &builder->records[i];

		for (uint32_t k = 0; k < record->owned_count && !record->hidden; k++) {
			uint32_t *owned =
				og_path_map_find(files, builder->owned[record->owned_first + k]);

			if (owned != NULL)
				*owned = 1;
		}
	}
	return 0;
}

static bool is_owned(const struct og_builder *builder, const struct og_path_map *files,
		     const struct og_package *package)
{
	const uint32_t *owned;

	if (package->type <= OG_PACKAGE_RPM)
		return false;
	owned = og_path_map_find(files, hash_of_file(builder, package));
	return owned != NULL && *owned != 0;
}

static int compare_packages(const void *left, const void *right)
{
	const struct og_package *a = left, *b = right;
	int order = (a->type > b->type) - (a->type < b->type);

	if (order == 0)
		order = strcmp(a->name, b->name);
	if (order == 0)
		order = strcmp(a->version, b->version);
	if (order == 0)
		order = strcmp(a->architecture, b->architecture);
	return order != 0 ? order : strcmp(a->path, b->path);
}

/* Keeps what no later layer took away, in place: the lists only get shorter. */
static void join_packages(struct og_builder *builder, const struct og_path_map *files)
{
	size_t count = 0;

	for (size_t i = 0; i < builder->record_count; i++) {
		const struct record *record = &builder->records[i];

		for (uint32_t k = 0; k < record->package_count && !record->hidden; k++) {
			struct og_package package = builder->packages[record->package_first + k];

			package.owned = is_owned(builder, files, &package);
			builder->packages[count++] = package;
		}
	}
	builder->package_count = count;
	if (count > 0)
		qsort(builder->packages, count, sizeof(*builder->packages), compare_packages);
}

static int compare_findings(const void *left, const void *right)
{
	const struct og_finding *a = left, *b = right;
	int order = (a->kind > b->kind) - (a->kind < b->kind);

	if (order == 0)
		order = strcmp(a->path, b->path);
	if (order == 0)
		order = strcmp(a->rule, b->rule);
	return order != 0 ? order : (a->layer > b->layer) - (a->layer < b->layer);
}

/* A set-uid program that is gone is gone; a secret that is gone is still in its layer. */
static void join_findings(struct og_builder *builder)
{
	size_t count = 0;

	for (size_t i = 0; i < builder->finding_count; i++) {
		struct og_finding finding = builder->findings[i];

		if (!finding.deleted || finding.kind == OG_FINDING_SECRET)
			builder->findings[count++] = finding;
	}
	builder->finding_count = count;
	if (count > 0)
		qsort(builder->findings, count, sizeof(*builder->findings), compare_findings);
}

int og_builder_finish(struct og_builder *builder, struct og_inventory **ret_inventory,
		      struct og_err *err)
{
	const struct og_os_release *release = &builder->release[builder->release[1].id[0] != '\0'];
	og_cleanup(og_inventory_freep) struct og_inventory *inventory =
		calloc(1, sizeof(*inventory));
	og_cleanup(og_path_map_done) struct og_path_map files = {};
	int r;

	if (inventory == NULL)
		return no_memory(err);
	end_file(builder);
	r = find_owned(builder, &files, err);
	if (r < 0)
		return r;
	join_packages(builder, &files);
	join_findings(builder);
	*inventory = (struct og_inventory){
		.target = builder->target,
		.image_digest = builder->image_digest,
		.image_id = builder->image_id,
		.os_id = keep(builder, release->id),
		.os_version = keep(builder, release->version_id),
		.os_name = keep(builder, release->pretty_name),
		.packages = og_take_ptr(builder->packages),
		.package_count = builder->package_count,
		.findings = og_take_ptr(builder->findings),
		.finding_count = builder->finding_count,
		.layers = og_take_ptr(builder->layers),
		.layer_count = builder->layer_count,
		.texts = og_take_ptr(builder->texts),
	};
	builder->package_count = builder->finding_count = builder->layer_count = 0;
	if (inventory->os_id == NULL || inventory->os_version == NULL || inventory->os_name == NULL)
		return no_memory(err);
	*ret_inventory = og_take_ptr(inventory);
	return 0;
}
