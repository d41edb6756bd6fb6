/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/io.h"
#include "base/text.h"
#include "format/sbom.h"
#include "trust/builder.h"
#include "trust/inspect.h"

static int add_package(void *data, const char *type, const struct og_package_entry *entry,
		       const char *path, struct og_err *err)
{
	/* Kinds that nobody here judges are passed over. */
	for (enum og_package_type i = 0; i < OG_PACKAGE_TYPES; i++)
		if (og_streq(type, og_package_type_name(i)))
			return og_builder_package(data, i, entry, path[0] != '\0' ? path : NULL,
						  err);
	return 0;
}

static void set_os(void *data, const char *id, const char *version)
{
	struct og_os_release release = {};

	(void)snprintf(release.id, sizeof(release.id), "%s", id);
	(void)snprintf(release.version_id, sizeof(release.version_id), "%s", version);
	og_builder_os(data, &release, true);
}

int og_inspect_sbom(int fd, const char *target, struct og_inventory **ret_inventory,
		    struct og_err *err)
{
	static const struct og_sbom_ops ops = { add_package, set_os };
	og_cleanup(og_builder_freep) struct og_builder *builder = NULL;
	og_auto_free char *buf = NULL;
	size_t len = 0;
	int r = og_read_all(fd, OG_SBOM_BYTES_MAX, &buf, &len, err);

	if (r == 0)
		r = og_builder_new(target, &builder, err);
	if (r == 0) {
		og_builder_file(builder, target);
		r = og_sbom_read(buf, len, &ops, builder, err);
	}
	return r < 0 ? og_fail_in(err, r, "scan '%s'", target)
		     : og_builder_finish(builder, ret_inventory, err);
}
