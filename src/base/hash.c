/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <errno.h>
#include <stdlib.h>

#include <gnutls/crypto.h>

struct og_hash {
	gnutls_hash_hd_t hash; /* owned; NULL in a half-built object */
};

static gnutls_digest_algorithm_t algorithm(enum og_hash_kind kind)
{
	return kind == OG_HASH_SHA512 ? GNUTLS_DIG_SHA512 : GNUTLS_DIG_SHA256;
}

int og_hash_new(enum og_hash_kind kind, struct og_hash **ret_hash, struct og_err *err)
{
	og_cleanup(og_hash_freep) struct og_hash *hash = calloc(1, sizeof(*hash));

	if (hash == NULL || gnutls_hash_init(&hash->hash, algorithm(kind)) < 0)
		return og_fail(err, -ENOMEM, "start a hash");
	*ret_hash = og_take_ptr(hash);
	return 0;
}

struct og_hash *og_hash_free(struct og_hash *hash)
{
	if (hash == NULL)
		return NULL;
	if (hash->hash != NULL)
		gnutls_hash_deinit(hash->hash, NULL);
	free(hash);
	return NULL;
}

int og_hash_add(struct og_hash *hash, const void *buf, size_t len, struct og_err *err)
{
	if (gnutls_hash(hash->hash, buf, len) < 0)
		return og_fail(err, -EIO, "hash");
	return 0;
}

void og_hash_finish(struct og_hash *hash, uint8_t digest[OG_HASH_BYTES_MAX])
{
	gnutls_hash_output(hash->hash, digest);
}

int og_hash_of(enum og_hash_kind kind, const void *buf, size_t len,
	       uint8_t digest[OG_HASH_BYTES_MAX])
{
	return gnutls_hash_fast(algorithm(kind), buf, len, digest) < 0 ? -EIO : 0;
}

int og_hash_mac(const void *key, size_t key_len, const void *buf, size_t len, uint8_t mac[32])
{
	return gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, key_len, buf, len, mac) < 0 ? -EIO : 0;
}

int og_hash_random(void *buf, size_t len)
{
	return gnutls_rnd(GNUTLS_RND_KEY, buf, len) < 0 ? -EIO : 0;
}
