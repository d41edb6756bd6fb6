/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree. An object is a list, so that members keep their order, and from INDEX_FROM members on
 * also a balanced tree, so that one of a million members costs a stranger's document no more than
 * it costs its sender.
 */
#include <errno.h>
#include <inttypes.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "base/json_value.h"

#define INDEX_FROM 16 /* members that a walk through the list is the fastest for */

struct og_json *og_json_alloc(enum og_json_kind kind)
{
	struct og_json *value = calloc(1, sizeof(*value));

	if (value != NULL)
		value->kind = kind;
	return value;
}

struct og_json *og_json_alloc_string(size_t max_len, char **ret_text)
{
	struct og_json *value = malloc(sizeof(*value) + max_len + 1);

	if (value == NULL)
		return NULL;
	*ret_text = (char *)(value + 1);
	*value = (struct og_json){ .kind = OG_JSON_STRING, .string.text = *ret_text };
	return value;
}

int og_json_append(struct og_json *array, struct og_json *value)
{
	if (og_grow(array->array.items, array->array.count) < 0)
		return -ENOMEM;
	array->array.items[array->array.count++] = value;
	return 0;
}

/* ---- members ---- */

struct og_json_entry *og_json_entry_new(size_t max_len, char **ret_key)
{
	struct og_json_entry *entry = malloc(sizeof(*entry) + max_len + 1);

	if (entry == NULL)
		return NULL;
	*ret_key = (char *)(entry + 1);
	*entry = (struct og_json_entry){ .key = *ret_key };
	return entry;
}

static int compare(const void *a, const void *b)
{
	const struct og_json_entry *one = a;
	const struct og_json_entry *other = b;

	return strcmp(one->key, other->key);
}

struct og_json_entry *og_json_entry_find(const struct og_json *object, const char *key)
{
	if (object->object.index != NULL) {
		struct og_json_entry wanted = { .key = key };
		struct og_json_entry *const *found = tfind(&wanted, &object->object.index, compare);

		return found != NULL ? *found : NULL;
	}
	for (struct og_json_entry *entry = object->object.first; entry != NULL;
	     entry = entry->next) {
		if (strcmp(entry->key, key) == 0)
			return entry;
	}
	return NULL;
}

/* When it has become large, everything that is in it. */
static int index_entry(struct og_json *object, struct og_json_entry *entry)
{
	struct og_json_entry *at = object->object.index == NULL ? object->object.first : NULL;

	if (object->object.count < INDEX_FROM)
		return 0;
	for (; at != NULL; at = at->next) {
		if (tsearch(at, &object->object.index, compare) == NULL)
			return -ENOMEM;
	}
	return tsearch(entry, &object->object.index, compare) == NULL ? -ENOMEM : 0;
}

int og_json_entry_add(struct og_json *object, struct og_json_entry *entry)
{
	int r = index_entry(object, entry);

	if (r < 0)
		return r;
	entry->next = NULL;
	if (object->object.last != NULL)
		object->object.last->next = entry;
	else
		object->object.first = entry;
	object->object.last = entry;
	object->object.count++;
	return 0;
}

static void keep(void *entry)
{
	(void)entry;
}

static void free_members(struct og_json *object)
{
	struct og_json_entry *next;

	tdestroy(object->object.index, keep);
	for (struct og_json_entry *entry = object->object.first; entry != NULL; entry = next) {
		next = entry->next;
		og_json_free(entry->value);
		free(entry);
	}
}

struct og_json *og_json_free(struct og_json *root)
{
	if (root == NULL)
		return NULL;
	if (root->kind == OG_JSON_OBJECT)
		free_members(root);
	if (root->kind == OG_JSON_ARRAY) {
		for (size_t i = 0; i < root->array.count; i++)
			og_json_free(root->array.items[i]);
		free(root->array.items);
	}
	free(root);
	return NULL;
}

/* ---- reading ---- */

enum og_json_kind og_json_kind(const struct og_json *value)
{
	return value == NULL ? OG_JSON_NULL : value->kind;
}

struct og_json *og_json_get(const struct og_json *object, const char *key)
{
	const struct og_json_entry *entry = NULL;

	if (og_json_kind(object) == OG_JSON_OBJECT)
		entry = og_json_entry_find(object, key);
	return entry != NULL ? entry->value : NULL;
}

size_t og_json_count(const struct og_json *value)
{
	if (og_json_kind(value) == OG_JSON_ARRAY)
		return value->array.count;
	return og_json_kind(value) == OG_JSON_OBJECT ? value->object.count : 0;
}

