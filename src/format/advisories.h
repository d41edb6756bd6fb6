/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Other forms than OSV in which fixes of vulnerabilities are published. Each reader gives records as
 * they come to @fn, whose texts are borrowed until it returns; what @fn fails with ends the reading.
 *
 * Errors of all: -EINVAL (not of this form), -E2BIG (a limit), -ENOMEM, what @fn returned.
 */
#pragma once

#include <stddef.h>

#include "base/json.h"
#include "format/vulnerability.h"

typedef int og_vuln_fn(void *data, struct og_vuln *vuln, struct og_err *err);

/*
 * debian/changelog, deb-changelog(5): a CVE that an entry names is fixed in that entry's version; where
 * several do, in the oldest of them. Ids "DEBCL-CVE-...". @ecosystem: "Debian:12".
 */
int og_advisories_debian_changelog(const char *text, size_t len, const char *ecosystem,
				   og_vuln_fn *fn, void *data, struct og_err *err);

/*
 * Alpine's secdb, as YAML or JSON: "packages[].pkg.secfixes". The version "0" says that no version was
 * ever affected. Ids "ALPINE-CVE-...".
 */
int og_advisories_alpine(const struct og_json *root, og_vuln_fn *fn, void *data,
			 struct og_err *err);
bool og_advisories_is_alpine(const struct og_json *root);

/* nodejs/security-wg's vuln/npm: one advisory of a package of npm. Ids "NSWG-...". */
int og_advisories_nodejs(const struct og_json *root, og_vuln_fn *fn, void *data,
			 struct og_err *err);
bool og_advisories_is_nodejs(const struct og_json *root);

/* RetireJS' jsrepository: vulnerabilities of scripts that are in npm, too. Ids "RETIREJS-...". */
int og_advisories_retirejs(const struct og_json *root, og_vuln_fn *fn, void *data,
			   struct og_err *err);
bool og_advisories_is_retirejs(const struct og_json *root);

/* rubysec's ruby-advisory-db (YAML): one advisory of a gem. Ids as given, CVE, then GHSA, then OSVDB. */
int og_advisories_rubysec(const struct og_json *root, og_vuln_fn *fn, void *data,
			  struct og_err *err);
bool og_advisories_is_rubysec(const struct og_json *root);

/* Of a range of npm's or RubyGems', as the compact text of a record (vulnerability.h). */
struct og_range;
int og_advisories_ranges(const struct og_range *range, char **ret_ranges, struct og_err *err);
