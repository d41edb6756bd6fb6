/* SPDX-License-Identifier: Apache-2.0 */
/* index.json of the image layout (image-spec, image-layout.md): every tag as "REPOSITORY:TAG". */
#pragma once

#include "base/err.h"
#include "registry/records.h"
#include "registry/store.h"

/* Writes it anew from the records, a page at a time; readers see the old one or the new. */
int og_layout_write(const struct og_blob_store *store, struct og_records *records,
		    struct og_err *err);
