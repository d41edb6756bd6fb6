/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debian's database of installed packages (deb-status(5), deb-control(5)): var/lib/dpkg/status, the
 * files of var/lib/dpkg/status.d that images without dpkg have, and the lists of a package's files
 * (info/NAME.list, and NAME.md5sums beside a status.d). Without I/O.
 */
#pragma once

#include "format/package_entry.h"

/* Packages of which files are there: neither those not installed nor those of which only
 * configuration remained. A paragraph without a status counts. Errors: -E2BIG, what @fn returns. */
int og_dpkg_read_status(const char *buf, size_t len, og_package_fn *fn, void *data,
			struct og_err *err);

/* A line a path (.list), or "HASH  path" (.md5sums): @sums. */
int og_dpkg_read_list(const char *buf, size_t len, bool sums, og_package_file_fn *fn, void *data,
		      struct og_err *err);