struct og_json *og_json_at(const struct og_json *array, size_t index)
{
	if (og_json_kind(array) != OG_JSON_ARRAY || index >= array->array.count)
		return NULL;
	return array->array.items[index];
}

bool og_json_next(const struct og_json *object, struct og_json_member *member)
{
	const struct og_json_entry *entry = member->next;

	if (!member->started && og_json_kind(object) == OG_JSON_OBJECT)
		entry = object->object.first;
	member->started = true;
	if (entry == NULL)
		return false;
	member->key = entry->key;
	member->value = entry->value;
	member->next = entry->next;
	return true;
}

const char *og_json_string(const struct og_json *value, const char *otherwise)
{
	return og_json_kind(value) == OG_JSON_STRING ? value->string.text : otherwise;
}

int64_t og_json_int(const struct og_json *value, int64_t otherwise)
{
	if (og_json_kind(value) != OG_JSON_INT)
		return otherwise;
	if (!value->negative && value->integer > INT64_MAX)
		return INT64_MAX;
	return (int64_t)value->integer;
}

uint64_t og_json_uint(const struct og_json *value, uint64_t otherwise)
{
	if (og_json_kind(value) != OG_JSON_INT || value->negative)
		return otherwise;
	return value->integer;
}

bool og_json_has(const struct og_json *object, const char *key)
{
	struct og_json_member member = {};

	while (og_json_next(object, &member))
		if (strcmp(member.key, key) == 0)
			return true;
	return false;
}

const char *og_json_stray(const struct og_json *object, const char *const *names)
{
	struct og_json_member member = {};

	while (og_json_next(object, &member)) {
		size_t i = 0;

		while (names[i] != NULL && strcmp(names[i], member.key) != 0)
			i++;
		if (names[i] == NULL)
			return member.key;
	}
	return NULL;
}

bool og_json_bool(const struct og_json *value, bool otherwise)
{
	return og_json_kind(value) == OG_JSON_BOOL ? value->boolean : otherwise;
}

double og_json_double(const struct og_json *value, double otherwise)
{
	if (og_json_kind(value) == OG_JSON_DOUBLE)
		return value->number;
	if (og_json_kind(value) != OG_JSON_INT)
		return otherwise;
	return value->negative ? (double)(int64_t)value->integer : (double)value->integer;
}

/* Finds a member of @kind: 1, or 0 when there is none, or -EINVAL when it is of another kind. */
static int opt_member(const struct og_json *object, const char *key, enum og_json_kind kind,
		      struct og_json **ret_value, struct og_err *err)
{
	static const char *const names[] = {
		[OG_JSON_NULL] = "null",	[OG_JSON_BOOL] = "a boolean",
		[OG_JSON_INT] = "an integer",	[OG_JSON_DOUBLE] = "a number",
		[OG_JSON_STRING] = "a string",	[OG_JSON_ARRAY] = "an array",
		[OG_JSON_OBJECT] = "an object",
	};
	struct og_json *value = og_json_get(object, key);

	if (value == NULL)
		return 0;
	if (og_json_kind(value) != kind)
		return og_fail(err, -EINVAL, "%s is not %s", key, names[kind]);
	*ret_value = value;
	return 1;
}

int og_json_opt_string(const struct og_json *object, const char *key, const char **ret_value,
		       struct og_err *err)
{
	struct og_json *value = NULL;
	int r = opt_member(object, key, OG_JSON_STRING, &value, err);

	if (r > 0)
		*ret_value = value->string.text;
	return r < 0 ? r : 0;
}

int og_json_opt_int(const struct og_json *object, const char *key, int64_t min, int64_t max,
		    int64_t *ret_value, struct og_err *err)
{
	struct og_json *value = NULL;
	int r = opt_member(object, key, OG_JSON_INT, &value, err);
	int64_t number;

	if (r <= 0)
		return r;
	number = (int64_t)value->integer;
	if (!value->negative && value->integer > INT64_MAX)
		return og_fail(err, -ERANGE, "%s is %" PRIu64 ", not from %" PRId64 " to %" PRId64,
			       key, value->integer, min, max);
	if (number < min || number > max)
		return og_fail(err, -ERANGE, "%s is %" PRId64 ", not from %" PRId64 " to %" PRId64,
			       key, number, min, max);
	*ret_value = number;
	return 0;
}

