/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a registry's URLs name (OCI distribution-spec, "Endpoints"). Names and references are taken
 * by the specification's grammar and nothing else, so that none is a path (A55). Without I/O.
 */
#pragma once

#include <stdbool.h>

#include "format/blob_digest.h"

#define OG_REPOSITORY_MAX 256 /* bytes, NUL included: what all clients can do */
#define OG_TAG_MAX	  129 /* likewise: the specification's bound */
#define OG_UPLOAD_ID_MAX  80

enum og_registry_route {
	OG_ROUTE_UNKNOWN,
	OG_ROUTE_PING,	    /* /v2/ */
	OG_ROUTE_CATALOG,   /* /v2/_catalog */
	OG_ROUTE_TAGS,	    /* /v2/NAME/tags/list */
	OG_ROUTE_MANIFEST,  /* /v2/NAME/manifests/REFERENCE */
	OG_ROUTE_BLOB,	    /* /v2/NAME/blobs/DIGEST */
	OG_ROUTE_UPLOADS,   /* /v2/NAME/blobs/uploads/ */
	OG_ROUTE_UPLOAD,    /* /v2/NAME/blobs/uploads/ID */
	OG_ROUTE_REFERRERS, /* /v2/NAME/referrers/DIGEST */
};

struct og_registry_path {
	enum og_registry_route route;
	char name[OG_REPOSITORY_MAX];
	bool by_digest; /* of a manifest: @digest, else @tag */
	struct og_blob_digest digest;
	char tag[OG_TAG_MAX];
	char upload[OG_UPLOAD_ID_MAX]; /* letters and digits */
};

enum og_registry_path_fault {
	OG_PATH_FINE,
	OG_PATH_BAD_NAME,
	OG_PATH_BAD_DIGEST,
	OG_PATH_BAD_TAG,
	OG_PATH_BAD_UPLOAD,
};

/* Reads a decoded path. An unknown route is no fault. */
enum og_registry_path_fault og_registry_path_parse(const char *path,
						   struct og_registry_path *ret_path);

bool og_repository_is_valid(const char *name);
bool og_tag_is_valid(const char *tag);
