/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 or SHA-512 (FIPS 180-4) over bytes that arrive in pieces, chosen when it begins. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

enum og_hash_kind {
	OG_HASH_SHA256,
	OG_HASH_SHA512,
};

#define OG_HASH_BYTES_MAX 64

static inline size_t og_hash_bytes(enum og_hash_kind kind)
{
	return kind == OG_HASH_SHA512 ? 64 : 32;
}

struct og_hash;

/* On success *@ret_hash is new and the caller frees it. Errors: -ENOMEM. */
int og_hash_new(enum og_hash_kind kind, struct og_hash **ret_hash, struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_hash *og_hash_free(struct og_hash *hash);
OG_DEFINE_CLEANUP(struct og_hash, og_hash_free)

/* Hashes @len more bytes. Errors: -EIO (the library failed). */
int og_hash_add(struct og_hash *hash, const void *buf, size_t len, struct og_err *err);

/* Writes the digest of all that was added, and starts over. */
void og_hash_finish(struct og_hash *hash, uint8_t digest[OG_HASH_BYTES_MAX]);

/* Of one piece of memory. Errors: -EIO. */
int og_hash_of(enum og_hash_kind kind, const void *buf, size_t len,
	       uint8_t digest[OG_HASH_BYTES_MAX]);

/* HMAC-SHA-256 (RFC 2104). Errors: -EIO. */
int og_hash_mac(const void *key, size_t key_len, const void *buf, size_t len, uint8_t mac[32]);

/* Random bytes for keys and names that nobody may guess. Errors: -EIO. */
int og_hash_random(void *buf, size_t len);
