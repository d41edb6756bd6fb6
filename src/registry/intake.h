/* SPDX-License-Identifier: Apache-2.0 */
/* Putting content into a registry from within: a pull-through cache fetches, and stores it here. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "format/blob_digest.h"
#include "registry/registry.h"

struct og_registry_intake;

/* Begins a blob. On success *@ret_intake is the caller's to free; what is not finished is gone. */
int og_registry_intake_new(struct og_registry *registry, const char *repository,
			   const struct og_blob_digest *digest,
			   struct og_registry_intake **ret_intake, struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_registry_intake *og_registry_intake_free(struct og_registry_intake *intake);
OG_DEFINE_CLEANUP(struct og_registry_intake, og_registry_intake_free)

/* Errors: -ENOSPC and what else write() says. */
int og_registry_intake_write(struct og_registry_intake *intake, const void *buf, size_t len,
			     struct og_err *err);

/* Publishes it, durably. Errors: -EUCLEAN (it is not what its digest says). */
int og_registry_intake_finish(struct og_registry_intake *intake, struct og_err *err);

/*
 * Stores a manifest under its digest, and under @tag unless that is NULL. What it refers to may be
 * missing: it is asked for later. Errors: -EUCLEAN (another digest than @digest; NULL: any),
 * -EBADMSG and -E2BIG (no manifest).
 */
int og_registry_put_manifest(struct og_registry *registry, const char *repository, const char *tag,
			     const struct og_blob_digest *digest, const char *media_type,
			     const void *buf, size_t len, struct og_err *err);
