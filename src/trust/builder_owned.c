/* SPDX-License-Identifier: Apache-2.0 */
/* Which packages of languages a distribution's package brought. */
#include <stdlib.h>
#include <string.h>

#include "trust/builder_parts.h"

#define TAIL_BYTES 4 /* fewer than "bin/x" has */
#define TAILS	   16384

/* A bit for the last letters of each file that is looked for: most of the others are told by them alone. */
struct og_builder_tails {
	uint64_t bits[TAILS / 64];
};

/* A path as every list may write it: with or without "/", "./" or "usr/" in front. */
static struct og_span unmoved(struct og_span path)
{
	static const char *const moved[] = { "usr/bin/", "usr/sbin/", "usr/lib/", "usr/lib64/",
					     "usr/lib32/" };

	while (path.len > 0 &&
	       (path.at[0] == '/' || (path.at[0] == '.' && path.len > 1 && path.at[1] == '/')))
		path = (struct og_span){ path.at + 1, path.len - 1 };
	for (size_t i = 0; i < sizeof(moved) / sizeof(moved[0]); i++)
		if (og_span_starts(path, moved[i]))
			return (struct og_span){ path.at + 4, path.len - 4 };
	return path;
}

static uint64_t hash_moved(const struct og_builder *builder, struct og_span path)
{
	path = unmoved(path);
	return og_path_hash(builder->seed, path.at, path.len);
}

static uint64_t hash_joined(const struct og_builder *builder, struct og_span dir,
			    struct og_span name)
{
	char path[OG_INVENTORY_TEXT_MAX];
	size_t len = dir.len;

	if (dir.len + name.len + 1 > sizeof(path))
		return og_path_hash(builder->seed, "", 0);
	memcpy(path, dir.at, dir.len);
	if (path[len - 1] != '/')
		path[len++] = '/';
	if (name.len > 0)
		memcpy(path + len, name.at, name.len);
	return hash_moved(builder, (struct og_span){ path, len + name.len });
}

static size_t tail_of(struct og_span path)
{
	uint32_t tail;

	memcpy(&tail, path.at + path.len - TAIL_BYTES, TAIL_BYTES);
	return (tail * 0x9e3779b9U >> 16) % TAILS;
}

/* What is cut off in front leaves the tail as it is: one that is shorter than it is no file looked for. */
static bool may_be_looked_for(const struct og_builder_tails *tails, struct og_span path)
{
	size_t tail;

	if (path.len < TAIL_BYTES)
		return false;
	tail = tail_of(path);
	return (tails->bits[tail / 64] >> tail % 64 & 1) != 0;
}

int og_builder_owned(void *data, struct og_span dir, struct og_span name, struct og_err *err)
{
	struct og_builder *builder = data;
	struct og_builder_record *record = NULL;
	int r;

	if (builder->tails != NULL && dir.len == 0 && !may_be_looked_for(builder->tails, name))
		return 0;
	r = og_builder_record(builder, &record, err);
	if (r == 0)
		r = og_builder_room(&builder->owned, builder->owned_count, 1,
				    sizeof(*builder->owned), OG_INVENTORY_OWNED_MAX, err);
	if (r < 0)
		return r;
	builder->owned[builder->owned_count++] = dir.len > 0 ? hash_joined(builder, dir, name)
							     : hash_moved(builder, name);
	record->owned_count++;
	return 0;
}

/* A jar in a jar: whoever brought the outer one brought it. */
static struct og_span file_of(const struct og_package *package)
{
	struct og_span path = og_span_of(package->path), inside;

	(void)og_span_cut(path, '!', &path, &inside);
	return path;
}

static bool is_of_language(const struct og_package *package)
{
	return package->type > OG_PACKAGE_RPM;
}

int og_builder_packages_end(struct og_builder *builder, struct og_err *err)
{
	og_auto_free struct og_builder_tails *tails = calloc(1, sizeof(*tails));

	if (tails == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	for (size_t i = 0; i < builder->package_count; i++) {
		struct og_span path = unmoved(file_of(&builder->packages[i]));
		size_t tail;

		if (!is_of_language(&builder->packages[i]))
			continue;
		if (path.len < TAIL_BYTES)
			return 0;
		tail = tail_of(path);
		tails->bits[tail / 64] |= (uint64_t)1 << tail % 64;
	}
	free(builder->own_tails);
	builder->own_tails = og_take_ptr(tails);
	builder->tails = builder->own_tails;
	return 0;
}

/*
 * The files of languages' packages are few, those that distributions own many: it is the few that are
 * kept in a table, each with whether one of the many is it.
 */
static int find_owned(const struct og_builder *builder, struct og_path_map *files)
{
	for (size_t i = 0; i < builder->package_count; i++)
		if (is_of_language(&builder->packages[i]) &&
		    og_path_map_add(files, hash_moved(builder, file_of(&builder->packages[i])), 0,
				    NULL) < 0)
			return -ENOMEM;
	for (size_t i = 0; i < builder->record_count && files->count > 0; i++) {
		const struct og_builder_record *record = &builder->records[i];

		for (uint32_t k = 0; k < record->owned_count && !record->hidden; k++) {
			uint32_t *owned =
				og_path_map_find(files, builder->owned[record->owned_first + k]);

			if (owned != NULL)
				*owned = 1;
		}
	}
	return 0;
}

int og_builder_mark_owned(struct og_builder *builder, struct og_err *err)
{
	og_cleanup(og_path_map_done) struct og_path_map files = {};

	if (find_owned(builder, &files) < 0)
		return og_fail(err, -ENOMEM, "no memory");
	for (size_t i = 0; i < builder->package_count; i++) {
		struct og_package *package = &builder->packages[i];
		const uint32_t *owned = NULL;

		if (is_of_language(package))
			owned = og_path_map_find(&files, hash_moved(builder, file_of(package)));
		package->owned = owned != NULL && *owned != 0;
	}
	return 0;
}
