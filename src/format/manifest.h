/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manifests of images, indexes and artifacts of any kind (OCI image-spec 1.1: manifest.md,
 * image-index.md, descriptor.md; Docker Registry v2 schema 2; the artifact manifest of 1.1's release
 * candidates). What is not known is let be; what two readers could take for two things is refused
 * (A50). A registry takes all of them; what can be run is less: og_manifest_parse_image(). Without I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/json.h"
#include "format/blob_digest.h"
#include "format/media_type.h"

/* What registries accept (distribution and Docker Hub: 4 MiB), and the specification's own least bound. */
#define OG_MANIFEST_BYTES_MAX	    (4U << 20)
#define OG_MANIFEST_DESCRIPTORS_MAX 32768U /* what fits into that, with a usual length each */
#define OG_MANIFEST_DEPTH_MAX	    16 /* indexes in indexes that are kept (A51); real ones have two */
#define OG_MEDIA_TYPE_MAX	    256 /* chars: RFC 6838, 4.2, says 127 and 127 */

/* Configurations carry labels and history; the largest seen in the wild are under 100 KiB. */
#define OG_IMAGECONFIG_BYTES_MAX (4U << 20)
#define OG_MANIFEST_LAYERS_MAX	 127  /* overlayfs' and Docker's bound */
#define OG_INDEX_MANIFESTS_MAX	 4096 /* platforms times attestations, generously */
#define OG_INDEX_DEPTH_MAX	 4    /* indexes in indexes on the way to an image that is run */
#define OG_BLOB_BYTES_MAX	 ((uint64_t)64 << 30) /* a layer as it travels */

/* Texts are borrowed from the manifest they are in, "" where missing. */
struct og_descriptor {
	const char *media_type;
	enum og_media_kind kind;
	struct og_blob_digest digest;
	struct og_digest sha256; /* the digest, where it is one of SHA-256: always of an image's */
	uint64_t size;		 /* bytes */
	bool elsewhere; /* lies at URLs of its own, and so need not be here; they are never asked */
	const char *os, *architecture, *variant; /* of an index's entries */
	const struct og_json *annotations;	 /* NULL where missing */
};

/* One document of any kind. */
struct og_manifest {
	bool is_index;
	const char *media_type;	   /* what the document or, failing that, the transport says */
	const char *artifact_type; /* artifactType or, failing that, the configuration's type */
	bool has_config, has_subject;
	struct og_descriptor config, subject;
	struct og_descriptor *items; /* layers bottom to top, or blobs, or an index's manifests */
	size_t count;
	const struct og_json *annotations; /* NULL where missing */
	struct og_json *root;		   /* owned */
};

/*
 * Reads one. @media_type is what came with it (Content-Type, a descriptor) or NULL where nothing did;
 * it must not contradict the document. On success *@ret_manifest is the caller's to free.
 *
 * Errors: -EBADMSG (no manifest, or ambiguous), -E2BIG (over a limit), -ENOTSUP (of a media type, or
 * with digests, that are not understood; schema 1), -ENOMEM.
 */
int og_manifest_parse(const char *buf, size_t len, const char *media_type,
		      struct og_manifest **ret_manifest, struct og_err *err);

/*
 * Likewise an image, or an index, for who is to run it or to look inside: digests of SHA-256, and the
 * limits above. Errors: likewise; -ENOTSUP (an artifact that is no image).
 */
int og_manifest_parse_image(const char *buf, size_t len, const char *media_type,
			    struct og_manifest **ret_manifest, struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_manifest *og_manifest_free(struct og_manifest *manifest);
OG_DEFINE_CLEANUP(struct og_manifest, og_manifest_free)

/*
 * The entry of an index that fits best, as Docker chooses: same os and architecture; the wanted
 * variant, else none, else any (only when @variant is ""), else one that says no platform; the first
 * of equals. NULL: none fits.
 */
const struct og_descriptor *og_manifest_choose(const struct og_manifest *index, const char *os,
					       const char *architecture, const char *variant);

/*
 * Could a client run it, whatever it says of itself? They look at different things: Docker unpacks layers of any
 * media type under a configuration that says nothing of itself, podman any configuration of a manifest of
 * Docker's, containerd goes by the layers' types. BY_CONTENT: when one of its layers can be unpacked.
 */
enum og_runnable {
	OG_RUNNABLE_NO,
	OG_RUNNABLE_BY_CONTENT,
	OG_RUNNABLE_YES,
};
enum og_runnable og_manifest_runnable(const struct og_manifest *manifest);

/* This machine's architecture as Go and OCI call it: "amd64", "arm64" ... */
const char *og_native_architecture(void);
