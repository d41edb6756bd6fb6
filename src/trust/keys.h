/* SPDX-License-Identifier: Apache-2.0 */
/* Keys to verify by and to sign with, in files: cosign's, openssl's. */
#pragma once

#include <stddef.h>

#include "base/pk.h"

/* Zero-initialise it. */
struct og_keys {
	struct og_pk **items; /* owned */
	size_t count;
};

void og_keys_done(struct og_keys *keys);
#define og_auto_keys og_cleanup(og_keys_done) struct og_keys

/* Adds the public key (or certificate) in the file @path, or in @text. Errors: og_pk_parse()'s. */
int og_keys_add_file(struct og_keys *keys, const char *path, struct og_err *err);
int og_keys_add_text(struct og_keys *keys, const char *text, size_t len, struct og_err *err);

/* Does the file hold a key under a password: 1 or 0? Errors: what opening says. */
int og_key_is_sealed(const char *path, struct og_err *err);

/*
 * Reads a private key, cosign's with @password, or one in the open (then it may be NULL). On success
 * *@ret_sk is the caller's. Errors: -EKEYREJECTED (password), -EBADMSG, -ENOTSUP, -E2BIG (A65), -ENOENT.
 */
int og_key_load(const char *path, const char *password, struct og_sk **ret_sk, struct og_err *err);

/*
 * Makes a pair: PREFIX.key as cosign keeps it, mode 0600, and PREFIX.pub. Errors: -EEXIST (either file
 * is there already and stays as it is).
 */
int og_key_generate(const char *prefix, const char *password, struct og_err *err);
