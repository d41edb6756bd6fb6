/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manifests of what is attached to images: signatures, attestations, SBOMs (OCI image-spec,
 * manifest.md, "Guidelines for artifact usage"; cosign's SIGNATURE_SPEC.md). Read here, since
 * format/manifest.h takes nothing but images. Without I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/json.h"

#define OG_MEDIA_OCI_EMPTY	  "application/vnd.oci.empty.v1+json"
#define OG_MEDIA_SIMPLESIGNING	  "application/vnd.dev.cosign.simplesigning.v1+json"
#define OG_MEDIA_DSSE		  "application/vnd.dsse.envelope.v1+json"
#define OG_MEDIA_BUNDLE		  "application/vnd.dev.sigstore.bundle.v0.3+json"
#define OG_MEDIA_COSIGN_SIGNATURE "application/vnd.dev.cosign.artifact.sig.v1+json"
#define OG_MEDIA_COSIGN_SBOM	  "application/vnd.dev.cosign.artifact.sbom.v1+json"

#define OG_COSIGN_SIGNATURE "dev.cosignproject.cosign/signature" /* annotation: base64 */

/*
 * Every blob of a list of signatures is fetched and tried: a list with more is an attack, or kept by
 * nobody (a signer adds one each time it signs the same image anew).
 */
#define OG_ARTIFACT_LAYERS_MAX 64

struct og_artifact_blob {
	const char *media_type; /* texts are borrowed from the tree, "" where missing */
	struct og_digest digest;
	uint64_t size;			   /* bytes */
	const struct og_json *annotations; /* NULL where missing */
};

struct og_artifact {
	const char *type; /* artifactType, else the configuration's media type */
	bool has_subject;
	struct og_digest subject;
	struct og_artifact_blob *blobs; /* owned */
	size_t count;
	struct og_json *root; /* owned */
};

/*
 * On success *@ret_artifact is the caller's to free. Errors: -EBADMSG (no manifest), -E2BIG (over a
 * limit), -ENOMEM.
 */
int og_artifact_parse(const char *buf, size_t len, struct og_artifact **ret_artifact,
		      struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_artifact *og_artifact_free(struct og_artifact *artifact);
OG_DEFINE_CLEANUP(struct og_artifact, og_artifact_free)

/* A descriptor as a new JSON object. */
struct og_json *og_artifact_descriptor(const char *media_type, const struct og_digest *digest,
				       uint64_t size);
