/* SPDX-License-Identifier: Apache-2.0 */
#include "format/oci_schema.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/weak.h"
#include "format/oci_config.h"

/* More elements in one list than any real configuration has; keeps memory in proportion. */
#define ITEMS_MAX 100000

struct og_schema_block {
	struct og_schema_block *next;
	_Alignas(max_align_t) unsigned char bytes[];
};

/* Where the reader is, from the innermost member outwards. */
struct place {
	const struct place *up;
	const char *name; /* NULL: an element */
	size_t index;
};

struct reader {
	struct og_schema_memory *memory;
	bool strict;
	struct og_err *err;
};

static int read_rows(struct reader *reader, const struct og_schema *rows,
		     const struct og_json *object, const struct place *place, char *target);

static void *allocate(struct reader *reader, size_t count, size_t size)
{
	struct og_schema_block *block = calloc(1, sizeof(*block) + count * size);

	if (block == NULL)
		return NULL;
	block->next = reader->memory->blocks;
	reader->memory->blocks = block;
	return block->bytes;
}

void og_schema_memory_done(struct og_schema_memory *memory)
{
	while (memory->blocks != NULL) {
		struct og_schema_block *block = memory->blocks;

		memory->blocks = block->next;
		free(block);
	}
}

static size_t write_place(const struct place *place, char *buf, size_t size)
{
	size_t at = place->up != NULL ? write_place(place->up, buf, size) : 0;
	int n;

	if (at + 1 >= size)
		return at;
	if (place->name != NULL)
		n = snprintf(buf + at, size - at, "%s%.100s", at > 0 ? "." : "", place->name);
	else
		n = snprintf(buf + at, size - at, "[%zu]", place->index);
	return n < 0 ? at : at + (size_t)n;
}

static int fail(struct reader *reader, const struct place *place, int code, const char *what)
{
	char path[300] = "";

	(void)write_place(place, path, sizeof(path));
	return og_fail(reader->err, code, "%s %s", path, what);
}

static int read_string(struct reader *reader, const struct og_json *value,
		       const struct place *place, const char **ret_string)
{
	const char *string = og_json_string(value, NULL);

	if (string == NULL)
		return fail(reader, place, -EINVAL, "is not a string");
	*ret_string = string;
	return 0;
}

/* The entry of @names that @name is, or NULL. */
static const struct og_schema_name *find_name(const struct og_schema_name *names, const char *name)
{
	for (; names->name != NULL; names++) {
		if (strcmp(names->name, name) == 0)
			return names;
	}
	return NULL;
}

static int read_name(struct reader *reader, const struct og_schema_name *names,
		     const struct og_json *value, const struct place *place,
		     const struct og_schema_name **ret_found)
{
	const char *name = NULL;
	char what[80];
	int r = read_string(reader, value, place, &name);

	if (r < 0)
		return r;
	*ret_found = find_name(names, name);
	if (*ret_found != NULL)
		return 0;
	(void)snprintf(what, sizeof(what), "is '%.40s', which is not known", name);
	return fail(reader, place, -EINVAL, what);
}

/* A string that has to be one of @names, if there are any. */
static int read_word(struct reader *reader, const struct og_schema_name *names,
		     const struct og_json *value, const struct place *place,
		     const char **ret_string)
{
	const struct og_schema_name *found = NULL;
	int r = names != NULL ? read_name(reader, names, value, place, &found) : 0;

	return r < 0 ? r : read_string(reader, value, place, ret_string);
}

static int read_path(struct reader *reader, const struct og_json *value, const struct place *place,
		     const char **ret_path)
{
	int r = read_string(reader, value, place, ret_path);

	if (r == 0 && (*ret_path)[0] != '/')
		return fail(reader, place, -EINVAL, "is not an absolute path");
	return r;
}

static int read_bool(struct reader *reader, const struct og_json *value, const struct place *place,
		     bool *ret_value)
{
	if (og_json_kind(value) != OG_JSON_BOOL)
		return fail(reader, place, -EINVAL, "is not true or false");
	*ret_value = og_json_bool(value, false);
	return 0;
}

static int out_of_range(struct reader *reader, const struct place *place, const char *min,
			uint64_t max)
{
	char what[80];

	(void)snprintf(what, sizeof(what), "is out of range (%s to %llu)", min,
		       (unsigned long long)max);
	return fail(reader, place, -ERANGE, what);
}

static int read_int(struct reader *reader, const struct og_schema *row, const struct og_json *value,
		    const struct place *place, int64_t *ret_value)
{
	int64_t number = og_json_int(value, 0);
	char min[24];

	if (og_json_kind(value) != OG_JSON_INT)
		return fail(reader, place, -EINVAL, "is not an integer");
	if (og_json_uint(value, 0) > INT64_MAX || number < row->min || number > row->max) {
		(void)snprintf(min, sizeof(min), "%lld", (long long)row->min);
		return out_of_range(reader, place, min, (uint64_t)row->max);
	}
	*ret_value = number;
	return 0;
}

