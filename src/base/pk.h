/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Public keys and signatures: a thin face over GnuTLS. Three kinds and no others: ECDSA on P-256
 * with SHA-256 (what cosign makes), Ed25519, and RSA of 2,048 to 8,192 bits (PKCS #1 v1.5, SHA-256).
 *
 * An ECDSA signature has one form alone: DER of SEQUENCE { r, s }, the shortest, r and s from 1 to
 * the order less one, nothing behind it. s may be in the upper half: openssl and Go make such. Nothing
 * here or above is named by a signature's bytes, so that their other form tells nobody anything new.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

#define OG_PK_PEM_MAX	    (64U << 10) /* bytes of a key's or certificate's file */
#define OG_PK_SIGNATURE_MAX 1024	/* bytes: RSA with 8,192 bits */
#define OG_PK_RAW_BYTES	    64		/* r and s of P-256, each 32 bytes, big-endian */
#define OG_PK_ID_BYTES	    32

enum og_pk_kind {
	OG_PK_P256,
	OG_PK_ED25519,
	OG_PK_RSA,
};

struct og_pk; /* a public key */
struct og_sk; /* a private key on P-256 */

/*
 * Reads PEM: "PUBLIC KEY", or "CERTIFICATE", whose key it then is; what vouches for the certificate is
 * not asked. On success *@ret_pk is the caller's to free.
 *
 * Errors: -EBADMSG (no key), -ENOTSUP (another kind, curve or size), -E2BIG, -ENOMEM.
 */
int og_pk_parse(const char *pem, size_t len, struct og_pk **ret_pk, struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_pk *og_pk_free(struct og_pk *pk);
OG_DEFINE_CLEANUP(struct og_pk, og_pk_free)

enum og_pk_kind og_pk_kind(const struct og_pk *pk);

/* SHA-256 of its SubjectPublicKeyInfo: equal for equal keys, and the hint in sigstore's bundles. */
const uint8_t *og_pk_id(const struct og_pk *pk);

/* "-----BEGIN PUBLIC KEY-----..." in new memory, the caller's to free. Errors: -EIO, -ENOMEM. */
int og_pk_write(const struct og_pk *pk, char **ret_pem, struct og_err *err);

/*
 * Is @signature (ECDSA: DER) that of @data by @pk? Errors: -EKEYREJECTED (no, or malformed),
 * -EIO (the library failed).
 */
int og_pk_verify(const struct og_pk *pk, const void *data, size_t len, const void *signature,
		 size_t signature_len, struct og_err *err);

/* DER of an ECDSA signature on P-256 to r and s, and back. Errors: -EKEYREJECTED (not that form). */
int og_pk_raw_from_der(const void *der, size_t len, uint8_t ret_raw[OG_PK_RAW_BYTES]);
/* @ret_der has room for OG_PK_SIGNATURE_MAX bytes; *@ret_len is how many there are. */
int og_pk_der_from_raw(const uint8_t raw[OG_PK_RAW_BYTES], uint8_t *ret_der, size_t *ret_len);

/* ---- private keys ---- */

/* Makes a new one. On success *@ret_sk is the caller's to free. Errors: -EIO, -ENOMEM. */
int og_sk_generate(struct og_sk **ret_sk, struct og_err *err);

/*
 * Reads a key that is not encrypted: PKCS #8 in DER or PEM, or PEM "EC PRIVATE KEY". Errors: -EBADMSG,
 * -ENOTSUP (not on P-256), -E2BIG, -ENOMEM.
 */
int og_sk_parse(const void *buf, size_t len, bool is_pem, struct og_sk **ret_sk,
		struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_sk *og_sk_free(struct og_sk *sk);
OG_DEFINE_CLEANUP(struct og_sk, og_sk_free)

/* PKCS #8 in DER, the caller's to wipe and free. */
int og_sk_write(const struct og_sk *sk, void **ret_der, size_t *ret_len, struct og_err *err);

/* Its public half, the caller's to free. */
int og_sk_public(const struct og_sk *sk, struct og_pk **ret_pk, struct og_err *err);

/* Signs @data: DER into @ret_signature, which has room for OG_PK_SIGNATURE_MAX bytes. */
int og_sk_sign(const struct og_sk *sk, const void *data, size_t len, uint8_t *ret_signature,
	       size_t *ret_len, struct og_err *err);
