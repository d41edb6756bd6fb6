/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_place.h"

static struct json_object *raw(const struct og_json *value)
{
	return (struct json_object *)(uintptr_t)value;
}

static struct og_json *cooked(struct json_object *value)
{
	return (struct og_json *)value;
}

static struct og_json *must(struct json_object *value)
{
	if (value == NULL)
		abort();
	return cooked(value);
}

/* Members in the whole tree, as json-c kept them: of equal keys it keeps one. */
static size_t count_members(struct json_object *value)
{
	size_t count = 0;

	if (json_object_is_type(value, json_type_object)) {
		json_object_object_foreach(value, key, member)
		{
			(void)key;
			count += 1 + count_members(member);
		}
	} else if (json_object_is_type(value, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(value); i++)
			count += count_members(json_object_array_get_idx(value, i));
	}
	return count;
}

static bool integer_fits(const char *token, size_t len)
{
	char digits[24];

	if (len >= sizeof(digits))
		return false;
	memcpy(digits, token, len);
	digits[len] = '\0';
	errno = 0;
	if (digits[0] == '-')
		(void)strtoll(digits, NULL, 10);
	else
		(void)strtoull(digits, NULL, 10);
	return errno == 0;
}

/* Steps over a string; @at is behind its opening quote. Returns the closing quote, NULL on \u0000. */
static const char *string_end(const char *at, const char *end)
{
	while (at < end && *at != '"') {
		if (*at == '\\' && end - at >= 6 && memcmp(at, "\\u0000", 6) == 0)
			return NULL;
		at += *at == '\\' ? 2 : 1;
	}
	return at;
}

/* Bytes of the number at @at; *@ret_integer where it has neither fraction nor exponent. */
static size_t number_span(const char *at, const char *end, bool *ret_integer)
{
	size_t span = 0;

	*ret_integer = true;
	for (; at + span < end && memchr("-+.eE0123456789", at[span], 15) != NULL; span++) {
		if (memchr(".eE", at[span], 3) != NULL)
			*ret_integer = false;
	}
	return span;
}

/*
 * Looks over text that json-c has accepted for what it takes silently. A colon outside of strings
 * is a member, so the text has as many as the tree unless keys were equal.
 */
static int refuse_ambiguity(const char *buf, size_t len, struct json_object *root,
			    struct og_err *err)
{
	char path[OG_JSON_PATH_MAX] = "";
	const char *end = buf + len;
	size_t members = 0;

	for (const char *at = buf; at < end; at++) {
		if (*at == '"') {
			const char *start = at;

			at = string_end(at + 1, end);
			if (at == NULL) {
				og_json_place(buf, (size_t)(start - buf), path, sizeof(path));
				return og_fail(err, -EINVAL, "%s: a string holds NUL", path);
			}
		} else if (*at == ':') {
			members++;
		} else if (*at == '-' || (*at >= '0' && *at <= '9')) {
			bool integer;
			size_t span = number_span(at, end, &integer);

			if (integer && !integer_fits(at, span)) {
				og_json_place(buf, (size_t)(at - buf), path, sizeof(path));
				return og_fail(err, -ERANGE, "%s: integer %.*s", path,
					       span < 24 ? (int)span : 24, at);
			}
			at += span - 1;
		}
	}
	if (members != count_members(root)) {
		(void)og_json_find_twin(buf, len, path, sizeof(path));
		return og_fail(err, -EINVAL, "an object has two equal keys: %s", path);
	}
	return 0;
}

int og_json_parse(const char *buf, size_t len, struct og_json **ret_root, struct og_err *err)
{
	struct json_tokener *tokener;
	struct json_object *root;
	enum json_tokener_error error;
	size_t end;
	int r;

	if (len > INT_MAX - 1)
		return og_fail(err, -EFBIG, "JSON of %zu bytes", len);
	tokener = json_tokener_new_ex(OG_JSON_DEPTH_MAX);
	if (tokener == NULL)
		return og_fail(err, -ENOMEM, "read JSON");
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);

	root = json_tokener_parse_ex(tokener, buf, (int)len);
	error = json_tokener_get_error(tokener);
	if (error == json_tokener_continue) /* a bare number is complete only with what ends it */
		root = json_tokener_parse_ex(tokener, "", 1);
	error = json_tokener_get_error(tokener);
	end = json_tokener_get_parse_end(tokener);
	json_tokener_free(tokener);

	if (error != json_tokener_success)
		return og_fail(err, -EINVAL, "JSON, byte %zu: %s", end,
			       error == json_tokener_continue ? "ends too early"
							      : json_tokener_error_desc(error));
	r = refuse_ambiguity(buf, len, root, err);
	if (r < 0 || root == NULL) {
		json_object_put(root);
		return r < 0 ? og_fail_in(err, r, "JSON") : og_fail(err, -EINVAL, "JSON: null");
	}
	*ret_root = cooked(root);
	return 0;
}

struct og_json *og_json_free(struct og_json *root)
{
	json_object_put(raw(root));
	return NULL;
}

