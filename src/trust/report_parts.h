/* SPDX-License-Identifier: Apache-2.0 */
/* What the reports share, and each of them. Private to trust/. */
#pragma once

#include "trust/report.h"

/* Each package's purl, and a reference to it that is its own within a document. */
struct og_refs {
	char **purls; /* owned */
	char **refs;  /* owned: the purl, with "#2" ... behind it where it is not the first */
	size_t count;
};

/* On success og_refs_done() is the caller's duty. Errors: -ENOMEM. */
int og_refs_init(const struct og_inventory *inventory, struct og_refs *ret_refs);
void og_refs_done(struct og_refs *refs);

/* "9.8"; "" unknown. */
struct og_score_text {
	char text[16];
};
struct og_score_text og_score_text(int tenths);

/* Each adds its report to @out: 0 or -ENOMEM. */
int og_report_table(const struct og_report *report, struct og_text *out);
int og_report_sarif(const struct og_report *report, const struct og_refs *refs,
		    struct og_text *out);
int og_report_cyclonedx(const struct og_report *report, const struct og_refs *refs,
			struct og_text *out);
int og_report_spdx(const struct og_report *report, const struct og_refs *refs, struct og_text *out);
int og_report_junit(const struct og_report *report, struct og_text *out);

/* Adds indented JSON and a new line, frees @root. */
int og_report_add_json(struct og_text *out, struct og_json *root);
