/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte says which reader, the rest is its file. */
#include "format/apk.h"
#include "format/cargo.h"
#include "format/gem.h"
#include "format/go_build.h"
#include "format/lock_toml.h"
#include "format/npm.h"
#include "format/pypi.h"
#include "packages.h"
#include "replay.h"

typedef int reader(const char *buf, size_t len, og_package_fn *fn, void *data, struct og_err *err);

static int read_apk(const char *buf, size_t len, og_package_fn *fn, void *data, struct og_err *err)
{
	return og_apk_read_installed(buf, len, fn, see_file, data, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static reader *const readers[] = { read_apk,
					   og_npm_read_package,
					   og_npm_read_lock,
					   og_npm_read_yarn,
					   og_pypi_read_metadata,
					   og_lock_read_toml,
					   og_cargo_read_audit,
					   og_gem_read_spec,
					   og_gem_read_lock,
					   og_go_read_modules,
					   og_npm_read_pnpm,
					   og_pypi_read_pipfile };

	if (size == 0)
		return 0;
	(void)readers[data[0] % (sizeof(readers) / sizeof(readers[0]))](
		(const char *)data + 1, size - 1, see_package, NULL, NULL);
	return 0;
}
