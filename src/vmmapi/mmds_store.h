/* SPDX-License-Identifier: Apache-2.0 */
/* The metadata that a guest may ask for, as the API sets it; mmds.h answers the guest. */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "base/json.h"

struct og_mmds_store {
	struct og_json *data; /* owned; NULL until it is set, and for null */
	char *text;	      /* its compact form, owned; NULL until it is set */
	size_t len;
	size_t max_bytes; /* of @text */
};

void og_mmds_store_done(struct og_mmds_store *store);

/*
 * Replaces all, or merges (RFC 7396). Errors: -EFBIG (over max_bytes), -ENOENT (nothing to merge
 * with yet).
 */
int og_mmds_store_put(struct og_mmds_store *store, const struct og_json *data, struct og_err *err);
int og_mmds_store_patch(struct og_mmds_store *store, const struct og_json *patch,
			struct og_err *err);
