/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON Web Tokens (RFC 7519) in the compact form of RFC 7515, section 7.1, as a registry's clients
 * send them (the distribution specification's token authentication). Without I/O and without
 * keys: reading says what a token claims and over which bytes its signature must be, and nothing
 * of it may be believed before whoever has the keys has checked that.
 *
 * Of the many things a header may say, only the algorithm and the key's name are read. jwk, jku and
 * x5u, by which a token would bring its own key, and crit are refused; x5c, which issuers of Docker's
 * tokens send along, is passed over. A key's name is compared, never opened, and holds no character
 * of a path.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

#define OG_JWT_MAX	  16384U /* bytes of a token: some hundred scopes */
#define OG_JWT_KID_MAX	  128U
#define OG_JWT_NAME_MAX	  256U /* chars of iss, aud, sub, jti */
#define OG_JWT_SIG_MAX	  1024U
#define OG_JWT_ACCESS_MAX 100U /* entries of "access" */
#define OG_JWT_LEEWAY_S	  60   /* by which the issuer's clock may be off */

enum og_jwt_alg {
	OG_JWT_ES256, /* ECDSA on P-256 with SHA-256; the signature is r and s, 64 bytes */
	OG_JWT_RS256, /* RSA PKCS #1 v1.5 with SHA-256 */
	OG_JWT_EDDSA, /* Ed25519, 64 bytes */
};

/* What may be done with one resource ("repository", "team/app", "pull" and "push"). */
struct og_jwt_access {
	const char *type, *name; /* borrowed from the token */
	const struct og_json *actions;
};

struct og_jwt {
	enum og_jwt_alg alg;
	char kid[OG_JWT_KID_MAX + 1]; /* "" where missing */
	size_t signed_len;	      /* the signature is over so many first bytes of the text */
	unsigned char signature[OG_JWT_SIG_MAX];
	size_t signature_len;
	int64_t exp, nbf, iat; /* seconds since 1970; exp is always there, the others 0 if not */
	char iss[OG_JWT_NAME_MAX + 1], sub[OG_JWT_NAME_MAX + 1];
	struct og_json *claims; /* owned; all of them */
};

/*
 * Reads @text, which need not end with NUL. On success og_jwt_done() is the caller's duty.
 * Errors: -EBADMSG (no such token), -E2BIG, -ENOTSUP (the algorithm), -ENOMEM.
 */
int og_jwt_parse(const char *text, size_t len, struct og_jwt *ret_jwt, struct og_err *err);
void og_jwt_done(struct og_jwt *jwt);

/*
 * Is it from @issuer, for @audience, and valid at @now (seconds since 1970)? An empty audience in
 * the token is for nobody. Errors: -EKEYREJECTED (another issuer or audience), -EKEYEXPIRED (over, or
 * not begun).
 */
int og_jwt_check(const struct og_jwt *jwt, const char *issuer, const char *audience, int64_t now,
		 struct og_err *err);

/* The @index-th entry of "access"; false: no more. Entries that are malformed fail og_jwt_parse(). */
bool og_jwt_access_at(const struct og_jwt *jwt, size_t index, struct og_jwt_access *ret_access);

/* Does @access allow @action, by its name or by "*"? */
bool og_jwt_allows(const struct og_jwt_access *access, const char *action);

/*
 * "HEADER.CLAIMS" for og_jwt_seal() and the signature, with alg ES256 and @kid; the caller's to
 * free. NULL: no memory.
 */
char *og_jwt_open(const char *kid, const struct og_json *claims);

/* The token of what og_jwt_open() made and its signature; the caller's to free. NULL: no memory. */
char *og_jwt_seal(const char *opened, const unsigned char *signature, size_t len);
