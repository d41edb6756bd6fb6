/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digests of any registered algorithm (OCI image-spec, descriptor.md#digests): "sha256:" and 64, or
 * "sha512:" and 128 lower-case hexadecimal digits, and nothing else (A49). Without I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

#define OG_BLOB_DIGEST_MAX (sizeof("sha512:") + 2 * OG_HASH_BYTES_MAX) /* bytes, NUL included */

struct og_blob_digest {
	enum og_hash_kind kind;
	char text[OG_BLOB_DIGEST_MAX]; /* "sha256:HEX" */
};

/* Returns 0, -EINVAL (no digest) or -ENOTSUP (well formed, of an algorithm that is not served). */
int og_blob_digest_parse(const char *text, struct og_blob_digest *ret_digest);

void og_blob_digest_of(enum og_hash_kind kind, const uint8_t *hash,
		       struct og_blob_digest *ret_digest);

/* "HEX" alone; borrowed. */
const char *og_blob_digest_hex(const struct og_blob_digest *digest);

bool og_blob_digest_equal(const struct og_blob_digest *a, const struct og_blob_digest *b);
