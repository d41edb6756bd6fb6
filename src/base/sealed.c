/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sealed.h"

#include <errno.h>
#include <string.h>

#include <sodium.h>

_Static_assert(crypto_secretbox_NONCEBYTES == OG_SEALED_NONCE_BYTES, "nonce");
_Static_assert(crypto_secretbox_MACBYTES == OG_SEALED_SEAL_BYTES, "seal");

static int check_cost(const struct og_sealed *sealed, struct og_err *err)
{
	if (sealed->n > OG_SEALED_N_MAX || sealed->r > OG_SEALED_R_MAX ||
	    sealed->p > OG_SEALED_P_MAX)
		return og_fail_plain(err, -E2BIG,
				     "scrypt: N %llu, r %u, p %u ask for more work than N %u, r "
				     "%u, p %u",
				     (unsigned long long)sealed->n, sealed->r, sealed->p,
				     OG_SEALED_N_MAX, OG_SEALED_R_MAX, OG_SEALED_P_MAX);
	if (sealed->n < OG_SEALED_N_MIN || (sealed->n & (sealed->n - 1)) != 0 || sealed->r == 0 ||
	    sealed->p == 0)
		return og_fail_plain(err, -EINVAL, "scrypt: N %llu, r %u, p %u are no parameters",
				     (unsigned long long)sealed->n, sealed->r, sealed->p);
	return 0;
}

static int derive(const struct og_sealed *sealed, const char *password,
		  uint8_t key[crypto_secretbox_KEYBYTES], struct og_err *err)
{
	int r = check_cost(sealed, err);

	if (r < 0)
		return r;
	if (sodium_init() < 0 ||
	    crypto_pwhash_scryptsalsa208sha256_ll(
		    (const uint8_t *)password, strlen(password), sealed->salt, sizeof(sealed->salt),
		    sealed->n, sealed->r, sealed->p, key, crypto_secretbox_KEYBYTES) != 0)
		return og_fail(err, -ENOMEM, "scrypt");
	return 0;
}

int og_sealed_new(struct og_sealed *ret_sealed, struct og_err *err)
{
	if (sodium_init() < 0)
		return og_fail(err, -EIO, "start libsodium");
	*ret_sealed = (struct og_sealed){ .n = OG_SEALED_N, .r = OG_SEALED_R, .p = OG_SEALED_P };
	randombytes_buf(ret_sealed->salt, sizeof(ret_sealed->salt));
	randombytes_buf(ret_sealed->nonce, sizeof(ret_sealed->nonce));
	return 0;
}

int og_sealed_close(const struct og_sealed *sealed, const char *password, const void *secret,
		    size_t len, uint8_t *ret_box, struct og_err *err)
{
	uint8_t key[crypto_secretbox_KEYBYTES];
	int r = derive(sealed, password, key, err);

	if (r == 0)
		(void)crypto_secretbox_easy(ret_box, secret, len, sealed->nonce, key);
	explicit_bzero(key, sizeof(key));
	return r;
}

int og_sealed_open(const struct og_sealed *sealed, const char *password, const uint8_t *box,
		   size_t len, void *ret_secret, struct og_err *err)
{
	uint8_t key[crypto_secretbox_KEYBYTES];
	int r;

	if (len < OG_SEALED_SEAL_BYTES)
		return og_fail_plain(err, -EKEYREJECTED, "too short for a sealed secret");
	r = derive(sealed, password, key, err);
	if (r == 0 && crypto_secretbox_open_easy(ret_secret, box, len, sealed->nonce, key) != 0)
		r = og_fail_plain(err, -EKEYREJECTED, "wrong password, or the file was changed");
	explicit_bzero(key, sizeof(key));
	return r;
}
