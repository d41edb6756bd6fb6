/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attaching to images in registries, in the two ways there are: cosign's tags (sha256-HEX.sig, .att), where
 * each layer is one signature, and OCI 1.1 referrers, a manifest each. What was there stays.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/err.h"
#include "base/http_client.h"
#include "base/json.h"
#include "image/remote.h"

struct og_attachment {
	struct og_digest subject;	/* of the image's manifest or index */
	const char *subject_media_type; /* for a referrer */
	uint64_t subject_size;		/* likewise */
	const char *artifact_type;	/* likewise */
	const char *media_type;		/* of the content */
	const void *buf;
	size_t len;
	struct og_json *layer_annotations; /* borrowed; NULL: none */
	struct og_json *annotations;	   /* of a referrer's manifest; borrowed; NULL: none */
};

/*
 * Adds a layer to the tag sha256-HEX.KIND. Two who do so at the same moment may undo one another's: that
 * is cosign's layout. Errors: -E2BIG (the tag is full), og_remote_put_*()'s.
 */
int og_attach_tag(struct og_remote *registry, struct og_http_client *client, const char *kind,
		  const struct og_attachment *attachment, struct og_err *err);

/*
 * Pushes a manifest with the image as its subject. *@ret_digest (may be NULL) is its digest. Errors:
 * og_remote_put_*()'s.
 */
int og_attach_referrer(struct og_remote *registry, struct og_http_client *client,
		       const struct og_attachment *attachment, struct og_digest *ret_digest,
		       struct og_err *err);
