/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image manifests and indexes: OCI image-spec (manifest.md, image-index.md, descriptor.md) and
 * Docker Registry v2 schema 2. Strict: a document that two readers could take for two things is
 * refused. Without I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/json.h"

/* What registries accept (distribution and Docker Hub: 4 MiB), and what a client must refuse over. */
#define OG_MANIFEST_BYTES_MAX (4U << 20)
/* Configurations carry labels and history; the largest seen in the wild are under 100 KiB. */
#define OG_IMAGECONFIG_BYTES_MAX (4U << 20)
#define OG_MANIFEST_LAYERS_MAX	 127  /* overlayfs' and Docker's bound */
#define OG_INDEX_MANIFESTS_MAX	 4096 /* platforms times attestations, generously */
#define OG_INDEX_DEPTH_MAX	 4    /* indexes in indexes: real ones have one or two */
#define OG_BLOB_BYTES_MAX	 ((uint64_t)64 << 30) /* a layer as it travels */

#define OG_MEDIA_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define OG_MEDIA_DOCKER_LIST	 "application/vnd.docker.distribution.manifest.list.v2+json"
#define OG_MEDIA_DOCKER_CONFIG	 "application/vnd.docker.container.image.v1+json"
#define OG_MEDIA_DOCKER_LAYER	 "application/vnd.docker.image.rootfs.diff.tar.gzip"
#define OG_MEDIA_OCI_MANIFEST	 "application/vnd.oci.image.manifest.v1+json"
#define OG_MEDIA_OCI_INDEX	 "application/vnd.oci.image.index.v1+json"
#define OG_MEDIA_OCI_CONFIG	 "application/vnd.oci.image.config.v1+json"
#define OG_MEDIA_OCI_LAYER	 "application/vnd.oci.image.layer.v1.tar"
#define OG_MEDIA_OCI_LAYER_GZIP	 "application/vnd.oci.image.layer.v1.tar+gzip"
#define OG_MEDIA_OCI_LAYER_ZSTD	 "application/vnd.oci.image.layer.v1.tar+zstd"

enum og_media_kind {
	OG_MEDIA_OTHER,
	OG_MEDIA_MANIFEST,
	OG_MEDIA_INDEX,
	OG_MEDIA_SCHEMA1,
	OG_MEDIA_CONFIG,
	OG_MEDIA_LAYER,
	OG_MEDIA_FOREIGN_LAYER, /* lies elsewhere, at URLs that are never followed */
};

/* Parameters after ';' do not count. */
enum og_media_kind og_media_kind(const char *media_type);

/* Are both the same media type, capitals and parameters aside? */
bool og_media_type_equal(const char *a, const char *b);

/* Does it say nothing about what is in a body ("", "text/plain" ...): as good as no Content-Type? */
bool og_media_type_is_vague(const char *media_type);

/* Texts are borrowed from the manifest they are in, "" where missing. */
struct og_descriptor {
	const char *media_type;
	enum og_media_kind kind;
	struct og_digest digest;
	uint64_t size; /* bytes */
	bool has_urls;
	const char *os, *architecture, *variant; /* of an index's entries */
	const struct og_json *annotations;	 /* NULL where missing */
};

/* One document of either kind. */
struct og_manifest {
	bool is_index;
	const char *media_type; /* borrowed; what the document or, failing that, the transport says */
	struct og_descriptor config; /* of a manifest */
	struct og_descriptor *items; /* layers bottom to top, or an index's manifests */
	size_t count;
	struct og_json *root; /* owned */
};

/*
 * Reads a manifest or index. @media_type is what came with it (Content-Type, a descriptor) or
 * NULL where nothing did; it must not contradict the document. On success *@ret_manifest is the
 * caller's to free.
 *
 * Errors: -EBADMSG (no manifest, or ambiguous), -E2BIG (over a limit), -ENOTSUP (a kind of artefact
 * that is no image, or schema 1), -ENOMEM.
 */
int og_manifest_parse(const char *buf, size_t len, const char *media_type,
		      struct og_manifest **ret_manifest, struct og_err *err);

/*
 * The annotations of a manifest or a descriptor, NULL where missing; borrowed. @ret_annotations may be NULL.
 * Errors: -EBADMSG (one is no text).
 */
int og_manifest_annotations(const struct og_json *json, const struct og_json **ret_annotations,
			    struct og_err *err);

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

/* This machine's architecture as Go and OCI call it: "amd64", "arm64" ... */
const char *og_native_architecture(void);
