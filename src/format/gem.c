/* SPDX-License-Identifier: Apache-2.0 */
#include "format/gem.h"

#include <errno.h>

/* The first text in quotes. */
static struct og_span quoted(struct og_span span)
{
	for (size_t i = 0; i < span.len; i++) {
		char quote = span.at[i];
		struct og_span text, rest;

		if (quote != '"' && quote != '\'')
			continue;
		rest = (struct og_span){ span.at + i + 1, span.len - i - 1 };
		return og_span_cut(rest, quote, &text, &rest) ? text : (struct og_span){};
	}
	return (struct og_span){};
}

/* "# stub: NAME VERSION PLATFORM PATHS" */
static void read_stub(struct og_span line, struct og_package_entry *entry)
{
	struct og_span rest = { line.at + 8, line.len - 8 }, name, version;

	if (!og_span_cut(rest, ' ', &name, &rest))
		return;
	if (!og_span_cut(rest, ' ', &version, &rest))
		version = rest;
	entry->name = name;
	entry->version = version;
}

int og_gem_read_spec(const char *buf, size_t len, og_package_fn *fn, void *data, struct og_err *err)
{
	struct og_span rest = { buf, len }, line, left, right;
	struct og_package_entry entry = {};

	while (og_span_line(&rest, &line)) {
		line = og_span_trim(line);
		if (og_span_starts(line, "# stub: ") && entry.name.len == 0) {
			read_stub(line, &entry);
			continue;
		}
		if (!og_span_cut(line, '=', &left, &right))
			continue;
		left = og_span_trim(left);
		if (og_span_ends(left, ".name") && entry.name.len == 0)
			entry.name = quoted(right);
		else if (og_span_ends(left, ".version") && entry.version.len == 0)
			entry.version = quoted(right);
		else if ((og_span_ends(left, ".license") || og_span_ends(left, ".licenses")) &&
			 entry.license.len == 0)
			entry.license = quoted(right);
	}
	if (entry.name.len == 0 || entry.version.len == 0 || entry.version.at[0] < '0' ||
	    entry.version.at[0] > '9')
		return 0;
	return fn(data, &entry, err);
}

/* "    NAME (VERSION[-PLATFORM])", with four blanks: those with six are what it needs. */
static bool read_gem(struct og_span line, struct og_package_entry *entry)
{
	struct og_span version, rest;

	if (!og_span_starts(line, "    ") || og_span_starts(line, "     ") ||
	    !og_span_cut(line, '(', &entry->name, &version) ||
	    !og_span_cut(version, ')', &version, &rest))
		return false;
	(void)og_span_cut(version, '-', &version, &rest);
	entry->name = og_span_trim(entry->name);
	entry->version = version;
	return entry->name.len > 0 && version.len > 0;
}

int og_gem_read_lock(const char *buf, size_t len, og_package_fn *fn, void *data, struct og_err *err)
{
	struct og_span rest = { buf, len }, line;
	bool in_gems = false;
	size_t count = 0;
	int r = 0;

	while (r == 0 && og_span_line(&rest, &line)) {
		struct og_package_entry entry = {};

		if (line.len > 0 && line.at[0] != ' ')
			in_gems = og_span_is(og_span_trim(line), "GEM");
		if (!in_gems || !read_gem(line, &entry))
			continue;
		if (count++ == OG_PACKAGES_MAX)
			return og_fail_plain(err, -E2BIG, "over %d packages", OG_PACKAGES_MAX);
		r = fn(data, &entry, err);
	}
	return r;
}
