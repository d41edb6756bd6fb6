/* SPDX-License-Identifier: Apache-2.0 */
#include "client/template.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX     3
#define WORD_LEN_MAX  256
#define NESTED_MAX    16
#define NO_VALUE_TEXT "<no value>"

struct words {
	char items[WORDS_MAX][WORD_LEN_MAX];
	size_t count;
};

static void add_value(const struct og_json *value, struct og_text *out, int depth)
{
	struct og_json_member member = {};
	const char *gap = "";

	switch (og_json_kind(value)) {
	case OG_JSON_NULL:
		og_text_add(out, "<nil>");
		break;
	case OG_JSON_BOOL:
		og_text_add(out, og_json_bool(value, false) ? "true" : "false");
		break;
	case OG_JSON_INT:
		og_text_addf(out, "%lld", (long long)og_json_int(value, 0));
		break;
	case OG_JSON_DOUBLE:
		og_text_addf(out, "%g", og_json_double(value, 0.0));
		break;
	case OG_JSON_STRING:
		og_text_add(out, og_json_string(value, ""));
		break;
	case OG_JSON_ARRAY:
		og_text_add(out, "[");
		for (size_t i = 0; i < og_json_count(value) && depth < NESTED_MAX; i++) {
			og_text_add(out, i > 0 ? " " : "");
			add_value(og_json_at(value, i), out, depth + 1);
		}
		og_text_add(out, "]");
		break;
	case OG_JSON_OBJECT:
		og_text_add(out, "map[");
		while (depth < NESTED_MAX && og_json_next(value, &member)) {
			og_text_addf(out, "%s%s:", gap, member.key);
			add_value(member.value, out, depth + 1);
			gap = " ";
		}
		og_text_add(out, "]");
		break;
	}
}

void og_template_value(const struct og_json *value, struct og_text *out)
{
	add_value(value, out, 0);
}

/* Cuts `join .A.B ", "` into words; a quoted one may hold blanks. */
static int cut_words(const char *text, size_t len, struct words *words)
{
	size_t at = 0;

	words->count = 0;
	for (;;) {
		size_t out = 0;
		bool quoted;

		while (at < len && isspace((unsigned char)text[at]))
			at++;
		if (at == len)
			return 0;
		if (words->count == WORDS_MAX)
			return -EINVAL;
		quoted = text[at] == '"';
		at += quoted;
		while (at < len && (quoted ? text[at] != '"' : !isspace((unsigned char)text[at]))) {
			if (out + 1 >= WORD_LEN_MAX)
				return -EINVAL;
			words->items[words->count][out++] = text[at++];
		}
		if (quoted && at == len)
			return -EINVAL;
		at += quoted;
		words->items[words->count++][out] = '\0';
	}
}

/* ".A.B" within @value; NULL when it is not there. */
static const struct og_json *find_path(const struct og_json *value, const char *path)
{
	char name[WORD_LEN_MAX];

	while (value != NULL && *path == '.' && path[1] != '\0') {
		size_t len = strcspn(path + 1, ".");

		(void)snprintf(name, sizeof(name), "%.*s", (int)len, path + 1);
		value = og_json_get(value, name);
		path += len + 1;
	}
	return value;
}

static void show_plain(const struct og_json *value, const char *argument, struct og_text *out)
{
	(void)argument;
	if (value == NULL)
		og_text_add(out, NO_VALUE_TEXT);
	else
		og_template_value(value, out);
}

static void show_json(const struct og_json *value, const char *argument, struct og_text *out)
{
	og_auto_free char *text = value != NULL ? og_json_write(value) : NULL;

	(void)argument;
	og_text_add(out, text != NULL ? text : "null");
}

static void show_case(const struct og_json *value, struct og_text *out, int (*convert)(int))
{
	size_t start = out->len;

	show_plain(value, NULL, out);
	for (size_t i = start; i < out->len; i++)
		out->buf[i] = (char)convert((unsigned char)out->buf[i]);
}

static void show_upper(const struct og_json *value, const char *argument, struct og_text *out)
{
	(void)argument;
	show_case(value, out, toupper);
}

static void show_lower(const struct og_json *value, const char *argument, struct og_text *out)
{
	(void)argument;
	show_case(value, out, tolower);
}

static void show_len(const struct og_json *value, const char *argument, struct og_text *out)
{
	(void)argument;
	og_text_addf(out, "%zu",
		     og_json_kind(value) == OG_JSON_STRING ? strlen(og_json_string(value, ""))
							   : og_json_count(value));
}

static void show_index(const struct og_json *value, const char *argument, struct og_text *out)
{
	if (og_json_kind(value) == OG_JSON_ARRAY)
		value = og_json_at(value, strtoul(argument, NULL, 10));
	else
		value = og_json_get(value, argument);
	if (value != NULL)
		og_template_value(value, out);
}

static void show_join(const struct og_json *value, const char *argument, struct og_text *out)
{
	for (size_t i = 0; i < og_json_count(value); i++) {
		og_text_add(out, i > 0 ? argument : "");
		if (og_json_at(value, i) != NULL)
			og_template_value(og_json_at(value, i), out);
	}
}

static const struct {
	const char *name;
	size_t words; /* itself counted */
	void (*show)(const struct og_json *value, const char *argument, struct og_text *out);
} functions[] = {
	{ "json", 2, show_json },     { "upper", 2, show_upper }, { "lower", 2, show_lower },
	{ "len", 2, show_len },	      { "index", 3, show_index }, { "join", 3, show_join },
	{ "println", 2, show_plain },
};

static int show_action(const char *text, size_t len, const struct og_json *value,
		       struct og_text *out, struct og_err *err)
{
	struct words words;

	if (cut_words(text, len, &words) < 0 || words.count == 0)
		return og_fail_plain(err, -EINVAL, "format '{{%.*s}}' cannot be read", (int)len,
				     text);
	if (words.count == 1 && words.items[0][0] == '.') {
		show_plain(find_path(value, words.items[0]), NULL, out);
		return 0;
	}
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		if (!og_streq(words.items[0], functions[i].name) ||
		    words.count != functions[i].words || words.items[1][0] != '.')
			continue;
		functions[i].show(find_path(value, words.items[1]),
				  words.count > 2 ? words.items[2] : "", out);
		return 0;
	}
	return og_fail_plain(err, -EINVAL,
			     "format '{{%.*s}}': this part of templates is not known here",
			     (int)len, text);
}

int og_template_show(const char *template, const struct og_json *value, struct og_text *out,
		     struct og_err *err)
{
	while (*template != '\0') {
		if (template[0] == '{' && template[1] == '{') {
			const char *end = strstr(template + 2, "}}");
			int r;

			if (end == NULL)
				return og_fail_plain(err, -EINVAL, "format '%s' has no }}",
						     template);
			r = show_action(template + 2, (size_t)(end - template - 2), value, out,
					err);
			if (r < 0)
				return r;
			template = end + 2;
		} else if (template[0] == '\\' && (template[1] == 't' || template[1] == 'n')) {
			og_text_add(out, template[1] == 't' ? "\t" : "\n");
			template += 2;
		} else {
			og_text_add_bytes(out, template ++, 1);
		}
	}
	return out->failed ? og_fail(err, -ENOMEM, "format") : 0;
}
