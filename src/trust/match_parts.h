/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of match.h share. Private to trust/. */
#pragma once

#include "trust/match.h"
#include "trust/texts.h"

/* Packages that are judged together: those of one source package in one version. */
struct og_group {
	const char *ecosystem; /* as records have it */
	const char *name;      /* as records have it */
	const char *version;
	enum og_version_order order;
	const size_t *packages;
	size_t package_count;
};

/* One record's word on a group that is affected, or (cleared) is said not to be. */
struct og_candidate {
	const char *id, *aliases, *vector, *summary, *url, *published, *source;
	const char *shared; /* names of an advisory of several vulnerabilities */
	const char *fixed;
	enum og_vuln_status status;
	enum og_severity severity; /* of the package, by who packs it; UNKNOWN where not said */
	enum og_severity general;  /* of the record */
	int score_tenths;
};

struct og_candidates {
	struct og_candidate *list; /* owned */
	size_t count, room;
};

/* Errors of all: -E2BIG (OG_HITS_MAX), -ENOMEM. */

/* Joins the candidates that go by a common name, and adds a row for each. */
int og_hits_add(struct og_scan *scan, const struct og_group *group,
		const struct og_candidates *candidates, struct og_err *err);

/* Applies what others said, counts, and puts the rows in order. */
int og_hits_finish(struct og_scan *scan, const struct og_statements *statements, const char *today,
		   struct og_err *err);

/* Adds a line to the scan's warnings. */
int og_scan_warn(struct og_scan *scan, struct og_err *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* What stands before the name in the URL of a package of the distribution with this ID in its os-release(5). */
const char *og_purl_namespace(const char *os_id);

/* A copy in the scan's texts. NULL: no memory. */
const char *og_scan_text(struct og_scan *scan, const char *text);
