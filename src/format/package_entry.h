/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the readers of package databases hand out. Plain data.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/err.h"

/* Bytes of somebody else's memory, without a NUL behind them; { NULL, 0 } where there is nothing. */
struct og_span {
	const char *at;
	size_t len;
};

static inline struct og_span og_span_of(const char *text)
{
	return (struct og_span){ text, text != NULL ? strlen(text) : 0 };
}

static inline bool og_span_is(struct og_span span, const char *text)
{
	return span.len == strlen(text) && (span.len == 0 || memcmp(span.at, text, span.len) == 0);
}

static inline bool og_span_starts(struct og_span span, const char *prefix)
{
	size_t len = strlen(prefix);

	return span.len >= len && memcmp(span.at, prefix, len) == 0;
}

static inline bool og_span_ends(struct og_span span, const char *suffix)
{
	size_t len = strlen(suffix);

	return span.len >= len && memcmp(span.at + span.len - len, suffix, len) == 0;
}

/* Without the blanks, tabs and carriage returns around it. */
struct og_span og_span_trim(struct og_span span);

/* Takes the first line off @rest, the end of the line not in it. False when nothing is left. */
bool og_span_line(struct og_span *rest, struct og_span *ret_line);

/* What is before and behind the first @separator; false (and nothing written) without one. */
bool og_span_cut(struct og_span span, char separator, struct og_span *ret_head,
		 struct og_span *ret_tail);

/* One package; what a file does not say is empty. Valid during the call that hands it out. */
struct og_package_entry {
	struct og_span name, version, architecture;
	struct og_span source_name, source_version; /* empty: as name and version */
	struct og_span license;
};

/* A negative result ends the reading and is handed on. */
typedef int og_package_fn(void *data, const struct og_package_entry *entry, struct og_err *err);

/* A file that a package brought, from the root on, with or without a "/" in front. */
typedef int og_package_file_fn(void *data, struct og_span dir, struct og_span name,
			       struct og_err *err);

/* Debian has 64,000 packages in all; more in one file are a bomb. */
#define OG_PACKAGES_MAX 200000
