/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/config_values.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define COUNT_OF(a)  (sizeof(a) / sizeof((a)[0]))
#define KEY_NEAR_MAX 32U /* chars of keys that are compared */
#define NEAR_ENOUGH  3U	 /* changed characters that are still a slip */

void config_fail(struct config_reader *reader, const struct og_json *object, const char *key,
		 const char *fmt, ...)
{
	char text[OG_ERR_TEXT_MAX];
	unsigned line = og_yaml_line(reader->yaml, object, key);
	va_list args;

	if (reader->r < 0)
		return;
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	reader->r = og_fail_plain(reader->err, -EINVAL, "line %u: %s%s%s", line,
				  key != NULL ? key : "", key != NULL ? ": " : "", text);
}

/* ---- keys ---- */

/* Levenshtein's distance, of short words. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[KEY_NEAR_MAX + 1];
	size_t len = strlen(b);

	if (len > KEY_NEAR_MAX || strlen(a) > KEY_NEAR_MAX)
		return KEY_NEAR_MAX;
	for (unsigned k = 0; k <= len; k++)
		row[k] = k;
	for (unsigned i = 1; a[i - 1] != '\0'; i++) {
		unsigned corner = row[0];

		row[0] = i;
		for (size_t k = 1; k <= len; k++) {
			unsigned change = corner + (a[i - 1] == b[k - 1] ? 0 : 1);
			unsigned shift = (row[k] < row[k - 1] ? row[k] : row[k - 1]) + 1;

			corner = row[k];
			row[k] = change < shift ? change : shift;
		}
	}
	return row[len];
}

static void fail_unknown(struct config_reader *reader, const struct og_json *object,
			 const char *key, const char *where, const char *const *known)
{
	const char *nearest = NULL;
	unsigned least = NEAR_ENOUGH + 1;

	for (size_t i = 0; known[i] != NULL; i++) {
		unsigned d = distance(key, known[i]);

		if (d < least) {
			least = d;
			nearest = known[i];
		}
	}
	if (nearest != NULL)
		config_fail(reader, object, key, "no such key in %s; did you mean '%s'?", where,
			    nearest);
	else
		config_fail(reader, object, key, "no such key in %s", where);
}

void config_keys(struct config_reader *reader, const struct og_json *object, const char *where,
		 const char *const *known)
{
	struct og_json_member member = {};

	while (reader->r == 0 && og_json_next(object, &member)) {
		size_t i = 0;

		while (known[i] != NULL && !og_streq(known[i], member.key))
			i++;
		if (known[i] == NULL)
			fail_unknown(reader, object, member.key, where, known);
		else if (member.value == NULL)
			config_fail(reader, object, member.key, "it has no value");
	}
}

static const struct og_json *get(struct config_reader *reader, const struct og_json *object,
				 const char *key, enum og_json_kind kind, const char *what)
{
	const struct og_json *value = reader->r == 0 ? og_json_get(object, key) : NULL;

	if (value == NULL || og_json_kind(value) == kind)
		return value;
	config_fail(reader, object, key, "it must be %s", what);
	return NULL;
}

const struct og_json *config_section(struct config_reader *reader, const struct og_json *object,
				     const char *key)
{
	return get(reader, object, key, OG_JSON_OBJECT, "a mapping");
}

const struct og_json *config_list(struct config_reader *reader, const struct og_json *object,
				  const char *key)
{
	return get(reader, object, key, OG_JSON_ARRAY, "a list");
}

/* ---- texts ---- */

