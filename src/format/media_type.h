/* SPDX-License-Identifier: Apache-2.0 */
/* Media types of images and of what is kept beside them (RFC 6838; OCI image-spec 1.1, media-types.md). */
#pragma once

#include <stdbool.h>

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
#define OG_MEDIA_OCI_ARTIFACT	 "application/vnd.oci.artifact.manifest.v1+json"
#define OG_MEDIA_OCI_EMPTY	 "application/vnd.oci.empty.v1+json"

enum og_media_kind {
	OG_MEDIA_OTHER,
	OG_MEDIA_MANIFEST,
	OG_MEDIA_INDEX,
	OG_MEDIA_ARTIFACT,
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

/* The same text, with the life of the program where the type is known. */
const char *og_media_type_lasting(const char *media_type);
