/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image configurations (OCI image-spec, config.md; Docker's image.v1): reading, checking, and the
 * making of new ones for `import`. Without I/O.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/json.h"
#include "format/manifest.h"

/* What the store needs to know; the rest stays in the tree. Texts are borrowed from it. */
struct og_imageconfig {
	const char *os, *architecture, *variant, *created; /* "" where missing */
	int64_t created_s;	    /* since 1970; 0 where missing or not understood */
	struct og_digest *diff_ids; /* owned; bottom to top */
	size_t layer_count;
	struct og_json *root; /* owned; the whole document */
};

/*
 * Reads a configuration. Whoever uses its "config" object may rely on the types of User,
 * WorkingDir (text), Env, Cmd, Entrypoint (lists of text), Labels, ExposedPorts, Volumes (objects),
 * StopSignal (text). On success *@ret_config is the caller's to free.
 *
 * Errors: -EBADMSG, -E2BIG (over a limit), -ENOTSUP (no Linux file system in layers), -ENOMEM.
 */
int og_imageconfig_parse(const char *buf, size_t len, struct og_imageconfig **ret_config,
			 struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_imageconfig *og_imageconfig_free(struct og_imageconfig *config);
OG_DEFINE_CLEANUP(struct og_imageconfig, og_imageconfig_free)

/*
 * Applies one Dockerfile instruction to the "config" object @config: CMD, ENTRYPOINT, ENV, EXPOSE,
 * LABEL, STOPSIGNAL, USER, VOLUME, WORKDIR, ONBUILD, those that Docker's --change takes. Errors:
 * -EINVAL, the text names the instruction.
 */
int og_imageconfig_change(struct og_json *config, const char *change, struct og_err *err);
