/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attestations: a signed envelope (DSSE v1.0, envelope.md, protocol.md) around an in-toto statement
 * (in-toto attestation v1, statement.md; also v0.1, which cosign writes), and sigstore's bundle 0.3
 * around the envelope (sigstore_bundle.proto, as JSON). Without I/O.
 *
 * Nothing of a payload is looked at before a signature over its PAE held: og_dsse_pae() is what is
 * signed, and it binds the payload's type.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/json.h"

/* SBOMs of large images reach some MiB. */
#define OG_DSSE_BYTES_MAX	  (32U << 20)
#define OG_DSSE_SIGNATURES_MAX	  16 /* real ones have one */
#define OG_STATEMENT_SUBJECTS_MAX 1024

#define OG_MEDIA_INTOTO	  "application/vnd.in-toto+json"
#define OG_STATEMENT_V1	  "https://in-toto.io/Statement/v1"
#define OG_STATEMENT_V01  "https://in-toto.io/Statement/v0.1"
#define OG_PREDICATE_SIGN "https://sigstore.dev/cosign/sign/v1" /* a signature as an attestation */

struct og_dsse_signature {
	char *bytes; /* owned */
	size_t len;
};

struct og_dsse {
	char *type;    /* owned */
	char *payload; /* owned, NUL-terminated */
	size_t payload_len;
	struct og_dsse_signature signatures[OG_DSSE_SIGNATURES_MAX];
	size_t count; /* at least 1 */
};

/* Errors: -EBADMSG, -E2BIG, -ENOMEM. On success the caller calls og_dsse_done(). */
int og_dsse_parse(const char *buf, size_t len, struct og_dsse *ret_dsse, struct og_err *err);

/* Likewise from a sigstore bundle that holds an envelope. */
int og_bundle_parse(const char *buf, size_t len, struct og_dsse *ret_dsse, struct og_err *err);

void og_dsse_done(struct og_dsse *dsse);
#define og_auto_dsse og_cleanup(og_dsse_done) struct og_dsse

/* "DSSEv1 LEN TYPE LEN PAYLOAD", what is signed; the caller's to free, NULL when memory ran out. */
char *og_dsse_pae(const char *type, const char *payload, size_t len, size_t *ret_len);

/* An envelope with one signature, the caller's to free. */
char *og_dsse_write(const char *type, const char *payload, size_t len, const void *signature,
		    size_t signature_len);

/* A bundle around it; @key_id is that of base/pk.h, 32 bytes. */
char *og_bundle_write(const char *type, const char *payload, size_t len, const void *signature,
		      size_t signature_len, const uint8_t *key_id);

/* ---- statements ---- */

struct og_statement {
	struct og_digest *subjects; /* owned; at least one */
	size_t count;
	const char *predicate_type;	 /* borrowed from the tree */
	const struct og_json *predicate; /* an object, or NULL */
	struct og_json *root;		 /* owned */
};

/*
 * Reads the payload of an envelope of type OG_MEDIA_INTOTO. A statement about nothing is refused, and
 * so is a subject without a SHA-256. On success the caller calls og_statement_done().
 */
int og_statement_parse(const char *buf, size_t len, struct og_statement *ret_statement,
		       struct og_err *err);
void og_statement_done(struct og_statement *statement);
#define og_auto_statement og_cleanup(og_statement_done) struct og_statement

bool og_statement_is_about(const struct og_statement *statement, const struct og_digest *digest);

/* A v1 statement about one manifest; takes @predicate over. The caller frees the text. */
char *og_statement_write(const char *name, const struct og_digest *digest,
			 const char *predicate_type, struct og_json *predicate);
