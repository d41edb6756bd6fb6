/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An engine's own images, served for reading from its data root: images.db says which, blobs/ and
 * recipes/ have their bytes. A repository is called as people write it: "debian" and "a/b" are of
 * Docker Hub, others have their host in front, without a port. Nothing here is ever written.
 */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "format/registry_path.h"
#include "registry/store.h"

struct og_engine_images;
struct call;

/*
 * @log: a store for its log alone. @root_fd, an engine's data root, stays the
 * caller's. On success *@ret_images is the caller's to free. Errors: og_catalog_open()'s, -ENOMEM.
 */
int og_engine_images_open(int root_fd, const struct og_blob_store *log,
			  struct og_engine_images **ret_images, struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_engine_images *og_engine_images_free(struct og_engine_images *images);
OG_DEFINE_CLEANUP(struct og_engine_images, og_engine_images_free)

/* The engine's data root. Borrowed. */
int og_engine_images_root(const struct og_engine_images *images);

/* Each answers, or returns -ENOENT or another error. */
int og_engine_images_serve_manifest(struct og_engine_images *images, struct call *call,
				    struct og_err *err);
int og_engine_images_serve_blob(struct og_engine_images *images, struct call *call,
				struct og_err *err);
int og_engine_images_serve_tags(struct og_engine_images *images, struct call *call,
				struct og_err *err);

/* @name: the registry's own next repository (@found), or where to look on from. Puts the engine's
 * there if that comes first. 1, 0: there is none of either. */
int og_engine_images_merge_next(struct og_engine_images *images, bool found, const char *previous,
				char name[OG_REPOSITORY_MAX]);
