/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets under a password: scrypt (RFC 7914) for the key, NaCl's secretbox for the seal, both by
 * libsodium. It is what cosign's private keys are kept in.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define OG_SEALED_SALT_BYTES  32
#define OG_SEALED_NONCE_BYTES 24
#define OG_SEALED_SEAL_BYTES  16 /* that a sealed secret is longer */

/*
 * What a file may ask for. A file of a stranger names the work to be done: 2^20 rounds with r = 8 are
 * 1 GiB and some seconds, and cosign's own are 2^16 (64 MiB).
 */
#define OG_SEALED_N_MIN (1U << 10)
#define OG_SEALED_N_MAX (1U << 18)
#define OG_SEALED_R_MAX 8U
#define OG_SEALED_P_MAX 4U
#define OG_SEALED_N	(1U << 16) /* for new ones, as cosign's */
#define OG_SEALED_R	8
#define OG_SEALED_P	1

struct og_sealed {
	uint64_t n;
	uint32_t r, p;
	uint8_t salt[OG_SEALED_SALT_BYTES];
	uint8_t nonce[OG_SEALED_NONCE_BYTES];
};

/* Makes salt and nonce for a new secret, with the cost above. */
int og_sealed_new(struct og_sealed *ret_sealed, struct og_err *err);

/* @ret_box has room for @len + OG_SEALED_SEAL_BYTES. Errors: -ENOMEM (for scrypt's own memory). */
int og_sealed_close(const struct og_sealed *sealed, const char *password, const void *secret,
		    size_t len, uint8_t *ret_box, struct og_err *err);

/*
 * @ret_secret has room for @len - OG_SEALED_SEAL_BYTES; the caller wipes it. Errors: -E2BIG (more work
 * than allowed), -EINVAL (parameters that are none), -EKEYREJECTED (another password, or changed).
 */
int og_sealed_open(const struct og_sealed *sealed, const char *password, const uint8_t *box,
		   size_t len, void *ret_secret, struct og_err *err);
