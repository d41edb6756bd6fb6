/* SPDX-License-Identifier: Apache-2.0 */
#include "format/cargo.h"

#include <errno.h>

#include "base/json.h"
#include "base/text.h"

int og_cargo_read_audit(const char *buf, size_t len, og_package_fn *fn, void *data,
			struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	struct og_json *packages;
	int r = og_json_parse(buf, len, &root, err);

	if (r == -EINVAL)
		return -EBADMSG;
	packages = og_json_get(root, "packages");
	for (size_t i = 0; i < og_json_count(packages) && r == 0; i++) {
		const struct og_json *item = og_json_at(packages, i);
		struct og_package_entry entry = {
			.name = og_span_of(og_json_string(og_json_get(item, "name"), NULL)),
			.version = og_span_of(og_json_string(og_json_get(item, "version"), NULL)),
		};

		if (entry.name.len > 0 && entry.version.len > 0 &&
		    !og_streq(og_json_string(og_json_get(item, "kind"), ""), "build"))
			r = fn(data, &entry, err);
	}
	return r;
}
