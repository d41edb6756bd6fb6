/* SPDX-License-Identifier: Apache-2.0 */
/* Looks into an image where it is, in a registry: nothing is stored here. See inspect.h. */
#pragma once

#include "image/remote.h"
#include "trust/inventory.h"

/*
 * @ref's image for this platform. Layers are streamed, each once. Errors: those of og_remote_manifest()
 * and og_inspect_archive(). On success *@ret_inventory is the caller's to free.
 */
int og_inspect_registry(const struct og_imageref *ref, const struct og_remote_options *options,
			const char *target, struct og_inventory **ret_inventory,
			struct og_err *err);