enum og_json_kind og_json_kind(const struct og_json *value)
{
	static const enum og_json_kind kinds[] = {
		[json_type_null] = OG_JSON_NULL,     [json_type_boolean] = OG_JSON_BOOL,
		[json_type_double] = OG_JSON_DOUBLE, [json_type_int] = OG_JSON_INT,
		[json_type_object] = OG_JSON_OBJECT, [json_type_array] = OG_JSON_ARRAY,
		[json_type_string] = OG_JSON_STRING,
	};

	return kinds[json_object_get_type(raw(value))];
}

struct og_json *og_json_get(const struct og_json *object, const char *key)
{
	struct json_object *member = NULL;

	if (og_json_kind(object) == OG_JSON_OBJECT)
		(void)json_object_object_get_ex(raw(object), key, &member);
	return cooked(member);
}

size_t og_json_count(const struct og_json *value)
{
	if (og_json_kind(value) == OG_JSON_ARRAY)
		return json_object_array_length(raw(value));
	if (og_json_kind(value) == OG_JSON_OBJECT)
		return (size_t)json_object_object_length(raw(value));
	return 0;
}

struct og_json *og_json_at(const struct og_json *array, size_t index)
{
	if (og_json_kind(array) != OG_JSON_ARRAY)
		return NULL;
	return cooked(json_object_array_get_idx(raw(array), index));
}

bool og_json_next(const struct og_json *object, struct og_json_member *member)
{
	struct lh_entry *entry = member->next;

	if (!member->started && og_json_kind(object) == OG_JSON_OBJECT)
		entry = lh_table_head(json_object_get_object(raw(object)));
	member->started = true;
	if (entry == NULL)
		return false;
	member->key = lh_entry_k(entry);
	member->value = cooked((struct json_object *)(uintptr_t)lh_entry_v(entry));
	member->next = lh_entry_next(entry);
	return true;
}

const char *og_json_string(const struct og_json *value, const char *otherwise)
{
	return og_json_kind(value) == OG_JSON_STRING ? json_object_get_string(raw(value))
						     : otherwise;
}

int64_t og_json_int(const struct og_json *value, int64_t otherwise)
{
	return og_json_kind(value) == OG_JSON_INT ? json_object_get_int64(raw(value)) : otherwise;
}

uint64_t og_json_uint(const struct og_json *value, uint64_t otherwise)
{
	if (og_json_kind(value) != OG_JSON_INT || json_object_get_int64(raw(value)) < 0)
		return otherwise;
	return json_object_get_uint64(raw(value));
}

bool og_json_bool(const struct og_json *value, bool otherwise)
{
	return og_json_kind(value) == OG_JSON_BOOL ? json_object_get_boolean(raw(value))
						   : otherwise;
}

double og_json_double(const struct og_json *value, double otherwise)
{
	enum og_json_kind kind = og_json_kind(value);

	return kind == OG_JSON_DOUBLE || kind == OG_JSON_INT ? json_object_get_double(raw(value))
							     : otherwise;
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
		*ret_value = json_object_get_string(raw(value));
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
	number = json_object_get_int64(raw(value));
	if (number < min || number > max || json_object_get_uint64(raw(value)) > INT64_MAX)
		return og_fail(err, -ERANGE, "%s is %s, not from %" PRId64 " to %" PRId64, key,
			       json_object_to_json_string(raw(value)), min, max);
	*ret_value = number;
	return 0;
}

int og_json_opt_bool(const struct og_json *object, const char *key, bool *ret_value,
		     struct og_err *err)
{
	struct og_json *value = NULL;
	int r = opt_member(object, key, OG_JSON_BOOL, &value, err);

	if (r > 0)
		*ret_value = json_object_get_boolean(raw(value));
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

struct og_json *og_json_new_object(void)
{
	return must(json_object_new_object());
}

struct og_json *og_json_new_array(void)
{
	return must(json_object_new_array());
}

struct og_json *og_json_new_string(const char *text)
{
	return text == NULL ? NULL : must(json_object_new_string(text));
}

struct og_json *og_json_new_int(int64_t value)
{
	return must(json_object_new_int64(value));
}

struct og_json *og_json_new_uint(uint64_t value)
{
	return must(json_object_new_uint64(value));
}

struct og_json *og_json_new_double(double value)
{
	return must(json_object_new_double(value));
}

struct og_json *og_json_new_bool(bool value)
{
	return must(json_object_new_boolean(value));
}

struct og_json *og_json_copy(const struct og_json *value)
{
	struct json_object *copy = NULL;

	if (value != NULL && json_object_deep_copy(raw(value), &copy, NULL) < 0)
		abort();
	return cooked(copy);
}

void og_json_set(struct og_json *object, const char *key, struct og_json *value)
{
	if (json_object_object_add(raw(object), key, raw(value)) < 0)
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
	if (json_object_array_add(raw(array), raw(value)) < 0)
		abort();
}

void og_json_unset(struct og_json *object, const char *key)
{
	json_object_object_del(raw(object), key);
}

static char *write_with(const struct og_json *value, int flags)
{
	char *text = strdup(json_object_to_json_string_ext(raw(value), flags));

	if (text == NULL)
		abort();
	return text;
}

char *og_json_write(const struct og_json *value)
{
	return write_with(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
}

char *og_json_write_pretty(const struct og_json *value)
{
	return write_with(value, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
					 JSON_C_TO_STRING_NOSLASHESCAPE);
}
