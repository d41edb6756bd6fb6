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

int og_lock_read_toml(const char *buf, size_t len, og_package_fn *fn, void *data,
		      struct og_err *err)
{
	struct og_span rest = { buf, len }, line;
	struct og_package_entry entry = {};
	bool more, in_package = false;
	size_t count = 0;
	int r = 0;

	do {
		more = og_span_line(&rest, &line);
		line = more ? og_span_trim(line) : (struct og_span){};
		if (!more || (line.len > 0 && line.at[0] == '[')) {
			if (entry.name.len > 0 && entry.version.len > 0) {
				if (count++ == OG_PACKAGES_MAX)
					return og_fail_plain(err, -E2BIG, "over %d packages",
							     OG_PACKAGES_MAX);
				r = fn(data, &entry, err);
			}
			entry = (struct og_package_entry){};
			in_package = more && og_span_is(line, "[[package]]");
		} else if (in_package && !get_value(line, "name", &entry.name)) {
			(void)get_value(line, "version", &entry.version);
		}
	} while (more && r == 0);
	return r;
}
