/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Python's core metadata (PyPA specifications, core-metadata): METADATA of a .dist-info folder, PKG-INFO
 * of an .egg-info folder, or an .egg-info file. Names are as written, not normalised. Without I/O.
 */
#pragma once

#include "format/package_entry.h"

/* At most one package. Errors: what @fn returns. */
int og_pypi_read_metadata(const char *buf, size_t len, og_package_fn *fn, void *data,
			  struct og_err *err);
