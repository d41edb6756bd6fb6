/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Alpine's database of installed packages, lib/apk/db/installed (apk-v2: a paragraph a package, fields
 * of one letter). Without I/O.
 */
#pragma once

#include "format/package_entry.h"

/*
 * A package's files are handed out before the package itself. @file may be NULL; both get @data. Errors:
 * -E2BIG, what they return.
 */
int og_apk_read_installed(const char *buf, size_t len, og_package_fn *package,
			  og_package_file_fn *file, void *data, struct og_err *err);
