/* SPDX-License-Identifier: Apache-2.0 */
#include "format/dpkg.h"

#include <errno.h>
#include <strings.h>

struct paragraph {
	struct og_package_entry entry;
	struct og_span status;
};

/* "glibc (2.36-9)", or a name alone. */
static void set_source(struct og_package_entry *entry, struct og_span value)
{
	struct og_span name, rest, version;

	if (!og_span_cut(value, '(', &name, &rest)) {
		entry->source_name = value;
		return;
	}
	entry->source_name = og_span_trim(name);
	if (og_span_cut(rest, ')', &version, &rest))
		entry->source_version = og_span_trim(version);
}

static bool is_field(struct og_span name, const char *wanted)
{
	return name.len == strlen(wanted) && strncasecmp(name.at, wanted, name.len) == 0;
}

static void set_field(struct paragraph *paragraph, struct og_span name, struct og_span value)
{
	struct og_package_entry *entry = &paragraph->entry;

	if (is_field(name, "Package"))
		entry->name = value;
	else if (is_field(name, "Version"))
		entry->version = value;
	else if (is_field(name, "Architecture"))
		entry->architecture = value;
	else if (is_field(name, "Source"))
		set_source(entry, value);
	else if (is_field(name, "Status"))
		paragraph->status = value;
}

static bool is_there(const struct paragraph *paragraph)
{
	const struct og_package_entry *entry = &paragraph->entry;

	return entry->name.len > 0 && entry->version.len > 0 &&
	       !og_span_ends(paragraph->status, " not-installed") &&
	       !og_span_ends(paragraph->status, " config-files");
}

int og_dpkg_read_status(const char *buf, size_t len, og_package_fn *fn, void *data,
			struct og_err *err)
{
	struct og_span rest = { buf, len }, line, name, value;
	struct paragraph paragraph = {};
	size_t count = 0;
	bool more;
	int r = 0;

	do {
		more = og_span_line(&rest, &line);
		if (!more || og_span_trim(line).len == 0) {
			if (is_there(&paragraph)) {
				if (count++ == OG_PACKAGES_MAX)
					return og_fail_plain(err, -E2BIG, "over %d packages",
							     OG_PACKAGES_MAX);
				r = fn(data, &paragraph.entry, err);
			}
			paragraph = (struct paragraph){};
		} else if (line.at[0] >= 'A' && line.at[0] <= 'z' &&
			   og_span_cut(line, ':', &name, &value)) {
			set_field(&paragraph, name, og_span_trim(value));
		}
	} while (more && r == 0);
	return r;
}

int og_dpkg_read_list(const char *buf, size_t len, bool sums, og_package_file_fn *fn, void *data,
		      struct og_err *err)
{
	struct og_span rest = { buf, len }, line, sum;
	int r = 0;

	while (r == 0 && og_span_line(&rest, &line)) {
		if (sums && !og_span_cut(line, ' ', &sum, &line))
			continue;
		while (sums && line.len > 0 && line.at[0] == ' ')
			line = (struct og_span){ line.at + 1, line.len - 1 };
		if (line.len > 1)
			r = fn(data, (struct og_span){ "", 0 }, line, err);
	}
	return r;
}
