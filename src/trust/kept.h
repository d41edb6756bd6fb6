/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence that is kept beside images: the folder evidence/ of an engine's data root, where HEX.json is
 * what vouched for the image whose manifest is HEX when it was pulled.
 */
#pragma once

#include "trust/evidence.h"

#define OG_KEPT_FOLDER "evidence"

/* Durably, in place of what was kept for that image before. */
int og_kept_write(int root_fd, const struct og_evidence *evidence, struct og_err *err);

/* On success *@ret_evidence is the caller's. Errors: -ENOENT, -EBADMSG (also: of another image), the
 * kernel's, -ENOMEM. */
int og_kept_read(int root_fd, const struct og_digest *manifest, struct og_evidence **ret_evidence,
		 struct og_err *err);
