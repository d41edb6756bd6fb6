/* SPDX-License-Identifier: Apache-2.0 */
/* Signing and attesting: one manifest, one key, one of three layouts. */
#pragma once

#include <stdint.h>

#include "base/json.h"
#include "base/pk.h"
#include "image/remote.h"

enum og_signing_layout {
	OG_LAYOUT_TAG,	    /* cosign's tags: what cosign and skopeo read without being asked */
	OG_LAYOUT_REFERRER, /* the same content in an OCI 1.1 referrer (cosign --experimental-oci11) */
	OG_LAYOUT_BUNDLE, /* a sigstore bundle 0.3 in a referrer (cosign --new-bundle-format) */
};

struct og_signing {
	struct og_remote *registry;
	struct og_http_client *client;
	const struct og_document *subject; /* the manifest or index to be signed */
	const struct og_sk *sk;
	enum og_signing_layout layout;
	const char *name; /* "host/name:tag" or "host/name": what the signer says the image is */
	int64_t now_s;
};

/*
 * Signs the subject's digest under the name, and puts the signature into the registry. Errors: the key's,
 * and og_attach_tag()'s or og_attach_referrer()'s (attached.h); those of og_attest() are the same.
 */
int og_sign(const struct og_signing *signing, struct og_err *err);

/*
 * Attests @predicate, taken over, of the type @predicate_type, about the subject. A referrer without a bundle holds
 * the envelope alone.
 */
int og_attest(const struct og_signing *signing, const char *predicate_type,
	      struct og_json *predicate, struct og_err *err);
