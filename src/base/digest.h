/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name of a content: its SHA-256. As text it is "sha256:" and 64 lower-case hexadecimal digits
 * (OCI image-spec, descriptor.md#digests) and nothing else; other algorithms, capitals and paths
 * are no digests.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/sha256.h"

#define OG_DIGEST_PREFIX    "sha256:"
#define OG_DIGEST_HEX_CHARS (2 * OG_SHA256_BYTES)

struct og_digest {
	uint8_t sha256[OG_SHA256_BYTES];
};

struct og_digest_text {
	char text[sizeof(OG_DIGEST_PREFIX) + OG_DIGEST_HEX_CHARS];
};

/* Reads "sha256:HEX". Returns 0 or -EINVAL. */
int og_digest_parse(const char *text, struct og_digest *ret_digest);

/* Reads exactly OG_DIGEST_HEX_CHARS digits; what follows them is not looked at. */
int og_digest_parse_hex(const char *hex, struct og_digest *ret_digest);

/* "sha256:HEX": og_digest_format(&digest).text; lives to the end of the full expression. */
struct og_digest_text og_digest_format(const struct og_digest *digest);

/* Likewise "HEX" alone, the name of a file in our stores. */
struct og_digest_text og_digest_hex(const struct og_digest *digest);

/* The digest of @buf. Errors: -ENOMEM, -EIO (the library failed). */
int og_digest_of(const void *buf, size_t len, struct og_digest *ret_digest, struct og_err *err);

static inline bool og_digest_equal(const struct og_digest *a, const struct og_digest *b)
{
	return memcmp(a->sha256, b->sha256, OG_SHA256_BYTES) == 0;
}
