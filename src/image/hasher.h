/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 in a thread of its own, beside the one that parses and writes the same bytes. One buffer
 * at a time: it is given, and waited for before it changes.
 */
#pragma once

#include <stddef.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"

struct og_hasher;

int og_hasher_new(struct og_hasher **ret_hasher, struct og_err *err);
struct og_hasher *og_hasher_free(struct og_hasher *hasher);
OG_DEFINE_CLEANUP(struct og_hasher, og_hasher_free)

/* Waits for the last buffer, then starts on @buf, which must stay as it is until waited for. */
int og_hasher_give(struct og_hasher *hasher, const void *buf, size_t len, struct og_err *err);

/* Waits for the last buffer. Errors: -EIO. */
int og_hasher_wait(struct og_hasher *hasher, struct og_err *err);

/* Waits, and tells the digest of all that was given. */
int og_hasher_finish(struct og_hasher *hasher, struct og_digest *ret_digest, struct og_err *err);
