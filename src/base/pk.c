/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pk.h"

#include <errno.h>
#include <string.h>

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#define RSA_BITS_MIN 2048U
#define RSA_BITS_MAX 8192U
#define HALF	     (OG_PK_RAW_BYTES / 2)

struct og_pk {
	gnutls_pubkey_t key; /* owned; NULL in a half-built object */
	enum og_pk_kind kind;
	uint8_t id[OG_PK_ID_BYTES];
};

struct og_sk {
	gnutls_privkey_t key; /* owned; NULL in a half-built object */
};

/* The order of P-256's group (FIPS 186-4, D.1.2.3). */
static const uint8_t order[HALF] = {
	0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
	0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
};

/* ---- the form of signatures ---- */

static bool in_range(const uint8_t number[HALF])
{
	static const uint8_t zero[HALF];

	return memcmp(number, zero, HALF) != 0 && memcmp(number, order, HALF) < 0;
}

/* One INTEGER of at most 33 bytes at *@at. Returns how many bytes it took, 0 for a bad one. */
static size_t read_integer(const uint8_t *at, size_t left, uint8_t ret_number[HALF])
{
	size_t len, skip;

	if (left < 3 || at[0] != 0x02 || at[1] < 1 || at[1] > HALF + 1 || at[1] > left - 2)
		return 0;
	len = at[1];
	if ((at[2] & 0x80U) != 0)
		return 0; /* negative */
	skip = at[2] == 0 ? 1 : 0;
	if (len - skip > HALF || (skip == 1 && (len == 1 || (at[3] & 0x80U) == 0)))
		return 0; /* too large, zero, or longer than it need be */
	memset(ret_number, 0, HALF);
	memcpy(ret_number + HALF - (len - skip), at + 2 + skip, len - skip);
	return 2 + len;
}

int og_pk_raw_from_der(const void *der, size_t len, uint8_t ret_raw[OG_PK_RAW_BYTES])
{
	const uint8_t *at = der;
	size_t r_len, s_len;

	if (len < 2 || at[0] != 0x30 || at[1] >= 0x80 || at[1] != len - 2)
		return -EKEYREJECTED;
	r_len = read_integer(at + 2, len - 2, ret_raw);
	if (r_len == 0)
		return -EKEYREJECTED;
	s_len = read_integer(at + 2 + r_len, len - 2 - r_len, ret_raw + HALF);
	if (s_len == 0 || 2 + r_len + s_len != len || !in_range(ret_raw) ||
	    !in_range(ret_raw + HALF))
		return -EKEYREJECTED;
	return 0;
}

static size_t write_integer(const uint8_t number[HALF], uint8_t *at)
{
	size_t skip = 0, pad;

	while (skip < HALF - 1 && number[skip] == 0)
		skip++;
	pad = (number[skip] & 0x80U) != 0 ? 1 : 0;
	at[0] = 0x02;
	at[1] = (uint8_t)(HALF - skip + pad);
	at[2] = 0;
	memcpy(at + 2 + pad, number + skip, HALF - skip);
	return 2 + (size_t)at[1];
}

int og_pk_der_from_raw(const uint8_t raw[OG_PK_RAW_BYTES], uint8_t *ret_der, size_t *ret_len)
{
	size_t len = 2;

	if (!in_range(raw) || !in_range(raw + HALF))
		return -EKEYREJECTED;
	len += write_integer(raw, ret_der + len);
	len += write_integer(raw + HALF, ret_der + len);
	ret_der[0] = 0x30;
	ret_der[1] = (uint8_t)(len - 2);
	*ret_len = len;
	return 0;
}

/* ---- public keys ---- */

static int check_curve(gnutls_pubkey_t key, struct og_err *err)
{
	gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
	gnutls_datum_t x = {}, y = {};
	int r = gnutls_pubkey_export_ecc_raw2(key, &curve, &x, &y, 0);

	gnutls_free(x.data);
	gnutls_free(y.data);
	if (r < 0)
		return og_fail(err, -EBADMSG, "public key: %s", gnutls_strerror(r));
	if (curve != GNUTLS_ECC_CURVE_SECP256R1)
		return og_fail_plain(err, -ENOTSUP,
				     "public key: it is on another curve than P-256");
	return 0;
}

static int find_kind(struct og_pk *pk, struct og_err *err)
{
	unsigned int bits = 0;
	int algorithm = gnutls_pubkey_get_pk_algorithm(pk->key, &bits);

	if (algorithm == GNUTLS_PK_ECDSA) {
		pk->kind = OG_PK_P256;
		return check_curve(pk->key, err);
	}
	if (algorithm == GNUTLS_PK_EDDSA_ED25519) {
		pk->kind = OG_PK_ED25519;
		return 0;
	}
	if (algorithm == GNUTLS_PK_RSA && bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX) {
		pk->kind = OG_PK_RSA;
		return 0;
	}
	return og_fail_plain(err, -ENOTSUP,
			     "public key: there are ECDSA on P-256, Ed25519 and RSA of %u to %u "
			     "bits; this is another",
			     RSA_BITS_MIN, RSA_BITS_MAX);
}

