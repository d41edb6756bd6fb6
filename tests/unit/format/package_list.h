/* SPDX-License-Identifier: Apache-2.0 */
/* Collects what a reader of packages hands out, a line each: "name version arch source sversion". */
#pragma once

#include "base/text.h"
#include "format/package_entry.h"

static inline void list_span(struct og_text *text, struct og_span span, const char *end)
{
	og_text_add_bytes(text, span.len > 0 ? span.at : "-", span.len > 0 ? span.len : 1);
	og_text_add(text, end);
}

static inline int list_package(void *data, const struct og_package_entry *entry, struct og_err *err)
{
	(void)err;
	list_span(data, entry->name, " ");
	list_span(data, entry->version, " ");
	list_span(data, entry->architecture, " ");
	list_span(data, entry->source_name, " ");
	list_span(data, entry->source_version, "\n");
	return 0;
}

static inline int list_file(void *data, struct og_span dir, struct og_span name, struct og_err *err)
{
	(void)err;
	list_span(data, dir, "|");
	list_span(data, name, "\n");
	return 0;
}

/* The list must be @wanted, to the letter. */
#define CHECK_LIST(text, wanted)                                                     \
	do {                                                                         \
		const char *got_ = (text).len > 0 ? (text).buf : "";                 \
		if (strcmp(got_, wanted) != 0) {                                     \
			fprintf(stderr, "%s:%d: got\n%s", __FILE__, __LINE__, got_); \
			exit(EXIT_FAILURE);                                          \
		}                                                                    \
	} while (0)
