/* SPDX-License-Identifier: Apache-2.0 */
#include "vmmapi/body.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Where a value stands: a field of a body, or an element of a field's array. */
struct place {
	const struct place *up;
	const char *name; /* NULL: element @index of @up */
	size_t index;
};

#define PATH_MAX_SHOWN 160

static void path_of(const struct place *place, char *path, size_t size)
{
	size_t used;

	path[0] = '\0';
	if (place->up != NULL)
		path_of(place->up, path, size);
	used = strlen(path);
	if (place->name == NULL)
		(void)snprintf(path + used, size - used, "[%zu]", place->index);
	else
		(void)snprintf(path + used, size - used, "%s%s", used > 0 ? "." : "", place->name);
}

static const char *kind_of(const struct og_json *json)
{
	static const char *const names[] = {
		[OG_JSON_NULL] = "null",     [OG_JSON_BOOL] = "boolean",
		[OG_JSON_INT] = "integer",   [OG_JSON_DOUBLE] = "floating point",
		[OG_JSON_STRING] = "string", [OG_JSON_ARRAY] = "sequence",
		[OG_JSON_OBJECT] = "map",
	};

	return names[og_json_kind(json)];
}

/* "invalid type: string, expected a boolean at `x.y`" */
static int wrong_type(const struct place *place, const struct og_json *json, const char *expected,
		      struct og_err *err)
{
	char path[PATH_MAX_SHOWN];

	path_of(place, path, sizeof(path));
	return og_fail_plain(err, -EINVAL, "invalid type: %s, expected %s at `%s`", kind_of(json),
			     expected, path);
}

static int wrong_value(const struct place *place, const char *value, const char *expected,
		       struct og_err *err)
{
	char path[PATH_MAX_SHOWN];

	path_of(place, path, sizeof(path));
	return og_fail_plain(err, -EINVAL, "invalid value: %.60s, expected %s at `%s`", value,
			     expected, path);
}

int og_word_find(const char *const *words, const char *text, bool any_case)
{
	for (int i = 0; words[i] != NULL; i++)
		if (any_case ? strcasecmp(words[i], text) == 0 : strcmp(words[i], text) == 0)
			return i;
	return -1;
}

static int read_bool(const struct og_field *field, const struct og_json *json, uint8_t *value,
		     const struct place *place, struct og_err *err)
{
	bool b = og_json_bool(json, false);

	(void)field;
	if (og_json_kind(json) != OG_JSON_BOOL)
		return wrong_type(place, json, "a boolean", err);
	memcpy(value, &b, sizeof(b));
	return 0;
}

static int read_uint(const struct og_field *field, const struct og_json *json, uint8_t *value,
		     const struct place *place, struct og_err *err)
{
	uint64_t n = og_json_uint(json, 0);
	char expected[80], text[24];

	(void)snprintf(expected, sizeof(expected), "an integer from %u to %" PRIu64, field->min,
		       field->max);
	if (og_json_kind(json) != OG_JSON_INT)
		return wrong_type(place, json, expected, err);
	if (og_json_int(json, 0) < 0 && n == 0) {
		(void)snprintf(text, sizeof(text), "%" PRId64, og_json_int(json, 0));
		return wrong_value(place, text, expected, err);
	}
	if (n < field->min || n > field->max) {
		(void)snprintf(text, sizeof(text), "%" PRIu64, n);
		return wrong_value(place, text, expected, err);
	}
	memcpy(value, &n, sizeof(n));
	return 0;
}

static int read_text(const struct og_field *field, const struct og_json *json, uint8_t *value,
		     const struct place *place, struct og_err *err)
{
	const char *text = og_json_string(json, NULL);
	const char *expected;
	char range[64];

	if (text == NULL)
		return wrong_type(place, json, "a string", err);
	(void)snprintf(range, sizeof(range), "%u to %u bytes", field->min, field->size - 1);
	if (strlen(text) < field->min || strlen(text) >= field->size)
		return wrong_value(place, text, range, err);
	expected = field->check == NULL ? NULL : field->check(text);
	if (expected != NULL)
		return wrong_value(place, text, expected, err);
	memcpy(value, text, strlen(text) + 1);
	return 0;
}

static int read_word(const struct og_field *field, const struct og_json *json, uint8_t *value,
		     const struct place *place, struct og_err *err)
{
	const char *text = og_json_string(json, NULL);
	int found = text == NULL ? -1 : og_word_find(field->words, text, field->any_case);
	char path[PATH_MAX_SHOWN], all[160] = "";
	unsigned word = (unsigned)found;

	for (int i = 0; field->words[i] != NULL; i++)
		(void)snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s`%s`",
			       i > 0 ? ", " : "", field->words[i]);
	if (text == NULL)
		return wrong_type(place, json, "a string", err);
	path_of(place, path, sizeof(path));
	if (found < 0)
		return og_fail_plain(err, -EINVAL,
				     "unknown variant `%.60s`, expected one of %s at `%s`", text,
				     all, path);
	memcpy(value, &word, sizeof(word));
	return 0;
}

