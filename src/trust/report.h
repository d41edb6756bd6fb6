/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The result of a scan in the forms that people and other tools read. The same scan at the same moment
 * gives the same bytes. docs/scan.md describes our own JSON, which `onggi attest` attaches to images
 * and the gate reads.
 */
#pragma once

#include "base/json.h"
#include "base/text.h"
#include "trust/match.h"

enum og_report_format {
	OG_REPORT_TABLE,     /* for people */
	OG_REPORT_JSON,	     /* ours */
	OG_REPORT_SARIF,     /* OASIS SARIF 2.1.0 */
	OG_REPORT_CYCLONEDX, /* CycloneDX 1.5: packages and vulnerabilities */
	OG_REPORT_SPDX,	     /* SPDX 2.3: packages */
	OG_REPORT_JUNIT,     /* a test case a row, failed where it counts */
	OG_REPORT_FORMATS,
};

/* "table", "json", "sarif", "cyclonedx", "spdx", "junit". Errors: -EINVAL. */
int og_report_format_parse(const char *name, enum og_report_format *ret_format);

struct og_report {
	const struct og_scan *scan;
	const char *now; /* RFC 3339 */
	bool colours;	 /* of a table */
	bool hidden;	 /* whether a table lists what does not count, too */
	size_t width;	 /* columns of a table; 0: as wide as it is */
};

/* Errors: -ENOMEM. */
int og_report_write(const struct og_report *report, enum og_report_format format,
		    struct og_text *out, struct og_err *err);

/* Days between the database's writing and @now; -1 unknown. */
int64_t og_report_database_days(const struct og_report *report);