int og_json_opt_bool(const struct og_json *object, const char *key, bool *ret_value,
		     struct og_err *err)
{
	struct og_json *value = NULL;
	int r = opt_member(object, key, OG_JSON_BOOL, &value, err);

	if (r > 0)
		*ret_value = value->boolean;
	return r < 0 ? r : 0;
}

int og_json_opt_object(const struct og_json *object, const char *key, struct og_json **ret_value,
		       struct og_err *err)
{
	int r = opt_member(object, key, OG_JSON_OBJECT, ret_value, err);

	return r < 0 ? r : 0;
}

int og_json_opt_array(const struct og_json *object, const char *key, struct og_json **ret_value,
		      struct og_err *err)
{
	int r = opt_member(object, key, OG_JSON_ARRAY, ret_value, err);

	return r < 0 ? r : 0;
}

/* ---- building ---- */

static void *must(void *memory)
{
	if (memory == NULL)
		abort();
	return memory;
}

struct og_json *og_json_new_object(void)
{
	return must(og_json_alloc(OG_JSON_OBJECT));
}

struct og_json *og_json_new_array(void)
{
	return must(og_json_alloc(OG_JSON_ARRAY));
}

struct og_json *og_json_new_string(const char *text)
{
	struct og_json *value = NULL;
	char *copy = NULL;

	if (text == NULL)
		return NULL;
	value = must(og_json_alloc_string(strlen(text), &copy));
	strcpy(copy, text);
	return value;
}

struct og_json *og_json_new_int(int64_t number)
{
	struct og_json *value = must(og_json_alloc(OG_JSON_INT));

	value->integer = (uint64_t)number;
	value->negative = number < 0;
	return value;
}

struct og_json *og_json_new_uint(uint64_t number)
{
	struct og_json *value = must(og_json_alloc(OG_JSON_INT));

	value->integer = number;
	return value;
}

struct og_json *og_json_new_double(double number)
{
	struct og_json *value = must(og_json_alloc(OG_JSON_DOUBLE));

	value->number = number;
	return value;
}

struct og_json *og_json_new_bool(bool boolean)
{
	struct og_json *value = must(og_json_alloc(OG_JSON_BOOL));

	value->boolean = boolean;
	return value;
}

struct og_json *og_json_copy(const struct og_json *value)
{
	struct og_json_member member = {};
	struct og_json *copy;

	if (value == NULL)
		return NULL;
	if (value->kind == OG_JSON_STRING)
		return og_json_new_string(value->string.text);
	copy = must(og_json_alloc(value->kind));
	if (value->kind == OG_JSON_ARRAY) {
		for (size_t i = 0; i < value->array.count; i++)
			og_json_push(copy, og_json_copy(value->array.items[i]));
	} else if (value->kind == OG_JSON_OBJECT) {
		while (og_json_next(value, &member))
			og_json_set(copy, member.key, og_json_copy(member.value));
	} else {
		*copy = *value;
	}
	return copy;
}

void og_json_set(struct og_json *object, const char *key, struct og_json *value)
{
	struct og_json_entry *entry = og_json_entry_find(object, key);
	char *copy = NULL;

	if (entry != NULL) {
		og_json_free(entry->value);
		entry->value = value;
		return;
	}
	entry = must(og_json_entry_new(strlen(key), &copy));
	strcpy(copy, key);
	entry->value = value;
	if (og_json_entry_add(object, entry) < 0)
		abort();
}

void og_json_set_string(struct og_json *object, const char *key, const char *text)
{
	og_json_set(object, key, og_json_new_string(text));
}

void og_json_set_int(struct og_json *object, const char *key, int64_t value)
{
	og_json_set(object, key, og_json_new_int(value));
}

void og_json_set_bool(struct og_json *object, const char *key, bool value)
{
	og_json_set(object, key, og_json_new_bool(value));
}

void og_json_push(struct og_json *array, struct og_json *value)
{
	if (og_json_append(array, value) < 0)
		abort();
}

void og_json_unset(struct og_json *object, const char *key)
{
	struct og_json_entry *before = NULL;
	struct og_json_entry *entry = og_json_entry_find(object, key);

	if (entry == NULL)
		return;
	for (struct og_json_entry *at = object->object.first; at != entry; at = at->next)
		before = at;
	if (before != NULL)
		before->next = entry->next;
	else
		object->object.first = entry->next;
	if (object->object.last == entry)
		object->object.last = before;
	object->object.count--;
	if (object->object.index != NULL)
		(void)tdelete(entry, &object->object.index, compare);
	og_json_free(entry->value);
	free(entry);
}
