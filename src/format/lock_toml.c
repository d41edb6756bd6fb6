/* SPDX-License-Identifier: Apache-2.0 */
#include "format/lock_toml.h"

#include <errno.h>

/* 'name = "x"' to x; a basic string of TOML without escapes, as names and versions are. */
static bool get_value(struct og_span line, const char *key, struct og_span *ret_value)
{
	struct og_span name, value, rest;

	if (!og_span_cut(line, '=', &name, &value) || !og_span_is(og_span_trim(name), key))
		return false;
	value = og_span_trim(value);
	if (value.len < 2 || value.at[0] != '"')
		return false;
	value = (struct og_span){ value.at + 1, value.len - 1 };
	return og_span_cut(value, '"', ret_value, &rest);
}

/* Poetry says what is for development alone, uv what is the project itself or another folder of it. */
static bool is_left_out(struct og_span line)
{
	static const char *const folders[] = { "virtual", "editable", "directory" };
	struct og_span name, value;

	if (!og_span_cut(line, '=', &name, &value))
		return false;
	name = og_span_trim(name);
	value = og_span_trim(value);
	if (og_span_is(name, "category"))
		return og_span_is(value, "\"dev\"");
	if (og_span_is(name, "groups"))
		return value.len > 0 && memmem(value.at, value.len, "\"main\"", 6) == NULL;
	if (!og_span_is(name, "source") || value.len == 0 || value.at[0] != '{')
		return false;
	value = og_span_trim((struct og_span){ value.at + 1, value.len - 1 });
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (og_span_starts(value, folders[i]))
			return true;
	return false;
}

static bool is_package(struct og_span line)
{
	return og_span_is(line, "[[package]]") || og_span_is(line, "[[packages]]");
}

int og_lock_read_toml(const char *buf, size_t len, og_package_fn *fn, void *data,
		      struct og_err *err)
{
	struct og_span rest = { buf, len }, line;
	struct og_package_entry entry = {};
	bool more, in_package = false, left_out = false;
	size_t count = 0;
	int r = 0;

	do {
		more = og_span_line(&rest, &line);
		line = more ? og_span_trim(line) : (struct og_span){};
		if (!more || (line.len > 0 && line.at[0] == '[')) {
			if (entry.name.len > 0 && entry.version.len > 0 && !left_out) {
				if (count++ == OG_PACKAGES_MAX)
					return og_fail_plain(err, -E2BIG, "over %d packages",
							     OG_PACKAGES_MAX);
				r = fn(data, &entry, err);
			}
			entry = (struct og_package_entry){};
			in_package = more && is_package(line);
			left_out = false;
		} else if (in_package && !get_value(line, "name", &entry.name)) {
			(void)get_value(line, "version", &entry.version);
			left_out = left_out || is_left_out(line);
		}
	} while (more && r == 0);
	return r;
}
