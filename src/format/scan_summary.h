/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an attestation says a scan has found: cosign's vulnerability predicate (COSIGN_VULN_ATTESTATION_SPEC.md),
 * type OG_PREDICATE_SCAN, around a scanner's own report. Understood are onggi's report (result.summary) and
 * those of Trivy (result.Results[].Vulnerabilities[]) and Grype (result.matches[]). A report of ours that
 * is not complete (no database, packages that could not be judged) counts as none. Without I/O.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

#define OG_PREDICATE_SCAN "https://cosign.sigstore.dev/attestation/vuln/v1"

enum og_scan_severity {
	OG_SCAN_CRITICAL,
	OG_SCAN_HIGH,
	OG_SCAN_MEDIUM,
	OG_SCAN_LOW,
	OG_SCAN_SEVERITIES, /* lower ones and unknown ones are not counted */
};

struct og_scan_summary {
	int64_t finished_s; /* since 1970 */
	int64_t database_s; /* when the database was last changed; 0: not said */
	uint64_t found[OG_SCAN_SEVERITIES];
	uint64_t fixable[OG_SCAN_SEVERITIES]; /* of these, with a fix to be had */
};

/* Errors: -EBADMSG (no such predicate, or of a scanner that is not known). */
int og_scan_summary_read(const struct og_json *predicate, struct og_scan_summary *ret_summary,
			 struct og_err *err);

/* What `onggi scan --format json` calls its report. */
#define OG_SCAN_REPORT_SCHEMA "onggi-scan/1"

/* Is it such a report, and so no predicate yet? */
bool og_scan_is_report(const struct og_json *document);

/*
 * The predicate around a report of ours, taken over in every case. It must be
 * of the image @digest. Errors: -EINVAL (of another image, or it does not say of which; when).
 */
int og_scan_predicate(struct og_json *report, const char *digest, struct og_json **ret_predicate,
		      struct og_err *err);