static bool is_clean(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

/* Takes @text over. */
static void set(struct config_reader *reader, char **value, char *text)
{
	free(*value);
	*value = text;
	if (text == NULL && reader->r == 0)
		reader->r = og_fail(reader->err, -ENOMEM, "read the configuration");
}

static const char *get_text(struct config_reader *reader, const struct og_json *object,
			    const char *key)
{
	const char *text = og_json_string(get(reader, object, key, OG_JSON_STRING, "a text"), NULL);

	if (text == NULL || (text[0] != '\0' && is_clean(text)))
		return text;
	config_fail(reader, object, key, "it is empty, or has control characters");
	return NULL;
}

void config_text(struct config_reader *reader, const struct og_json *object, const char *key,
		 char **value)
{
	const char *text = get_text(reader, object, key);

	if (text != NULL)
		set(reader, value, strdup(text));
}

void config_path(struct config_reader *reader, const struct og_json *object, const char *key,
		 char **value)
{
	const char *text = get_text(reader, object, key);

	if (text == NULL)
		return;
	set(reader, value,
	    text[0] == '/' || og_streq(text, "-") ? strdup(text)
						  : og_strdupf("%s/%s", reader->folder, text));
}

void config_url(struct config_reader *reader, const struct og_json *object, const char *key,
		char **value)
{
	const char *text = get_text(reader, object, key);
	const char *host;

	if (text == NULL)
		return;
	host = og_starts_with(text, "https://")	 ? text + strlen("https://")
	       : og_starts_with(text, "http://") ? text + strlen("http://")
						 : "";
	if (*host == '\0' || *host == '/' || strpbrk(text, " @#\"<>\\") != NULL) {
		config_fail(reader, object, key,
			    "it must be http://HOST or https://HOST, without a user in it");
		return;
	}
	set(reader, value, strdup(text));
	if (*value != NULL && og_ends_with(*value, "/"))
		(*value)[strlen(*value) - 1] = '\0';
}

void config_texts(struct config_reader *reader, const struct og_json *object, const char *key,
		  char ***value)
{
	const struct og_json *list = reader->r == 0 ? og_json_get(object, key) : NULL;
	bool one = og_json_kind(list) == OG_JSON_STRING;
	size_t count = one ? 1 : og_json_count(list);
	char **texts;

	if (list == NULL)
		return;
	if (!one && og_json_kind(list) != OG_JSON_ARRAY) {
		config_fail(reader, object, key, "it must be a text or a list of them");
		return;
	}
	texts = calloc(count + 1, sizeof(*texts));
	for (size_t i = 0; texts != NULL && i < count; i++) {
		const char *text = og_json_string(one ? list : og_json_at(list, i), "");

		if (text[0] == '\0' || !is_clean(text))
			config_fail(reader, object, key, "item %zu is no text", i + 1);
		texts[i] = strdup(text);
		if (texts[i] == NULL)
			break;
	}
	og_strv_free(*value);
	*value = texts;
	if (texts == NULL || (count > 0 && texts[count - 1] == NULL))
		reader->r = og_fail(reader->err, -ENOMEM, "read the configuration");
}

/* ---- numbers ---- */

void config_bool(struct config_reader *reader, const struct og_json *object, const char *key,
		 bool *value)
{
	const struct og_json *given = get(reader, object, key, OG_JSON_BOOL, "true or false");

	*value = og_json_bool(given, *value);
}

void config_number(struct config_reader *reader, const struct og_json *object, const char *key,
		   uint64_t min, uint64_t max, uint64_t *value)
{
	const struct og_json *given = get(reader, object, key, OG_JSON_INT, "a number");
	uint64_t number = og_json_uint(given, UINT64_MAX);

	if (given == NULL)
		return;
	if (number < min || number > max)
		config_fail(reader, object, key, "it must be from %llu to %llu",
			    (unsigned long long)min, (unsigned long long)max);
	else
		*value = number;
}

struct unit {
	const char *name;
	uint64_t factor;
};

/* Reads "NUMBER UNIT"; the unit "" may be among them. */
static bool read_units(const char *text, const struct unit *units, size_t count,
		       uint64_t *ret_value)
{
	size_t digits = strspn(text, "0123456789");
	uint64_t number = 0;

	if (digits == 0 || digits > 18)
		return false;
	for (size_t i = 0; i < digits; i++)
		number = number * 10 + (uint64_t)(text[i] - '0');
	text += digits;
	text += *text == ' ' ? 1 : 0;
	for (size_t i = 0; i < count; i++)
		if (og_streq(text, units[i].name) && number <= INT64_MAX / units[i].factor) {
			*ret_value = number * units[i].factor;
			return true;
		}
	return false;
}

void config_seconds(struct config_reader *reader, const struct og_json *object, const char *key,
		    uint64_t *value)
{
	static const struct unit units[] = {
		{ "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 }, { "w", 604800 },
	};
	const char *text = og_json_string(reader->r == 0 ? og_json_get(object, key) : NULL, "");

	if (reader->r < 0 || og_json_get(object, key) == NULL)
		return;
	if (!read_units(text, units, COUNT_OF(units), value) || *value > INT32_MAX)
		config_fail(reader, object, key,
			    "it must be a time: a number and s, m, h, d or w, as in 90s");
}

void config_bytes(struct config_reader *reader, const struct og_json *object, const char *key,
		  uint64_t *value)
{
	static const struct unit units[] = {
		{ "", 1 },
		{ "B", 1 },
		{ "kB", 1000 },
		{ "MB", 1000000 },
		{ "GB", 1000000000 },
		{ "TB", 1000000000000 },
		{ "KiB", 1ULL << 10 },
		{ "MiB", 1ULL << 20 },
		{ "GiB", 1ULL << 30 },
		{ "TiB", 1ULL << 40 },
	};
	const struct og_json *given = reader->r == 0 ? og_json_get(object, key) : NULL;

	if (given == NULL)
		return;
	if (og_json_kind(given) == OG_JSON_INT && og_json_uint(given, UINT64_MAX) <= INT64_MAX)
		*value = og_json_uint(given, 0);
	else if (!read_units(og_json_string(given, ""), units, COUNT_OF(units), value))
		config_fail(reader, object, key,
			    "it must be a size: bytes, or a number and MB, GiB or the like");
}