static int read_uint(struct reader *reader, const struct og_schema *row,
		     const struct og_json *value, const struct place *place, uint64_t *ret_value)
{
	uint64_t max = row->umax != 0 && !og_weak("A16") ? row->umax : UINT64_MAX;
	uint64_t number = og_json_uint(value, 0);

	if (og_json_kind(value) != OG_JSON_INT)
		return fail(reader, place, -EINVAL, "is not an integer");
	if (og_json_int(value, 0) < 0 || number > max)
		return out_of_range(reader, place, "0", max);
	*ret_value = number;
	return 0;
}

static int read_enum(struct reader *reader, const struct og_schema *row,
		     const struct og_json *value, const struct place *place, int *ret_value)
{
	const struct og_schema_name *found = NULL;
	int r = read_name(reader, row->names, value, place, &found);

	if (r == 0)
		*ret_value = found->value;
	return r;
}

static int check_items(struct reader *reader, const struct og_json *value, enum og_json_kind kind,
		       const struct place *place)
{
	if (og_json_kind(value) != kind)
		return fail(reader, place, -EINVAL,
			    kind == OG_JSON_ARRAY ? "is not an array" : "is not an object");
	if (og_json_count(value) > ITEMS_MAX)
		return fail(reader, place, -ERANGE, "has too many elements");
	return 0;
}

static int read_flags(struct reader *reader, const struct og_schema *row,
		      const struct og_json *value, const struct place *place, uint64_t *ret_flags)
{
	uint64_t flags = 0;
	int r = check_items(reader, value, OG_JSON_ARRAY, place);

	for (size_t i = 0; r == 0 && i < og_json_count(value); i++) {
		struct place at = { .up = place, .index = i };
		const struct og_schema_name *found = NULL;

		r = read_name(reader, row->names, og_json_at(value, i), &at, &found);
		if (r == 0)
			flags |= (uint64_t)found->value;
	}
	if (r == 0)
		*ret_flags = flags;
	return r;
}

static int read_strings(struct reader *reader, const struct og_schema *row,
			const struct og_json *value, const struct place *place,
			struct og_oci_strings *ret_strings)
{
	size_t count = og_json_count(value);
	const char **items;
	int r = check_items(reader, value, OG_JSON_ARRAY, place);

	if (r < 0)
		return r;
	items = allocate(reader, count + 1, sizeof(*items));
	if (items == NULL)
		return fail(reader, place, -ENOMEM, "does not fit in memory");
	for (size_t i = 0; i < count; i++) {
		struct place at = { .up = place, .index = i };

		if (row->kind == OG_SCHEMA_PATHS)
			r = read_path(reader, og_json_at(value, i), &at, &items[i]);
		else
			r = read_word(reader, row->names, og_json_at(value, i), &at, &items[i]);
		if (r < 0)
			return r;
	}
	*ret_strings = (struct og_oci_strings){ .items = items, .count = count };
	return 0;
}

/* What arrays of structs, and uint64_t arrays, look like: the reader knows no more of them. */
struct list {
	void *items;
	size_t count;
};

static int read_uints(struct reader *reader, const struct og_schema *row,
		      const struct og_json *value, const struct place *place, struct list *list)
{
	size_t count = og_json_count(value);
	uint64_t *items;
	int r = check_items(reader, value, OG_JSON_ARRAY, place);

	if (r < 0)
		return r;
	items = allocate(reader, count, sizeof(*items));
	if (items == NULL)
		return fail(reader, place, -ENOMEM, "does not fit in memory");
	for (size_t i = 0; i < count; i++) {
		struct place at = { .up = place, .index = i };

		r = read_uint(reader, row, og_json_at(value, i), &at, &items[i]);
		if (r < 0)
			return r;
	}
	*list = (struct list){ .items = items, .count = count };
	return 0;
}

static int read_array(struct reader *reader, const struct og_schema *row,
		      const struct og_json *value, const struct place *place, struct list *list)
{
	size_t count = og_json_count(value);
	char *items;
	int r = check_items(reader, value, OG_JSON_ARRAY, place);

	if (r < 0)
		return r;
	items = allocate(reader, count, row->item_size);
	if (items == NULL)
		return fail(reader, place, -ENOMEM, "does not fit in memory");
	for (size_t i = 0; i < count; i++) {
		struct place at = { .up = place, .index = i };

		r = read_rows(reader, row->rows, og_json_at(value, i), &at,
			      items + i * row->item_size);
		if (r < 0)
			return r;
	}
	*list = (struct list){ .items = items, .count = count };
	return 0;
}

/* An object whose members' names are data: pairs of strings (no rows), or structs. */
static int read_map(struct reader *reader, const struct og_schema *row, const struct og_json *value,
		    const struct place *place, struct list *list)
{
	size_t size = row->rows != NULL ? row->item_size : sizeof(struct og_oci_pair);
	struct og_json_member member = {};
	size_t i = 0;
	char *items;
	int r = check_items(reader, value, OG_JSON_OBJECT, place);

	if (r < 0)
		return r;
	items = allocate(reader, og_json_count(value), size);
	if (items == NULL)
		return fail(reader, place, -ENOMEM, "does not fit in memory");
	for (; og_json_next(value, &member); i++) {
		struct place at = { .up = place, .name = member.key };
		struct og_oci_pair *pair = (void *)(items + i * size);

		pair->key = member.key;
		if (row->rows != NULL)
			r = read_rows(reader, row->rows, member.value, &at, items + i * size);
		else
			r = read_string(reader, member.value, &at, &pair->value);
		if (r < 0)
			return r;
	}
	*list = (struct list){ .items = items, .count = i };
	return 0;
}

