/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cosign's file of an encrypted private key: PEM around JSON that names scrypt's parameters and holds
 * a secretbox (sigstore/sigstore, pkg/cryptoutils; secure-systems-lab's encrypted.go). Without I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/sealed.h"

#define OG_COSIGN_KEY_BYTES_MAX (64U << 10) /* real ones have 700 */

struct og_cosign_key {
	struct og_sealed sealed;
	char *box; /* owned */
	size_t box_len;
};

/* Does @text begin as one? */
bool og_cosign_key_is(const char *text, size_t len);

/*
 * On success the caller calls og_cosign_key_done(). What is asked of scrypt is judged where it is run
 * (base/sealed.h). Errors: -EBADMSG, -E2BIG, -ENOMEM.
 */
int og_cosign_key_parse(const char *text, size_t len, struct og_cosign_key *ret_key,
			struct og_err *err);
void og_cosign_key_done(struct og_cosign_key *key);

/* The file's text, the caller's to free; NULL when memory ran out. */
char *og_cosign_key_write(const struct og_cosign_key *key);