static int make_id(struct og_pk *pk, struct og_err *err)
{
	gnutls_datum_t der = {};
	int r = gnutls_pubkey_export2(pk->key, GNUTLS_X509_FMT_DER, &der);

	if (r == 0)
		r = gnutls_hash_fast(GNUTLS_DIG_SHA256, der.data, der.size, pk->id);
	gnutls_free(der.data);
	return r < 0 ? og_fail(err, -EIO, "public key: %s", gnutls_strerror(r)) : 0;
}

static int import_certificate(struct og_pk *pk, const gnutls_datum_t *pem)
{
	gnutls_x509_crt_t certificate = NULL;
	int r = gnutls_x509_crt_init(&certificate);

	if (r == 0)
		r = gnutls_x509_crt_import(certificate, pem, GNUTLS_X509_FMT_PEM);
	if (r == 0)
		r = gnutls_pubkey_import_x509(pk->key, certificate, 0);
	if (certificate != NULL)
		gnutls_x509_crt_deinit(certificate);
	return r;
}

static struct og_pk *new_pk(void)
{
	struct og_pk *pk = calloc(1, sizeof(*pk));

	if (pk != NULL && gnutls_pubkey_init(&pk->key) < 0)
		pk = og_pk_free(pk);
	return pk;
}

int og_pk_parse(const char *pem, size_t len, struct og_pk **ret_pk, struct og_err *err)
{
	og_cleanup(og_pk_freep) struct og_pk *pk = NULL;
	gnutls_datum_t datum = { .data = (unsigned char *)(uintptr_t)pem,
				 .size = (unsigned int)len };
	int r;

	if (len > OG_PK_PEM_MAX)
		return og_fail_plain(err, -E2BIG, "public key: over %u bytes", OG_PK_PEM_MAX);
	pk = new_pk();
	if (pk == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	if (memmem(pem, len, "-----BEGIN CERTIFICATE-----", 27) != NULL)
		r = import_certificate(pk, &datum);
	else
		r = gnutls_pubkey_import(pk->key, &datum, GNUTLS_X509_FMT_PEM);
	if (r < 0)
		return og_fail_plain(err, -EBADMSG, "public key: it is no PEM of one (%s)",
				     gnutls_strerror(r));
	r = find_kind(pk, err);
	if (r == 0)
		r = make_id(pk, err);
	if (r == 0)
		*ret_pk = og_take_ptr(pk);
	return r;
}

struct og_pk *og_pk_free(struct og_pk *pk)
{
	if (pk != NULL && pk->key != NULL)
		gnutls_pubkey_deinit(pk->key);
	free(pk);
	return NULL;
}

enum og_pk_kind og_pk_kind(const struct og_pk *pk)
{
	return pk->kind;
}

const uint8_t *og_pk_id(const struct og_pk *pk)
{
	return pk->id;
}

int og_pk_write(const struct og_pk *pk, char **ret_pem, struct og_err *err)
{
	gnutls_datum_t pem = {};
	char *copy;
	int r = gnutls_pubkey_export2(pk->key, GNUTLS_X509_FMT_PEM, &pem);

	if (r < 0)
		return og_fail(err, -EIO, "public key: %s", gnutls_strerror(r));
	copy = strndup((const char *)pem.data, pem.size);
	gnutls_free(pem.data);
	if (copy == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	*ret_pem = copy;
	return 0;
}

int og_pk_verify(const struct og_pk *pk, const void *data, size_t len, const void *signature,
		 size_t signature_len, struct og_err *err)
{
	static const gnutls_sign_algorithm_t algorithms[] = {
		[OG_PK_P256] = GNUTLS_SIGN_ECDSA_SHA256,
		[OG_PK_ED25519] = GNUTLS_SIGN_EDDSA_ED25519,
		[OG_PK_RSA] = GNUTLS_SIGN_RSA_SHA256,
	};
	const gnutls_datum_t text = { .data = (unsigned char *)(uintptr_t)data,
				      .size = (unsigned int)len };
	const gnutls_datum_t sign = { .data = (unsigned char *)(uintptr_t)signature,
				      .size = (unsigned int)signature_len };
	uint8_t raw[OG_PK_RAW_BYTES];
	int r;

	if (signature_len == 0 || signature_len > OG_PK_SIGNATURE_MAX || len > UINT32_MAX)
		return og_fail_plain(err, -EKEYREJECTED, "signature: %zu bytes are none",
				     signature_len);
	if (pk->kind == OG_PK_P256 && og_pk_raw_from_der(signature, signature_len, raw) < 0)
		return og_fail_plain(err, -EKEYREJECTED,
				     "signature: it is no well-formed one on P-256");
	r = gnutls_pubkey_verify_data2(pk->key, algorithms[pk->kind], 0, &text, &sign);
	if (r < 0)
		return og_fail_plain(err, -EKEYREJECTED, "signature: it is not by this key");
	return 0;
}

/* ---- private keys ---- */

static struct og_sk *new_sk(void)
{
	struct og_sk *sk = calloc(1, sizeof(*sk));

	if (sk != NULL && gnutls_privkey_init(&sk->key) < 0)
		sk = og_sk_free(sk);
	return sk;
}

int og_sk_generate(struct og_sk **ret_sk, struct og_err *err)
{
	og_cleanup(og_sk_freep) struct og_sk *sk = new_sk();
	int r;

	if (sk == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = gnutls_privkey_generate(sk->key, GNUTLS_PK_ECDSA,
				    GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
	if (r < 0)
		return og_fail(err, -EIO, "make a key: %s", gnutls_strerror(r));
	*ret_sk = og_take_ptr(sk);
	return 0;
}

static int check_private(gnutls_privkey_t key, struct og_err *err)
{
	gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
	gnutls_datum_t x = {}, y = {}, k = {};
	int r = 0;

	if (gnutls_privkey_get_pk_algorithm(key, NULL) == GNUTLS_PK_ECDSA)
		r = gnutls_privkey_export_ecc_raw2(key, &curve, &x, &y, &k, 0);
	gnutls_free(x.data);
	gnutls_free(y.data);
	if (k.data != NULL)
		gnutls_memset(k.data, 0, k.size);
	gnutls_free(k.data);
	if (r < 0 || curve != GNUTLS_ECC_CURVE_SECP256R1)
		return og_fail_plain(err, -ENOTSUP, "private key: it is not one on P-256");
	return 0;
}

int og_sk_parse(const void *buf, size_t len, bool is_pem, struct og_sk **ret_sk, struct og_err *err)
{
	og_cleanup(og_sk_freep) struct og_sk *sk = NULL;
	const gnutls_datum_t datum = { .data = (unsigned char *)(uintptr_t)buf,
				       .size = (unsigned int)len };
	int r;

	if (len > OG_PK_PEM_MAX)
		return og_fail_plain(err, -E2BIG, "private key: over %u bytes", OG_PK_PEM_MAX);
	sk = new_sk();
	if (sk == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = gnutls_privkey_import_x509_raw(
		sk->key, &datum, is_pem ? GNUTLS_X509_FMT_PEM : GNUTLS_X509_FMT_DER, NULL, 0);
	if (r < 0)
		return og_fail_plain(err, -EBADMSG, "private key: it is none (%s)",
				     gnutls_strerror(r));
	r = check_private(sk->key, err);
	if (r == 0)
		*ret_sk = og_take_ptr(sk);
	return r;
}

struct og_sk *og_sk_free(struct og_sk *sk)
{
	if (sk != NULL && sk->key != NULL)
		gnutls_privkey_deinit(sk->key);
	free(sk);
	return NULL;
}

int og_sk_write(const struct og_sk *sk, void **ret_der, size_t *ret_len, struct og_err *err)
{
	gnutls_x509_privkey_t plain = NULL;
	gnutls_datum_t der = {};
	void *copy = NULL;
	int r = gnutls_privkey_export_x509(sk->key, &plain);

	if (r == 0)
		r = gnutls_x509_privkey_export2_pkcs8(plain, GNUTLS_X509_FMT_DER, NULL,
						      GNUTLS_PKCS_PLAIN, &der);
	if (plain != NULL)
		gnutls_x509_privkey_deinit(plain);
	if (r < 0)
		return og_fail(err, -EIO, "write the private key: %s", gnutls_strerror(r));
	copy = malloc(der.size);
	if (copy != NULL)
		memcpy(copy, der.data, der.size);
	*ret_len = der.size;
	gnutls_memset(der.data, 0, der.size);
	gnutls_free(der.data);
	if (copy == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	*ret_der = copy;
	return 0;
}

int og_sk_public(const struct og_sk *sk, struct og_pk **ret_pk, struct og_err *err)
{
	og_cleanup(og_pk_freep) struct og_pk *pk = new_pk();
	int r;

	if (pk == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = gnutls_pubkey_import_privkey(pk->key, sk->key, 0, 0);
	if (r < 0)
		return og_fail(err, -EIO, "public half of the key: %s", gnutls_strerror(r));
	pk->kind = OG_PK_P256;
	r = make_id(pk, err);
	if (r == 0)
		*ret_pk = og_take_ptr(pk);
	return r;
}

int og_sk_sign(const struct og_sk *sk, const void *data, size_t len, uint8_t *ret_signature,
	       size_t *ret_len, struct og_err *err)
{
	const gnutls_datum_t text = { .data = (unsigned char *)(uintptr_t)data,
				      .size = (unsigned int)len };
	gnutls_datum_t sign = {};
	int r = gnutls_privkey_sign_data2(sk->key, GNUTLS_SIGN_ECDSA_SHA256, 0, &text, &sign);

	if (r < 0 || sign.size > OG_PK_SIGNATURE_MAX) {
		gnutls_free(sign.data);
		return og_fail(err, -EIO, "sign: %s", gnutls_strerror(r));
	}
	memcpy(ret_signature, sign.data, sign.size);
	*ret_len = sign.size;
	gnutls_free(sign.data);
	return 0;
}