static int read_map(const struct og_field *field, const struct og_json *json, uint8_t *value,
		    const struct place *place, struct og_err *err)
{
	struct og_pair *pairs = (struct og_pair *)value;
	struct og_json_member member = {};
	unsigned n = 0;

	if (og_json_kind(json) != OG_JSON_OBJECT)
		return wrong_type(place, json, "a map", err);
	while (og_json_next(json, &member)) {
		struct place at = { .up = place, .name = member.key };
		const char *text = og_json_string(member.value, NULL);

		if (text == NULL)
			return wrong_type(&at, member.value, "a string", err);
		if (n == field->list_max)
			return wrong_value(&at, text, "no further property", err);
		if (strlen(member.key) >= sizeof(pairs[n].key) ||
		    strlen(text) >= sizeof(pairs[n].value))
			return wrong_value(&at, text, "at most 63 bytes and 255", err);
		memcpy(pairs[n].key, member.key, strlen(member.key) + 1);
		memcpy(pairs[n].value, text, strlen(text) + 1);
		n++;
	}
	return (int)n;
}

static int read_body(const struct og_body *body, const struct og_json *json, uint8_t *data,
		     const struct place *place, struct og_err *err);

static int read_struct(const struct og_field *field, const struct og_json *json, uint8_t *value,
		       const struct place *place, struct og_err *err)
{
	return read_body(field->body, json, value, place, err);
}

static int (*const readers[])(const struct og_field *field, const struct og_json *json,
			      uint8_t *value, const struct place *place, struct og_err *err) = {
	[OG_FIELD_BOOL] = read_bool, [OG_FIELD_UINT] = read_uint,   [OG_FIELD_TEXT] = read_text,
	[OG_FIELD_WORD] = read_word, [OG_FIELD_BODY] = read_struct, [OG_FIELD_MAP] = read_map,
};

static int read_list(const struct og_field *field, const struct og_json *json, uint8_t *values,
		     const struct place *place, struct og_err *err)
{
	size_t n = og_json_count(json);
	char text[40], expected[40];

	if (og_json_kind(json) != OG_JSON_ARRAY)
		return wrong_type(place, json, "a sequence", err);
	(void)snprintf(text, sizeof(text), "%zu elements", n);
	(void)snprintf(expected, sizeof(expected), "at most %u", field->list_max);
	if (n > field->list_max)
		return wrong_value(place, text, expected, err);
	for (size_t i = 0; i < n; i++) {
		struct place at = { .up = place, .index = i };
		int r = readers[field->kind](field, og_json_at(json, i), values + i * field->size,
					     &at, err);

		if (r < 0)
			return r;
	}
	return (int)n;
}

static int read_field(const struct og_field *field, const struct og_json *json, uint8_t *data,
		      const struct place *place, struct og_err *err)
{
	bool list = field->list_max > 0 && field->kind != OG_FIELD_MAP;
	int r = (list ? read_list : readers[field->kind])(field, json, data + field->at, place,
							  err);
	unsigned count = (unsigned)r;

	if (r >= 0 && field->list_max > 0)
		memcpy(data + field->count_at, &count, sizeof(count));
	return r < 0 ? r : 0;
}

static void set_fallback(const struct og_field *field, uint8_t *data)
{
	unsigned word = field->fallback;
	uint64_t number = field->fallback;
	bool yes = field->fallback != 0;

	if (field->presence != OG_DEFAULT)
		return;
	if (field->kind == OG_FIELD_BOOL)
		memcpy(data + field->at, &yes, sizeof(yes));
	else if (field->kind == OG_FIELD_WORD)
		memcpy(data + field->at, &word, sizeof(word));
	else if (field->kind == OG_FIELD_UINT)
		memcpy(data + field->at, &number, sizeof(number));
}

static const struct og_field *find_field(const struct og_body *body, const char *name)
{
	for (size_t i = 0; i < body->n_fields; i++)
		if (strcmp(body->fields[i].name, name) == 0)
			return &body->fields[i];
	return NULL;
}

