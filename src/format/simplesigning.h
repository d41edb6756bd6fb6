/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text that is signed for an image: containers/image, docs/containers-signature.5.md, in the form
 * that cosign gave it (SIGNATURE_SPEC.md). It binds a digest to the name it was given under. Strict as
 * skopeo's reader: unknown members of what is critical are refused. Without I/O.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/err.h"

#define OG_SIMPLESIGNING_BYTES_MAX (64U << 10) /* real ones have 250 */
#define OG_SIMPLESIGNING_TYPE	   "cosign container image signature"

struct og_simplesigning {
	char *reference; /* owned; "host/name", "host/name:tag": what the signer says it is */
	struct og_digest digest;
};

/* On success the caller calls og_simplesigning_done(). Errors: -EBADMSG, -E2BIG, -ENOMEM. */
int og_simplesigning_parse(const char *buf, size_t len, struct og_simplesigning *ret_payload,
			   struct og_err *err);
void og_simplesigning_done(struct og_simplesigning *payload);

/* Writes one; @creator says by what program, @created_s is the moment. The caller frees it. */
char *og_simplesigning_write(const char *reference, const struct og_digest *digest,
			     const char *creator, int64_t created_s);
