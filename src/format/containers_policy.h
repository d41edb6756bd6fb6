/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containers-policy.json(5): which signatures an image needs, by where it comes from; the file that
 * skopeo, podman and CRI-O read (/etc/containers/policy.json). Strict as theirs: an unknown member is
 * refused, since it might have been a demand. Without I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "format/imageref.h"

#define OG_CONTAINERS_POLICY_MAX (1U << 20) /* bytes; people write some dozen lines */
#define OG_POLICY_SCOPES_MAX	 4096
#define OG_POLICY_DEMANDS_MAX	 64 /* of one scope; each may cost a signature's check */
#define OG_POLICY_KEYS_MAX	 64 /* of one demand */

enum og_identity_kind {
	OG_IDENTITY_REPO_DIGEST_OR_EXACT, /* what holds where nothing is said */
	OG_IDENTITY_EXACT,
	OG_IDENTITY_REPOSITORY,
	OG_IDENTITY_EXACT_REFERENCE,
	OG_IDENTITY_EXACT_REPOSITORY,
	OG_IDENTITY_REMAP,
};

/* Under which name an image must have been signed. */
struct og_signed_identity {
	enum og_identity_kind kind;
	const char *reference; /* of exact ones; the prefix of a remap */
	const char *signed_prefix;
};

/*
 * Is @signed_reference, the text in a signature, the right name for an image that is asked for as
 * @ref? A digest in @ref counts before its tag. A malformed text is a wrong one.
 */
bool og_identity_matches(const struct og_signed_identity *identity, const char *signed_reference,
			 const struct og_imageref *ref);

enum og_demand_kind {
	OG_DEMAND_ANYTHING, /* insecureAcceptAnything */
	OG_DEMAND_REJECT,
	OG_DEMAND_SIGSTORE,    /* one of its keys must have signed */
	OG_DEMAND_UNSUPPORTED, /* known, and nothing that we can check: it is not met */
};

struct og_demand {
	enum og_demand_kind kind;
	const char *why;	/* of an unsupported one, for people */
	const char **key_paths; /* owned list, NULL-terminated; files with public keys */
	const char **key_data;	/* likewise; base64 of such files */
	struct og_signed_identity identity;
};

struct og_policy_scope {
	const char *transport;	   /* "docker"; "" for the default */
	const char *name;	   /* "host/name", "*.host", "" */
	struct og_demand *demands; /* owned; all must be met */
	size_t count;
};

struct og_containers_policy {
	struct og_policy_scope *scopes; /* owned; the first is the default */
	size_t count;
	struct og_json *root; /* owned; what texts are borrowed from */
};

/* On success *@ret_policy is the caller's. Errors: -EINVAL (says where), -E2BIG, -ENOMEM. */
int og_containers_policy_parse(const char *buf, size_t len,
			       struct og_containers_policy **ret_policy, struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_containers_policy *og_containers_policy_free(struct og_containers_policy *policy);
OG_DEFINE_CLEANUP(struct og_containers_policy, og_containers_policy_free)

/*
 * The scope that @ref of the docker transport falls in: the whole reference, its repository, each
 * folder above, its host, "*." above that, the transport's "", the default.
 */
const struct og_policy_scope *og_containers_policy_find(const struct og_containers_policy *policy,
							const struct og_imageref *ref);
