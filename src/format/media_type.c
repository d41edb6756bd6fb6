/* SPDX-License-Identifier: Apache-2.0 */
#include "format/media_type.h"

#include <string.h>

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	const char *media_type;
	enum og_media_kind kind;
} media_types[] = {
	{ OG_MEDIA_DOCKER_MANIFEST, OG_MEDIA_MANIFEST },
	{ OG_MEDIA_DOCKER_LIST, OG_MEDIA_INDEX },
	{ OG_MEDIA_DOCKER_CONFIG, OG_MEDIA_CONFIG },
	{ OG_MEDIA_DOCKER_LAYER, OG_MEDIA_LAYER },
	{ "application/vnd.docker.image.rootfs.diff.tar", OG_MEDIA_LAYER },
	{ "application/vnd.docker.image.rootfs.diff.tar.zstd", OG_MEDIA_LAYER },
	{ "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", OG_MEDIA_FOREIGN_LAYER },
	{ "application/vnd.docker.image.rootfs.foreign.diff.tar", OG_MEDIA_FOREIGN_LAYER },
	{ OG_MEDIA_OCI_MANIFEST, OG_MEDIA_MANIFEST },
	{ OG_MEDIA_OCI_INDEX, OG_MEDIA_INDEX },
	{ OG_MEDIA_OCI_CONFIG, OG_MEDIA_CONFIG },
	{ OG_MEDIA_OCI_LAYER, OG_MEDIA_LAYER },
	{ OG_MEDIA_OCI_LAYER_GZIP, OG_MEDIA_LAYER },
	{ OG_MEDIA_OCI_LAYER_ZSTD, OG_MEDIA_LAYER },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar", OG_MEDIA_FOREIGN_LAYER },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", OG_MEDIA_FOREIGN_LAYER },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", OG_MEDIA_FOREIGN_LAYER },
	{ OG_MEDIA_OCI_ARTIFACT, OG_MEDIA_ARTIFACT },
	{ "application/vnd.docker.distribution.manifest.v1+json", OG_MEDIA_SCHEMA1 },
	{ "application/vnd.docker.distribution.manifest.v1+prettyjws", OG_MEDIA_SCHEMA1 },
};

/* The length of a media type without its parameters. */
static size_t media_type_len(const char *media_type)
{
	size_t len = strcspn(media_type, ";");

	while (len > 0 && (media_type[len - 1] == ' ' || media_type[len - 1] == '\t'))
		len--;
	return len;
}

bool og_media_type_equal(const char *a, const char *b)
{
	size_t len = media_type_len(a);

	return len == media_type_len(b) && strncasecmp(a, b, len) == 0;
}

bool og_media_type_is_vague(const char *media_type)
{
	return og_media_type_equal(media_type, "") ||
	       og_media_type_equal(media_type, "application/json") ||
	       og_media_type_equal(media_type, "text/plain") ||
	       og_media_type_equal(media_type, "application/octet-stream");
}

enum og_media_kind og_media_kind(const char *media_type)
{
	for (size_t i = 0; i < COUNT_OF(media_types); i++)
		if (og_media_type_equal(media_type, media_types[i].media_type))
			return media_types[i].kind;
	return OG_MEDIA_OTHER;
}

const char *og_media_type_lasting(const char *media_type)
{
	for (size_t i = 0; i < COUNT_OF(media_types); i++)
		if (og_media_type_equal(media_type, media_types[i].media_type))
			return media_types[i].media_type;
	return media_type;
}
