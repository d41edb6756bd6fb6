/* SPDX-License-Identifier: Apache-2.0 */
#include "format/pypi.h"

#include <errno.h>
#include <strings.h>

#include "base/json.h"

static bool is_field(struct og_span name, const char *wanted)
{
	return name.len == strlen(wanted) && strncasecmp(name.at, wanted, name.len) == 0;
}

int og_pypi_read_metadata(const char *buf, size_t len, og_package_fn *fn, void *data,
			  struct og_err *err)
{
	struct og_span rest = { buf, len }, line, name, value;
	struct og_package_entry entry = {};

	/* The first of equal fields counts; behind the empty line is the description. */
	while (og_span_line(&rest, &line) && og_span_trim(line).len > 0) {
		if (line.at[0] == ' ' || line.at[0] == '\t' ||
		    !og_span_cut(line, ':', &name, &value))
			continue;
		value = og_span_trim(value);
		if (is_field(name, "Name") && entry.name.len == 0)
			entry.name = value;
		else if (is_field(name, "Version") && entry.version.len == 0)
			entry.version = value;
		else if (is_field(name, "License-Expression") ||
			 (is_field(name, "License") && entry.license.len == 0))
			entry.license = value;
	}
	return entry.name.len > 0 && entry.version.len > 0 ? fn(data, &entry, err) : 0;
}

int og_pypi_read_pipfile(const char *buf, size_t len, og_package_fn *fn, void *data,
			 struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	struct og_json_member member = {};
	int r = og_json_parse(buf, len, &root, err);

	if (r == -EINVAL)
		return -EBADMSG;
	while (r == 0 && og_json_next(og_json_get(root, "default"), &member)) {
		struct og_span version =
			og_span_of(og_json_string(og_json_get(member.value, "version"), NULL));
		struct og_package_entry entry = { .name = og_span_of(member.key) };

		/* What comes from a folder or a repository has no version. */
		if (!og_span_starts(version, "==") || version.len == 2 || entry.name.len == 0)
			continue;
		entry.version = (struct og_span){ version.at + 2, version.len - 2 };
		r = fn(data, &entry, err);
	}
	return r;
}
