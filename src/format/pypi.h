/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Python's core metadata (PyPA specifications, core-metadata): METADATA of a .dist-info folder, PKG-INFO
 * of an .egg-info folder, or an .egg-info file. And Pipfile.lock. Names are as written, not normalised.
 * Other lock files: lock_toml.h. Without I/O.
 */
#pragma once

#include "format/package_entry.h"

/* At most one package. Errors: what @fn returns. */
int og_pypi_read_metadata(const char *buf, size_t len, og_package_fn *fn, void *data,
			  struct og_err *err);

/* Without what is only for development. Errors: -EBADMSG, -ENOMEM, what @fn returns. */
int og_pypi_read_pipfile(const char *buf, size_t len, og_package_fn *fn, void *data,
			 struct og_err *err);
