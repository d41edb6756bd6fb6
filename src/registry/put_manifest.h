/* SPDX-License-Identifier: Apache-2.0 */
/* A manifest on its way into the registry: read, checked, stored, recorded. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "format/manifest.h"
#include "registry/registry.h"

struct og_manifest_upload {
	struct og_registry *registry;
	const char *repository;
	const char *buf; /* borrowed */
	size_t len;
	bool sparse;  /* an index's manifests may be missing */
	bool partial; /* all that it refers to may be: it is fetched when it is asked for */

	/* og_manifest_upload_open() */
	struct og_blob_digest digest;
	struct og_manifest *document; /* owned */
	bool is_new;		      /* to the repository */
	bool alone;		      /* holds the turn of large documents */
};

/* Takes the turn of large documents, until og_manifest_upload_done(). */
void og_manifest_upload_alone(struct og_manifest_upload *upload);

/*
 * Reads it. @digest: what it must have, NULL for none. og_manifest_upload_done() must follow, in
 * any case. Errors: as og_manifest_parse(), -EUCLEAN (another digest).
 */
int og_manifest_upload_open(struct og_manifest_upload *upload, const char *media_type,
			    const struct og_blob_digest *digest, struct og_err *err);

/* Stores and records it, durably. Errors: as og_records_put_manifest(). */
int og_manifest_upload_put(struct og_manifest_upload *upload, const char *tag, const char *previous,
			   struct og_err *err);

void og_manifest_upload_done(struct og_manifest_upload *upload);
