/* SPDX-License-Identifier: Apache-2.0 */
/* Where in a text something is, for errors. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"

#define KEY_SHOWN_MAX 100 /* bytes of one key in a path */

/* An object or array that the walk is in. */
struct level {
	bool array;
	size_t index;	 /* of the element */
	const char *key; /* of the member, as it is spelled; NULL: before it */
	size_t key_len;	 /* bytes */
};

struct walk {
	const char *end;
	struct level levels[OG_JSON_DEPTH_MAX + 1];
	size_t depth;
};

static void write_path(const struct walk *walk, char *path, size_t size)
{
	size_t at = 0;

	path[0] = '\0';
	for (size_t i = 0; i < walk->depth; i++) {
		const struct level *level = &walk->levels[i];
		int shown = level->key_len < KEY_SHOWN_MAX ? (int)level->key_len : KEY_SHOWN_MAX;
		int n = 0;

		if (level->array)
			n = snprintf(path + at, size - at, "[%zu]", level->index);
		else if (level->key != NULL)
			n = snprintf(path + at, size - at, "%s%.*s", at > 0 ? "." : "", shown,
				     level->key);
		if (n < 0 || (size_t)n >= size - at)
			return;
		at += (size_t)n;
	}
}

/* The closing quote of the string behind @at, or the end of the text. Strings may be long. */
static const char *string_end(const char *at, const char *end)
{
	while (at < end) {
		const char *quote = memchr(at, '"', (size_t)(end - at));
		const char *stop = quote != NULL ? quote : end;
		const char *escape = memchr(at, '\\', (size_t)(stop - at));

		if (escape == NULL)
			return stop;
		at = escape + (end - escape > 1 ? 2 : 1);
	}
	return end;
}

static bool is_key(const struct walk *walk, const char *quote)
{
	const char *at = quote;

	if (walk->depth == 0 || walk->levels[walk->depth - 1].array || at == walk->end)
		return false;
	for (at++; at < walk->end && memchr(" \t\r\n", *at, 4) != NULL; at++)
		;
	return at < walk->end && *at == ':';
}

static bool enter(struct walk *walk, bool array)
{
	if (walk->depth == sizeof(walk->levels) / sizeof(walk->levels[0]))
		return false;
	walk->levels[walk->depth++] = (struct level){ .array = array };
	return true;
}

/* Steps over the string behind @at; a key becomes the level's. Returns its closing quote. */
static const char *take_string(struct walk *walk, const char *at)
{
	const char *quote = string_end(at, walk->end);

	if (is_key(walk, quote)) {
		struct level *level = &walk->levels[walk->depth - 1];

		level->key = at;
		level->key_len = (size_t)(quote - at);
	}
	return quote;
}

/* Walks until @walk->end, or nesting that no parser would have accepted. */
static void walk_text(struct walk *walk, const char *buf)
{
	for (const char *at = buf; at < walk->end; at++) {
		struct level *level = walk->depth > 0 ? &walk->levels[walk->depth - 1] : NULL;

		if (*at == '"') {
			at = take_string(walk, at + 1);
			if (at == walk->end)
				return;
		} else if (*at == '{' || *at == '[') {
			if (!enter(walk, *at == '['))
				return;
		} else if (*at == '}' || *at == ']') {
			walk->depth -= walk->depth > 0 ? 1 : 0;
		} else if (*at == ',' && level != NULL) {
			level->index++;
			level->key = NULL;
			level->key_len = 0;
		}
	}
}

void og_json_place(const char *buf, size_t offset, char *path, size_t size)
{
	struct walk walk = { .end = buf + offset };

	walk_text(&walk, buf);
	write_path(&walk, path, size);
}
