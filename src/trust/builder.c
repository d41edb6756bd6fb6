/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/builder.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "trust/builder_parts.h"

#define NO_RECORD UINT32_MAX
#define SEEN_KEPT 512 /* slots: clearing more for each file would cost */

static int no_memory(struct og_err *err)
{
	return og_fail(err, -ENOMEM, "no memory");
}

/* A list of so many has room for so many: a power of two. */
static size_t room_of(size_t count)
{
	size_t room = count > 0 ? 64 : 0;

	while (room < count)
		room *= 2;
	return room;
}

int og_builder_room(void *list, size_t count, size_t more, size_t bytes, size_t max,
		    struct og_err *err)
{
	void **items = list;
	size_t had = room_of(count), room = room_of(count + more);
	void *moved;

	if (more > max || count > max - more)
		return og_fail_plain(err, -E2BIG, "more was found than the limit of %zu", max);
	if (room == had)
		return 0;
	moved = reallocarray(*items, room, bytes);
	if (moved == NULL)
		return no_memory(err);
	*items = moved;
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
	free(builder->own_tails);
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
	int r = og_builder_room(&builder->layers, builder->layer_count, 1, sizeof(layer), 65536,
				err);

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
	builder->has_release[of_etc] = true;
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

static void hide_record(struct og_builder *builder, struct og_builder_record *record)
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
		struct og_builder_record *record = &builder->records[i];

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
static void inherit_layers(struct og_builder *builder, const struct og_builder_record *record)
{
	const struct og_builder_record *previous;

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

void og_builder_end_file(struct og_builder *builder)
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
	og_builder_end_file(builder);
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

int og_builder_record(struct og_builder *builder, struct og_builder_record **ret_record,
		      struct og_err *err)
{
	struct og_builder_record record = { .layer = layer_now(builder), .previous = NO_RECORD };
	uint32_t *newest;
	int r;

	if (builder->has_current) {
		*ret_record = &builder->records[builder->current];
		return 0;
	}
	r = og_builder_room(&builder->records, builder->record_count, 1, sizeof(record),
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
	struct og_builder_record *record = NULL;
	const char *kept;
	uint32_t *at;
	int r = og_builder_record(builder, &record, err);

	if (r == 0)
		r = og_builder_room(&builder->packages, builder->package_count, 1, sizeof(package),
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

/* @finding has texts of the caller's. */
static int keep_finding(struct og_builder *builder, const struct og_finding *finding,
			struct og_err *err)
{
	struct og_finding kept = *finding;
	int r = og_builder_room(&builder->findings, builder->finding_count, 1, sizeof(kept),
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
	struct og_builder_record *record = NULL;
	int r = og_builder_record(builder, &record, err);

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
static void join_packages(struct og_builder *builder)
{
	size_t count = 0;

	for (size_t i = 0; i < builder->record_count; i++) {
		const struct og_builder_record *record = &builder->records[i];

		for (uint32_t k = 0; k < record->package_count && !record->hidden; k++) {
			builder->packages[count++] = builder->packages[record->package_first + k];
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
	int r;

	if (inventory == NULL)
		return no_memory(err);
	og_builder_end_file(builder);
	r = og_builder_mark_owned(builder, err);
	if (r < 0)
		return r;
	join_packages(builder);
	join_findings(builder);
	*inventory = (struct og_inventory){
		.target = builder->target,
		.unseen = "",
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
