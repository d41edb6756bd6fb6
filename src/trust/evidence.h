/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a registry holds for an image that may vouch for it: signatures and attestations, as they came
 * and not believed. They are fetched once and can be kept beside the image, so that a judgement later needs
 * no network and gives the same result.
 *
 * An image is a manifest; one that was chosen from an index is vouched for, too, by what is said of the
 * index, whose bytes are therefore part of the evidence. Nothing said of another entry of the index counts.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "format/containers_policy.h"
#include "format/dsse.h"
#include "trust/keys.h"

/* Each item is tried with each key: this bounds the work that a stranger's repository can ask for. */
#define OG_EVIDENCE_ITEMS_MAX 256
#define OG_EVIDENCE_BYTES_MAX (64U << 20)

enum og_evidence_kind {
	OG_EVIDENCE_SIGNATURE, /* text and signature apart */
	OG_EVIDENCE_ENVELOPE,  /* DSSE */
	OG_EVIDENCE_BUNDLE,    /* sigstore's, around DSSE */
};

struct og_evidence_item {
	enum og_evidence_kind kind;
	char *place; /* owned; "tag sha256-HEX.sig", "referrer sha256:HEX": for people */
	char *text;  /* owned, NUL-terminated */
	size_t len;
	char *signature; /* owned; of OG_EVIDENCE_SIGNATURE, decoded; NULL: it was no base64 */
	size_t signature_len;
};

struct og_evidence {
	struct og_digest manifest; /* what runs */
	char *index;		   /* owned; the index that names it, NULL for none */
	size_t index_len;
	struct og_digest index_digest;
	struct og_evidence_item *items; /* owned */
	size_t count;
};

/* Accepts NULL. Always returns NULL. */
struct og_evidence *og_evidence_free(struct og_evidence *evidence);
OG_DEFINE_CLEANUP(struct og_evidence, og_evidence_free)

/*
 * @index (may be NULL) must be an index's bytes that name @manifest. On success *@ret_evidence, without
 * items, is the caller's. Errors: -EBADMSG (the index does not), -ENOMEM.
 */
int og_evidence_new(const struct og_digest *manifest, const char *index, size_t index_len,
		    struct og_evidence **ret_evidence, struct og_err *err);

/* Adds a copy. @signature is base64, of OG_EVIDENCE_SIGNATURE alone. Errors: -E2BIG, -ENOMEM. */
int og_evidence_add(struct og_evidence *evidence, enum og_evidence_kind kind, const char *place,
		    const void *text, size_t len, const char *signature, struct og_err *err);

/* @digest: well-formed text of any algorithm; @type: of the artifact, "" where it is not said. */
typedef int og_evidence_referrer_fn(void *fn_data, const char *digest, const char *type,
				    struct og_err *err);

/* Where evidence is fetched from: a registry far away (trust/remote.h), or one's own store. */
struct og_evidence_source {
	/* A manifest by tag or digest; *@ret_buf is the caller's. Errors: -ENOENT, others. */
	int (*manifest)(void *data, const char *reference, char **ret_buf, size_t *ret_len,
			struct og_err *err);
	/* A blob of @size bytes, at most @max_bytes, its content checked. Errors: -E2BIG, -EBADMSG, others. */
	int (*blob)(void *data, const struct og_digest *digest, uint64_t size, size_t max_bytes,
		    char **ret_buf, struct og_err *err);
	/* Calls @fn for each referrer of the manifest, until it gives something else than 0. */
	int (*referrers)(void *data, const struct og_digest *subject, og_evidence_referrer_fn *fn,
			 void *fn_data, struct og_err *err);
	void *data;
};

/*
 * Fetches all there is: cosign's tags and the referrers, of the manifest and of the index. Where there is
 * nothing, nothing is added; that the source fails is an error.
 */
int og_evidence_fetch(struct og_evidence *evidence, const struct og_evidence_source *source,
		      struct og_err *err);

/* As JSON to be kept, the caller's to free, and back. Errors of reading: -EBADMSG, -ENOMEM. */
char *og_evidence_write(const struct og_evidence *evidence);
int og_evidence_read(const char *buf, size_t len, struct og_evidence **ret_evidence,
		     struct og_err *err);

/* ---- judging ---- */

/*
 * Has one of @keys signed the image, under a name that is right for @ref? *@ret_item (may be NULL) is the
 * signature. Errors: -EKEYREJECTED; the text says what was found instead.
 */
int og_evidence_signed(const struct og_evidence *evidence, const struct og_keys *keys,
		       const struct og_signed_identity *identity, const struct og_imageref *ref,
		       const struct og_evidence_item **ret_item, struct og_err *err);

/* A negative result ends the walk and is returned. */
typedef int og_attestation_fn(void *data, const struct og_evidence_item *item,
			      const struct og_statement *statement);

/*
 * Calls @fn for each attestation of the image by one of @keys. @predicate_type NULL: of any type, except
 * signatures. Returns their number, or @fn's error.
 */
int og_evidence_attestations(const struct og_evidence *evidence, const struct og_keys *keys,
			     const char *predicate_type, og_attestation_fn *fn, void *data,
			     struct og_err *err);

/*
 * Does @policy let the image in that is asked for as @ref? All demands of its scope must be met. Errors:
 * -EKEYREJECTED (the text says which demand is not, and why), or those of reading keys.
 */
int og_evidence_meets(const struct og_evidence *evidence, const struct og_containers_policy *policy,
		      const struct og_imageref *ref, struct og_err *err);
