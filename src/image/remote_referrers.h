/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to the registry client: the tag that stands in for the referrers API at registries
 * without it (OCI distribution-spec 1.1, "Referrers Tag Schema").
 */
#pragma once

#include "image/remote.h"

/* og_remote_put_manifest() alone. *@ret_subject_known: the registry has noted its subject. */
int og_remote_put_plain_manifest(struct og_remote *registry, struct og_http_client *client,
				 const char *reference, const char *media_type, const void *buf,
				 size_t len, bool *ret_subject_known, struct og_err *err);

/* Enters the manifest @buf, where it has a subject, in that subject's tag of referrers. */
int og_referrers_enter(struct og_remote *registry, struct og_http_client *client,
		       const char *media_type, const void *buf, size_t len,
		       const struct og_digest *digest, struct og_err *err);
