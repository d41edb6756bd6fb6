/* SPDX-License-Identifier: Apache-2.0 */
/* Which files say something, and reading them into a builder. Private to trust/. */
#pragma once

#include <sys/types.h>

#include "format/bytes.h"
#include "trust/builder.h"

enum og_interest {
	OG_INTEREST_NONE,
	OG_INTEREST_OS_RELEASE,
	OG_INTEREST_DPKG_STATUS,
	OG_INTEREST_DPKG_STATUS_D,
	OG_INTEREST_DPKG_LIST,
	OG_INTEREST_DPKG_SUMS,
	OG_INTERESTS,
};

/* By its name alone. @path: from the root on, without "/" in front. */
enum og_interest og_interest_of(const char *path);

/* The files that say which files a distribution's packages own, and nothing else. */
bool og_interest_is_ownership(enum og_interest interest);

/*
 * Reads one file of the layer under way. Errors: -EBADMSG, -EFBIG for a distribution's database;
 * -E2BIG, -ENOMEM; what @content's read says.
 */
int og_interest_read(struct og_builder *builder, const char *path, enum og_interest interest,
		     const struct og_bytes *content, struct og_err *err);