static int refuse_unknown(const struct og_body *body, const struct og_json *json,
			  const struct place *up, struct og_err *err)
{
	struct og_json_member member = {};
	char path[PATH_MAX_SHOWN], all[240] = "";

	while (og_json_next(json, &member)) {
		struct place at = { .up = up, .name = member.key };

		if (find_field(body, member.key) != NULL)
			continue;
		for (size_t i = 0; i < body->n_fields; i++)
			(void)snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s`%s`",
				       i > 0 ? ", " : "", body->fields[i].name);
		path_of(&at, path, sizeof(path));
		return og_fail_plain(err, -EINVAL, "unknown field `%s`, expected one of %s", path,
				     all);
	}
	return 0;
}

static int read_body(const struct og_body *body, const struct og_json *json, uint8_t *data,
		     const struct place *up, struct og_err *err)
{
	uint32_t given = 0;
	char path[PATH_MAX_SHOWN];
	int r;

	if (og_json_kind(json) != OG_JSON_OBJECT)
		return wrong_type(up != NULL ? up : &(struct place){ .name = body->name }, json,
				  "a map", err);
	memset(data, 0, body->size);
	r = refuse_unknown(body, json, up, err);
	for (size_t i = 0; r == 0 && i < body->n_fields; i++) {
		const struct og_field *field = &body->fields[i];
		const struct og_json *value = og_json_get(json, field->name);
		struct place at = { .up = up, .name = field->name };

		if (value != NULL) {
			r = read_field(field, value, data, &at, err);
			given |= (uint32_t)1 << i;
		} else if (field->presence == OG_REQUIRED) {
			path_of(&at, path, sizeof(path));
			r = og_fail_plain(err, -EINVAL, "missing field `%s`", path);
		} else {
			set_fallback(field, data);
		}
	}
	memcpy(data, &given, sizeof(given));
	return r;
}

int og_body_read(const struct og_body *body, const struct og_json *json, void *ret_data,
		 struct og_err *err)
{
	return read_body(body, json, ret_data, NULL, err);
}

static struct og_json *write_map(const struct og_pair *pairs, unsigned n)
{
	struct og_json *json = og_json_new_object();

	for (unsigned i = 0; i < n; i++)
		og_json_set_string(json, pairs[i].key, pairs[i].value);
	return json;
}

static struct og_json *write_one(const struct og_field *field, const uint8_t *value)
{
	uint64_t n;
	unsigned word;
	bool yes;

	switch ((enum og_field_kind)field->kind) {
	case OG_FIELD_BOOL:
		memcpy(&yes, value, sizeof(yes));
		return og_json_new_bool(yes);
	case OG_FIELD_UINT:
		memcpy(&n, value, sizeof(n));
		return og_json_new_uint(n);
	case OG_FIELD_WORD:
		memcpy(&word, value, sizeof(word));
		return og_json_new_string(field->words[word]);
	case OG_FIELD_BODY:
		return og_body_write(field->body, value);
	case OG_FIELD_TEXT:
	case OG_FIELD_MAP:
		break;
	}
	return og_json_new_string((const char *)value);
}

static struct og_json *write_field(const struct og_field *field, const uint8_t *data)
{
	struct og_json *list;
	unsigned n;

	if (field->list_max == 0)
		return write_one(field, data + field->at);
	memcpy(&n, data + field->count_at, sizeof(n));
	if (field->kind == OG_FIELD_MAP)
		return write_map((const struct og_pair *)(data + field->at), n);
	list = og_json_new_array();
	for (unsigned i = 0; i < n; i++)
		og_json_push(list, write_one(field, data + field->at + i * field->size));
	return list;
}

struct og_json *og_body_write(const struct og_body *body, const void *data)
{
	struct og_json *json = og_json_new_object();
	uint32_t given;

	memcpy(&given, data, sizeof(given));
	for (size_t i = 0; i < body->n_fields; i++) {
		const struct og_field *field = &body->fields[i];
		bool there = (given >> i & 1) != 0 || field->presence != OG_OPTIONAL;

		og_json_set(json, field->name, there ? write_field(field, data) : NULL);
	}
	return json;
}

bool og_body_has(const struct og_body *body, const void *data, const char *name)
{
	const struct og_field *field = find_field(body, name);
	uint32_t given;

	memcpy(&given, data, sizeof(given));
	return field != NULL && (given >> (field - body->fields) & 1) != 0;
}

void og_body_mark(const struct og_body *body, void *data, const char *name)
{
	uint32_t given;

	memcpy(&given, data, sizeof(given));
	given |= (uint32_t)1 << (find_field(body, name) - body->fields);
	memcpy(data, &given, sizeof(given));
}

bool og_body_is_deprecated(const struct og_body *body, const void *data)
{
	uint32_t given;

	memcpy(&given, data, sizeof(given));
	for (size_t i = 0; i < body->n_fields; i++)
		if ((given >> i & 1) != 0 && body->fields[i].deprecated)
			return true;
	return false;
}
