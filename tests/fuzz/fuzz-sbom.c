/* SPDX-License-Identifier: Apache-2.0 */
#include "format/sbom.h"

#include "packages.h"
#include "replay.h"

static int see(void *data, const char *type, const struct og_package_entry *entry, const char *path,
	       struct og_err *err)
{
	see_span(og_span_of(type));
	see_span(og_span_of(path));
	return see_package(data, entry, err);
}

static void see_os(void *data, const char *id, const char *version)
{
	(void)data;
	see_span(og_span_of(id));
	see_span(og_span_of(version));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct og_sbom_ops ops = { see, see_os };

	(void)og_sbom_read((const char *)data, size, &ops, NULL, NULL);
	return 0;
}
