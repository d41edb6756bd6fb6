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
	OG_INTEREST_APK,
	OG_INTEREST_RPM_SQLITE,
	OG_INTEREST_RPM_NDB,
	OG_INTEREST_RPM_BDB,
	OG_INTEREST_NPM_PACKAGE,
	OG_INTEREST_NPM_LOCK,
	OG_INTEREST_YARN_LOCK,
	OG_INTEREST_PNPM_LOCK,
	OG_INTEREST_PYPI,
	OG_INTEREST_PYPI_LOCK,
	OG_INTEREST_PIPFILE_LOCK,
	OG_INTEREST_CARGO_LOCK,
	OG_INTEREST_GEM_SPEC,
	OG_INTEREST_GEM_LOCK,
	OG_INTEREST_JAR,
	OG_INTEREST_PROGRAM, /* Go's and Rust's; by its mode, not its name */
	OG_INTERESTS,
};

/* All that a file is looked at for. */
struct og_interest_set {
	enum og_interest reader;
	bool secrets;
	uint32_t privileged; /* its mode, of a set-uid or set-gid program */
};

/* By its name alone, never a program. @path: from the root on, without "/" in front. */
enum og_interest og_interest_of(const char *path);

/* @mode with the type or without; @size of its content. */
struct og_interest_set og_interest_in(const char *path, uint32_t mode, uint64_t size);

bool og_interest_is_any(const struct og_interest_set *set);

/* Is the content, @size bytes, to be kept for og_interest_take()? */
bool og_interest_wants_content(const struct og_interest_set *set, uint64_t size);

/* The files that say which files a distribution's packages own, and nothing else. */
bool og_interest_is_ownership(enum og_interest interest);

/*
 * Reads one file of the layer under way into the builder. @content is NULL where it was not kept. Errors:
 * -EBADMSG, -EFBIG for a distribution's database; -E2BIG, -ENOMEM; what @content's read says.
 */
int og_interest_take(struct og_builder *builder, const char *path,
		     const struct og_interest_set *set, const struct og_bytes *content,
		     struct og_err *err);
