/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JavaScript's packages: package.json of an installed one (npm docs, package.json), package-lock.json
 * (lockfileVersion 1 to 3), yarn.lock (version 1, and Berry's), pnpm-lock.yaml (5 to 9). Packages that are for
 * developing alone are left out where the file says so. Without I/O.
 */
#pragma once

#include "format/package_entry.h"

/* Errors of all: -EBADMSG (not understood), -E2BIG, -ENOMEM, what @fn returns. */
int og_npm_read_package(const char *buf, size_t len, og_package_fn *fn, void *data,
			struct og_err *err);
int og_npm_read_lock(const char *buf, size_t len, og_package_fn *fn, void *data,
		     struct og_err *err);
int og_npm_read_yarn(const char *buf, size_t len, og_package_fn *fn, void *data,
		     struct og_err *err);
int og_npm_read_pnpm(const char *buf, size_t len, og_package_fn *fn, void *data,
		     struct og_err *err);
