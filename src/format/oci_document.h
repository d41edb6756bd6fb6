/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manifests as a registry reads them: of images, indexes and artifacts of any kind (OCI image-spec
 * 1.1: manifest.md, image-index.md, descriptor.md; Docker schema 2; the artifact manifest of 1.1's
 * release candidates). What is not known is let be; what two readers could take for two things is
 * refused (A50). manifest.h is the engine's stricter reader. Without I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "format/blob_digest.h"

#define OG_OCI_DOCUMENT_BYTES_MAX (4U << 20) /* the specification's own least bound */
#define OG_OCI_DESCRIPTORS_MAX	  32768U     /* what fits into that, with a usual length each */
#define OG_OCI_MEDIA_TYPE_MAX	  256	     /* chars: RFC 6838, 4.2, says 127 and 127 */
#define OG_OCI_INDEX_DEPTH_MAX	  16	     /* indexes in indexes (A51); real ones have two */

#define OG_MEDIA_OCI_ARTIFACT "application/vnd.oci.artifact.manifest.v1+json"
#define OG_MEDIA_OCI_EMPTY    "application/vnd.oci.empty.v1+json"

/* Texts are borrowed from the document, "" where missing. */
struct og_oci_descriptor {
	const char *media_type;
	struct og_blob_digest digest;
	uint64_t size;	/* bytes */
	bool elsewhere; /* lies at URLs of its own, and so need not be here; they are never asked */
};

struct og_oci_document {
	bool is_index;
	const char *media_type;	   /* of the document */
	const char *artifact_type; /* artifactType or, failing that, the configuration's type */
	bool has_config, has_subject;
	struct og_oci_descriptor config, subject;
	struct og_oci_descriptor *items; /* layers or blobs, or an index's manifests */
	size_t count;
	const struct og_json *annotations; /* NULL where missing */
	struct og_json *root;		   /* owned */
};

/*
 * Reads one. @media_type is the Content-Type that came with it, or NULL; it must not contradict the
 * document, and must live as long. On success *@ret_document is the caller's to free.
 *
 * Errors: -EBADMSG (no manifest, or ambiguous), -E2BIG (over a limit), -ENOTSUP (of a media type, or
 * with digests, that are not served), -ENOMEM.
 */
int og_oci_document_parse(const char *buf, size_t len, const char *media_type,
			  struct og_oci_document **ret_document, struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_oci_document *og_oci_document_free(struct og_oci_document *document);
OG_DEFINE_CLEANUP(struct og_oci_document, og_oci_document_free)
