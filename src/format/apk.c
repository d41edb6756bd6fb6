/* SPDX-License-Identifier: Apache-2.0 */
#include "format/apk.h"

#include <errno.h>

struct paragraph {
	struct og_package_entry entry;
	struct og_span dir; /* of the files that follow */
};

static void set_field(struct paragraph *paragraph, char field, struct og_span value)
{
	switch (field) {
	case 'P':
		paragraph->entry.name = value;
		break;
	case 'V':
		paragraph->entry.version = value;
		break;
	case 'A':
		paragraph->entry.architecture = value;
		break;
	case 'o':
		paragraph->entry.source_name = value;
		break;
	case 'L':
		paragraph->entry.license = value;
		break;
	case 'F':
		paragraph->dir = value;
		break;
	default:
		break;
	}
}

int og_apk_read_installed(const char *buf, size_t len, og_package_fn *package,
			  og_package_file_fn *file, void *data, struct og_err *err)
{
	struct og_span rest = { buf, len }, line;
	struct paragraph paragraph = {};
	size_t count = 0;
	bool more;
	int r = 0;

	do {
		more = og_span_line(&rest, &line);
		if (!more || line.len == 0) {
			const struct og_package_entry *entry = &paragraph.entry;

			if (entry->name.len > 0 && entry->version.len > 0) {
				if (count++ == OG_PACKAGES_MAX)
					return og_fail_plain(err, -E2BIG, "over %d packages",
							     OG_PACKAGES_MAX);
				r = package(data, entry, err);
			}
			paragraph = (struct paragraph){};
		} else if (line.len > 2 && line.at[1] == ':') {
			struct og_span value = { line.at + 2, line.len - 2 };

			set_field(&paragraph, line.at[0], value);
			if (line.at[0] == 'R' && file != NULL)
				r = file(data, paragraph.dir, value, err);
		}
	} while (more && r == 0);
	return r;
}
