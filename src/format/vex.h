/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What somebody has said about vulnerabilities in what is scanned: OpenVEX (0.0.1 to 0.2), CycloneDX's
 * VEX (1.4 on), and lists of what is to be ignored. No I/O.
 *
 * An ignore file is lines "ID [package=NAME] [until=YYYY-MM-DD] [REASON...]" with "#" comments
 * ("exp:DATE", as Trivy writes, is "until"), or YAML:
 *
 *	ignore:
 *	  - id: CVE-2024-1234
 *	    package: openssl
 *	    until: 2027-01-31
 *	    reason: the code is not reached
 */
#pragma once

#include <stddef.h>

#include "base/json.h"

#define OG_VEX_STATEMENTS_MAX 100000U
#define OG_VEX_TEXT_MAX	      1000U /* bytes of a reason; longer ones are cut */

enum og_vex_status {
	OG_VEX_NOT_AFFECTED, /* or a false positive */
	OG_VEX_FIXED,
	OG_VEX_AFFECTED,
	OG_VEX_UNDER_INVESTIGATION,
	OG_VEX_IGNORED, /* of an ignore file: the finding stands, and is not to be shown */
};

/* "not_affected" ... */
const char *og_vex_status_name(enum og_vex_status status);

/* All texts owned, never NULL, "" where there is none. */
struct og_statement {
	enum og_vex_status status;
	char *ids;	 /* the vulnerability and its aliases, a blank between them */
	char *product;	 /* what it is about: a purl, or the thing scanned; "": everything */
	char *component; /* within the product: a purl or a package's name; "": all of it */
	char *reason;
	char *until; /* "YYYY-MM-DD", the last day */
};

struct og_statements {
	struct og_statement *list; /* owned */
	size_t count;
};

void og_statements_done(struct og_statements *statements);

/*
 * Each adds to @statements, in the order of the document. Errors: -EINVAL (not of the form), -E2BIG,
 * -ENOMEM.
 */
int og_vex_read(const struct og_json *root, struct og_statements *statements, struct og_err *err);
int og_ignore_read_tree(const struct og_json *root, struct og_statements *statements,
			struct og_err *err);
int og_ignore_read_lines(const char *text, size_t len, struct og_statements *statements,
			 struct og_err *err);
