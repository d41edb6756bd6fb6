/* SPDX-License-Identifier: Apache-2.0 */
#include "vmmapi/json_walk.h"

#include <errno.h>
#include <string.h>

static const char *skip_string(const char *at, const char *end)
{
	for (at++; at < end && *at != '"'; at++)
		if (*at == '\\' && at + 1 < end)
			at++;
	return at < end ? at + 1 : end;
}

static const char *skip_value(const char *at, const char *end)
{
	size_t depth = 0;

	while (at < end) {
		if (depth == 0 && strchr(",]}", *at) != NULL)
			return at;
		if (*at == '"') {
			at = skip_string(at, end);
		} else {
			depth += *at == '{' || *at == '[';
			depth -= *at == '}' || *at == ']';
			at++;
		}
	}
	return end;
}

/* One byte of a string, its escapes undone; -1 at its end. */
static int next_char(const char **at, const char *end)
{
	static const char names[] = "bfnrt", values[] = "\b\f\n\r\t", hex[] = "0123456789abcdef";
	const char *found;
	char c;

	if (*at >= end || **at == '"')
		return -1;
	c = *(*at)++;
	if (c != '\\' || *at >= end)
		return (unsigned char)c;
	c = *(*at)++;
	if (c == 'u' && end - *at >= 4) { /* the writer's own: a control character */
		const char *high = strchr(hex, (*at)[2]), *low = strchr(hex, (*at)[3]);

		*at += 4;
		return high == NULL || low == NULL
			       ? '?'
			       : ((int)(high - hex) * 16 + (int)(low - hex)) & 0xff;
	}
	found = strchr(names, c);
	return (unsigned char)(found == NULL || c == '\0' ? c : values[found - names]);
}

/* Whether the string at @at is the segment of a path, whose "~0" is '~' and "~1" is '/'. */
static bool is_key(const char *at, const char *end, const char *segment, size_t len)
{
	at++;
	for (size_t i = 0; i < len; i++) {
		char wanted = segment[i];

		if (wanted == '~' && i + 1 < len &&
		    (segment[i + 1] == '0' || segment[i + 1] == '1'))
			wanted = segment[++i] == '0' ? '~' : '/';
		if (next_char(&at, end) != (unsigned char)wanted)
			return false;
	}
	return next_char(&at, end) < 0;
}

/* Steps through the members of an object or the elements of an array. */
struct walk {
	const char *at, *end;
	const char *key; /* with its quotes; NULL in an array */
	struct og_span value;
};

static bool walk_next(struct walk *walk, bool object)
{
	const char *at = walk->at;

	if (at >= walk->end || *at == '}' || *at == ']')
		return false;
	if (*at == ',')
		at++;
	if (object) {
		if (at >= walk->end || *at != '"')
			return false;
		walk->key = at;
		at = skip_string(at, walk->end);
		if (at >= walk->end || *at != ':')
			return false;
		at++;
	}
	walk->value.at = at;
	walk->value.end = skip_value(at, walk->end);
	walk->at = walk->value.end;
	return walk->value.end > at;
}

static struct walk walk_into(const struct og_span *value)
{
	return (struct walk){ .at = value->at + 1, .end = value->end };
}

static bool find_member(const struct og_span *object, const char *segment, size_t len,
			struct og_span *ret_value)
{
	struct walk walk = walk_into(object);

	while (walk_next(&walk, true)) {
		if (is_key(walk.key, walk.end, segment, len)) {
			*ret_value = walk.value;
			return true;
		}
	}
	return false;
}

static bool find_element(const struct og_span *array, const char *segment, size_t len,
			 struct og_span *ret_value)
{
	struct walk walk = walk_into(array);
	size_t index = 0;

	if (len == 0 || len > 6 || (len > 1 && *segment == '0'))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (segment[i] < '0' || segment[i] > '9')
			return false;
		index = index * 10 + (size_t)(segment[i] - '0');
	}
	do {
		if (!walk_next(&walk, false))
			return false;
	} while (index-- > 0);
	*ret_value = walk.value;
	return true;
}

static bool step(struct og_span *value, const char *segment, size_t len)
{
	struct og_span found;
	bool there = false;

	if (value->at < value->end && *value->at == '{')
		there = find_member(value, segment, len, &found);
	else if (value->at < value->end && *value->at == '[')
		there = find_element(value, segment, len, &found);
	if (there)
		*value = found;
	return there;
}

bool og_span_find(const struct og_span *root, const char *path, size_t len,
		  struct og_span *ret_value)
{
	const char *end = path + len;
	struct og_span value = *root;

	while (path < end) {
		const char *segment = path;

		while (path < end && *path != '/')
			path++;
		if (path > segment && !step(&value, segment, (size_t)(path - segment)))
			return false;
		if (path < end)
			path++;
	}
	if (value.at >= value.end)
		return false;
	*ret_value = value;
	return true;
}

bool og_path_is(const char *path, size_t len, const char *wanted)
{
	for (size_t i = 0; i < len; i++) {
		if (path[i] == '/' && i + 1 < len && path[i + 1] == '/')
			continue;
		if (path[i] != *wanted++)
			return false;
	}
	return *wanted == '\0';
}

ptrdiff_t og_span_copy(const struct og_span *value, char *buf, size_t size)
{
	size_t len = (size_t)(value->end - value->at);

	if (len > size)
		return -ENOSPC;
	memcpy(buf, value->at, len);
	return (ptrdiff_t)len;
}

/* Appends the string at @at to @buf. */
static bool put_string(const char *at, const char *end, char *buf, size_t size, size_t *len)
{
	int c;

	at++;
	while ((c = next_char(&at, end)) >= 0) {
		if (*len == size)
			return false;
		buf[(*len)++] = (char)c;
	}
	return true;
}

static bool put_char(char c, char *buf, size_t size, size_t *len)
{
	if (*len == size)
		return false;
	buf[(*len)++] = c;
	return true;
}

ptrdiff_t og_span_imds(const struct og_span *value, char *buf, size_t size)
{
	struct walk walk = walk_into(value);
	size_t len = 0;

	if (*value->at == '"')
		return put_string(value->at, value->end, buf, size, &len) ? (ptrdiff_t)len
									  : -ENOSPC;
	if (*value->at != '{')
		return -ENOTSUP;
	while (walk_next(&walk, true)) {
		if (len > 0 && !put_char('\n', buf, size, &len))
			return -ENOSPC;
		if (!put_string(walk.key, walk.end, buf, size, &len))
			return -ENOSPC;
		if (*walk.value.at == '{' && !put_char('/', buf, size, &len))
			return -ENOSPC;
	}
	return (ptrdiff_t)len;
}
