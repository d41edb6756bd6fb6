/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ruby's gems: the specification of an installed one (specifications/NAME.gemspec, which is Ruby: only
 * the forms are read that RubyGems itself writes), and Bundler's Gemfile.lock. Without I/O.
 */
#pragma once

#include "format/package_entry.h"

/* At most one package. Errors: what @fn returns. */
int og_gem_read_spec(const char *buf, size_t len, og_package_fn *fn, void *data,
		     struct og_err *err);

/* Gems of a server; those of a folder or a repository are the project's own. Errors: also -E2BIG. */
int og_gem_read_lock(const char *buf, size_t len, og_package_fn *fn, void *data,
		     struct og_err *err);
