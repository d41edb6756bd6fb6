/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies what a reference names from one registry to another, whatever it is: images, whole indexes,
 * artifacts; with all that refers to it (OCI referrers; cosign's tags sha256-HEX.sig, .att, .sbom).
 * Nothing is kept on this machine's disk: blobs are mounted where both repositories are of one
 * registry, else streamed from one to the other. Documents are passed on byte by byte, so that
 * digests and signatures hold; each is checked against its digest here, and each blob by the registry that
 * takes it.
 */
#pragma once

#include "image/images.h"
#include "image/remote.h"

#define OG_COPY_MANIFESTS_MAX \
	20000 /* of one copy: platforms, attestations, signatures, all together */

/* One side: a registry (registry.h), what it was made from. */
struct og_copy_side {
	struct og_remote *registry;
	const struct og_imageref *ref;
};

struct og_copy {
	struct og_copy_side from; /* @ref: its tag or digest is what is copied */
	struct og_copy_side to;	  /* @ref: the tag it gets; access: pull and push */
	const char *tag;	  /* under which it goes in, NULL: by digest alone */
	bool referrers;		  /* all that refers to it, too */
	og_progress_fn *progress; /* may be NULL */
	void *progress_data;
};

struct og_copied {
	struct og_digest digest; /* of what @from's reference named */
	size_t manifests;
	size_t blobs_sent, blobs_mounted, blobs_there;
	uint64_t bytes_sent;
};

/* Errors: -ENOENT, -EBADMSG (a document is none, or another), -E2BIG, -ELOOP, the registries'. */
int og_copy(const struct og_copy *copy, struct og_copied *ret_copied, struct og_err *err);
