/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lock files in TOML, of which no more is read than the tools themselves write: a table for each package.
 * Cargo.lock (the Cargo book, cargo-build), poetry.lock, uv.lock, pylock.toml (PyPA specifications, pylock-toml).
 * Packages that are for developing alone are left out where the file says so, and so are the project's own
 * folders. Without I/O.
 */
#pragma once

#include "format/package_entry.h"

/* Errors: -E2BIG, what @fn returns. */
int og_lock_read_toml(const char *buf, size_t len, og_package_fn *fn, void *data,
		      struct og_err *err);