static int read_member(struct reader *reader, const struct og_schema *row,
		       const struct og_json *value, const struct place *place, void *target)
{
	struct og_oci_bool *opt_bool = target;
	struct og_oci_uint *opt_uint = target;
	struct og_oci_int *opt_int = target;

	switch (row->kind) {
	case OG_SCHEMA_STRING:
		return read_word(reader, row->names, value, place, target);
	case OG_SCHEMA_PATH:
		return read_path(reader, value, place, target);
	case OG_SCHEMA_BOOL:
		return read_bool(reader, value, place, target);
	case OG_SCHEMA_INT:
		return read_int(reader, row, value, place, target);
	case OG_SCHEMA_UINT:
		return read_uint(reader, row, value, place, target);
	case OG_SCHEMA_OPT_BOOL:
		opt_bool->set = true;
		return read_bool(reader, value, place, &opt_bool->value);
	case OG_SCHEMA_OPT_INT:
		opt_int->set = true;
		return read_int(reader, row, value, place, &opt_int->value);
	case OG_SCHEMA_OPT_UINT:
		opt_uint->set = true;
		return read_uint(reader, row, value, place, &opt_uint->value);
	case OG_SCHEMA_ENUM:
		return read_enum(reader, row, value, place, target);
	case OG_SCHEMA_STRINGS:
	case OG_SCHEMA_PATHS:
		return read_strings(reader, row, value, place, target);
	case OG_SCHEMA_FLAGS:
		return read_flags(reader, row, value, place, target);
	case OG_SCHEMA_UINTS:
		return read_uints(reader, row, value, place, target);
	case OG_SCHEMA_OBJECT:
		if (row->has_set)
			*(bool *)target = true;
		return read_rows(reader, row->rows, value, place, target);
	case OG_SCHEMA_ARRAY:
		return read_array(reader, row, value, place, target);
	case OG_SCHEMA_PAIRS:
	case OG_SCHEMA_MAP:
		return read_map(reader, row, value, place, target);
	case OG_SCHEMA_END:
		break;
	}
	return 0;
}

/* The place of whoever is directly in the document does not begin with it. */
static const struct place *above(const struct place *place)
{
	return place->name == NULL && place->up == NULL ? NULL : place;
}

static int refuse_others(struct reader *reader, const struct og_schema *rows,
			 const struct og_json *object, const struct place *place)
{
	struct og_json_member member = {};

	while (og_json_next(object, &member)) {
		struct place at = { .up = above(place), .name = member.key };
		const struct og_schema *row = rows;

		while (row->kind != OG_SCHEMA_END && strcmp(row->name, member.key) != 0)
			row++;
		if (row->kind == OG_SCHEMA_END)
			return fail(reader, &at, -EINVAL, "is not known");
	}
	return 0;
}

static int read_rows(struct reader *reader, const struct og_schema *rows,
		     const struct og_json *object, const struct place *place, char *target)
{
	if (og_json_kind(object) != OG_JSON_OBJECT)
		return fail(reader, place, -EINVAL, "is not an object");
	if (reader->strict) {
		int r = refuse_others(reader, rows, object, place);

		if (r < 0)
			return r;
	}

	for (const struct og_schema *row = rows; row->kind != OG_SCHEMA_END; row++) {
		struct place at = { .up = above(place), .name = row->name };
		const struct og_json *value = og_json_get(object, row->name);
		int r;

		if (value == NULL && row->required)
			return fail(reader, &at, -EINVAL, "is missing");
		if (value == NULL)
			continue;
		r = read_member(reader, row, value, &at, target + row->offset);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_document(struct reader *reader, const struct og_schema *rows,
			 const struct og_json *object, const char *prefix, void *target)
{
	struct place place = { .name = prefix[0] != '\0' ? prefix : NULL };

	if (prefix[0] == '\0' && og_json_kind(object) != OG_JSON_OBJECT)
		return og_fail(reader->err, -EINVAL, "the document is not an object");
	return read_rows(reader, rows, object, &place, target);
}

int og_schema_read(const struct og_schema *rows, const struct og_json *object, const char *prefix,
		   void *target, struct og_schema_memory *memory, struct og_err *err)
{
	struct reader reader = { .memory = memory, .err = err };

	return read_document(&reader, rows, object, prefix, target);
}

int og_schema_read_strictly(const struct og_schema *rows, const struct og_json *object,
			    const char *prefix, void *target, struct og_schema_memory *memory,
			    struct og_err *err)
{
	struct reader reader = { .memory = memory, .strict = true, .err = err };

	return read_document(&reader, rows, object, prefix, target);
}
