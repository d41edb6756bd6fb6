/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passwords and the lines they are kept as: a thin face over libsodium (Argon2id, which new ones
 * are written in) and libcrypt (bcrypt, what htpasswd(1) -B writes), and their only user.
 *
 * What a line asks for in time and memory is bounded before any of it is spent: who can put a line
 * into a file of passwords must not be able to stop the server with it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define OG_PASSWORD_MAX	     1024U /* bytes of a password; tokens that stand for one reach 800 */
#define OG_PASSWORD_LINE_MAX 128U  /* bytes of a line, NUL included */

/* What a check may cost: about a second, and a quarter of a small machine's memory. */
#define OG_PASSWORD_BCRYPT_COST_MAX 14U
#define OG_PASSWORD_ARGON_KIB_MAX   (256U * 1024U)
#define OG_PASSWORD_ARGON_TIMES_MAX 8U

/* What ours cost: 19 MiB, twice over, some 25 ms (OWASP's first choice for Argon2id). */
#define OG_PASSWORD_ARGON_KIB	19456U
#define OG_PASSWORD_ARGON_TIMES 2U

/*
 * Makes the line to keep for @password, with a salt of its own. Errors: -EINVAL (empty), -E2BIG,
 * -ENOMEM.
 */
int og_password_hash(const char *password, char ret_line[OG_PASSWORD_LINE_MAX], struct og_err *err);

/*
 * Can @line be checked against, within the bounds? Errors: -EINVAL (another algorithm or
 * malformed), -E2BIG (it asks for more than the bounds above); the text says which.
 */
int og_password_check_line(const char *line, struct og_err *err);

/*
 * Is @password the one that @line was made of? Takes as long for a wrong one as for the right one.
 * Errors: -EACCES (it is not), those of og_password_check_line(), -ENOMEM.
 */
int og_password_verify(const char *password, const char *line, struct og_err *err);

/* Are two secrets of @len bytes the same? The time says nothing of where they differ. */
bool og_secret_equal(const void *a, const void *b, size_t len);

/* Fills @buf with random bytes from the kernel. */
void og_random(void *buf, size_t len);

#define OG_HMAC_SHA256_BYTES 32

/* HMAC-SHA-256 (RFC 2104) of @buf. */
void og_hmac_sha256(const void *key, size_t key_len, const void *buf, size_t len,
		    unsigned char ret_mac[OG_HMAC_SHA256_BYTES]);
