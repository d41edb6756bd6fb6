/* SPDX-License-Identifier: Apache-2.0 */
#include "format/advisories.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "format/cvss.h"
#include "format/version_parts.h"
#include "format/version_range.h"

int og_advisories_ranges(const struct og_range *range, char **ret_ranges, struct og_err *err)
{
	og_auto_text text = {};

	for (size_t i = 0; i < range->count; i++) {
		const struct og_bound *low = &range->intervals[i].low,
				      *high = &range->intervals[i].high;
		bool from = low->version[0] == '\0' || low->closed;

		og_text_addf(&text, "%c%s\t", from ? '[' : '(', low->version);
		/* "2.0.0-0" is the border of "^1.0" and no version that was ever made. */
		if (high->version[0] != '\0')
			og_text_addf(&text, "%c%s",
				     high->closed			 ? ']'
				     : og_ends_with(high->version, "-0") ? '|'
									 : ')',
				     high->version);
		og_text_add(&text, "\n");
	}
	*ret_ranges = og_text_take(&text);
	return *ret_ranges == NULL ? og_fail(err, -ENOMEM, "ranges") : 0;
}

/* The version behind which all is fixed replaces "up to and with" where it is known. */
static void set_fixes(struct og_range *vulnerable, const struct og_range *patched)
{
	for (size_t i = 0; i < vulnerable->count; i++) {
		struct og_bound *high = &vulnerable->intervals[i].high;

		for (size_t k = 0; high->closed && k < patched->count; k++) {
			const struct og_bound *low = &patched->intervals[k].low;

			if (low->version[0] == '\0' || !low->closed ||
			    og_version_compare(OG_VERSION_SEMVER, low->version, high->version) <= 0)
				continue;
			*high = *low;
			high->closed = false;
		}
	}
}

/* A package whose ranges are known, and the record to whom it is told. */
static int emit(struct og_vuln *vuln, const char *ecosystem, const char *name,
		const struct og_range *range, og_vuln_fn *fn, void *data, struct og_err *err)
{
	struct og_vuln_affected *affected;
	int r = og_vuln_add_affected(vuln, ecosystem, name, &affected, err);

	if (r == 0)
		r = og_advisories_ranges(range, &affected->ranges, err);
	return r < 0 ? r : fn(data, vuln, err);
}

static void begin(struct og_vuln *vuln, const char *id)
{
	*vuln = (struct og_vuln){ .id = id,
				  .summary = "",
				  .vector = "",
				  .url = "",
				  .published = "",
				  .modified = "",
				  .score_tenths = -1 };
}

static void set_vector(struct og_vuln *vuln, const char *vector)
{
	if (og_cvss_score(vector, &vuln->score_tenths) < 0)
		return;
	vuln->vector = vector;
	vuln->severity = og_cvss_severity(vector, vuln->score_tenths);
}

bool og_advisories_is_alpine(const struct og_json *root)
{
	return og_json_get(root, "distroversion") != NULL && og_json_get(root, "packages") != NULL;
}

static int alpine_fix(const char *ecosystem, const char *name, const char *version, const char *cve,
		      og_vuln_fn *fn, void *data, struct og_err *err)
{
	char id[OG_VULN_ID_MAX + 8];
	og_auto_vuln vuln = {};
	struct og_vuln_affected *affected;
	int r;

	(void)snprintf(id, sizeof(id), "ALPINE-%s", cve);
	begin(&vuln, id);
	r = og_vuln_add_alias(&vuln, cve);
	if (r == 0)
		r = og_vuln_add_affected(&vuln, ecosystem, name, &affected, err);
	if (r < 0)
		return og_fail_in(err, r, "secfixes of '%.60s'", name);
	if (og_streq(version, "0"))
		affected->status = OG_VULN_NOT_AFFECTED;
	affected->ranges = og_streq(version, "0") ? og_strdupf("%s", "")
						  : og_strdupf("[\t)%s\n", version);
	return affected->ranges == NULL ? og_fail(err, -ENOMEM, "secfixes") : fn(data, &vuln, err);
}

/* "CVE-2019-14697", or with others and remarks: "CVE-2017-2616 (+ regression fix)". */
static int alpine_ids(const char *ecosystem, const char *name, const char *version,
		      const char *words, og_vuln_fn *fn, void *data, struct og_err *err)
{
	for (const char *at = words; *at != '\0';) {
		size_t len = strcspn(at, " ");
		char word[OG_VULN_ID_MAX + 1];
		int r = 0;

		if (len < sizeof(word) && len > 0) {
			memcpy(word, at, len);
			word[len] = '\0';
			if (og_vuln_id_is_valid(word) && og_is_alpha(word[0]) &&
			    strchr(word, '-') != NULL)
				r = alpine_fix(ecosystem, name, version, word, fn, data, err);
		}
		if (r < 0)
			return r;
		at += len + (at[len] == ' ');
	}
	return 0;
}

int og_advisories_alpine(const struct og_json *root, og_vuln_fn *fn, void *data, struct og_err *err)
{
	const char *release = og_json_string(og_json_get(root, "distroversion"), "");
	const struct og_json *packages = og_json_get(root, "packages");
	char ecosystem[OG_ECOSYSTEM_MAX];

	if (snprintf(ecosystem, sizeof(ecosystem), "Alpine:%s", release) >= (int)sizeof(ecosystem))
		return og_fail(err, -EINVAL, "secdb: distroversion");
	for (size_t i = 0; i < og_json_count(packages); i++) {
		const struct og_json *pkg = og_json_get(og_json_at(packages, i), "pkg");
		const char *name = og_json_string(og_json_get(pkg, "name"), "");
		struct og_json_member fix = {};

		while (og_json_next(og_json_get(pkg, "secfixes"), &fix)) {
			for (size_t k = 0; k < og_json_count(fix.value); k++) {
				const char *words = og_json_string(og_json_at(fix.value, k), "");
				int r = alpine_ids(ecosystem, name, fix.key, words, fn, data, err);

				if (r < 0)
					return r;
			}
		}
	}
	return 0;
}

bool og_advisories_is_nodejs(const struct og_json *root)
{
	return og_json_get(root, "module_name") != NULL &&
	       og_json_get(root, "vulnerable_versions") != NULL;
}

int og_advisories_nodejs(const struct og_json *root, og_vuln_fn *fn, void *data, struct og_err *err)
{
	const struct og_json *cves = og_json_get(root, "cves");
	struct og_range vulnerable, patched;
	og_auto_vuln vuln = {};
	char id[40];
	int r;

	(void)snprintf(id, sizeof(id), "NSWG-ECO-%lld",
		       (long long)og_json_int(og_json_get(root, "id"), 0));
	begin(&vuln, id);
	vuln.summary = og_json_string(og_json_get(root, "title"), "");
	vuln.published = og_json_string(og_json_get(root, "publish_date"), "");
	vuln.modified = og_json_string(og_json_get(root, "updated_at"), "");
	set_vector(&vuln, og_json_string(og_json_get(root, "cvss_vector"), ""));
	vuln.url = og_json_string(og_json_at(og_json_get(root, "references"), 0), "");
	for (size_t i = 0; i < og_json_count(cves); i++)
		(void)og_vuln_add_alias(&vuln, og_json_string(og_json_at(cves, i), ""));
	r = og_range_parse_npm(og_json_string(og_json_get(root, "vulnerable_versions"), ""),
			       &vulnerable, err);
	if (r < 0)
		return og_fail_in(err, r, "%s", id);
	if (og_range_parse_npm(og_json_string(og_json_get(root, "patched_versions"), "<0.0.0"),
			       &patched, NULL) == 0)
		set_fixes(&vulnerable, &patched);
	return emit(&vuln, "npm", og_json_string(og_json_get(root, "module_name"), ""), &vulnerable,
		    fn, data, err);
}

bool og_advisories_is_retirejs(const struct og_json *root)
{
	struct og_json_member library = {};

	while (og_json_next(root, &library))
		if (og_json_get(library.value, "vulnerabilities") != NULL &&
		    og_json_get(library.value, "extractors") != NULL)
			return true;
	return false;
}

static void set_bound(struct og_bound *bound, const struct og_json *value, bool closed)
{
	const char *version = og_json_string(value, "");

	if (strlen(version) < sizeof(bound->version))
		(void)strcpy(bound->version, version);
	bound->closed = closed;
}

static int retirejs_one(const struct og_json *entry, const char *npm_name, size_t index,
			og_vuln_fn *fn, void *data, struct og_err *err)
{
	const struct og_json *names = og_json_get(entry, "identifiers"),
			     *cves = og_json_get(names, "CVE");
	const char *ghsa = og_json_string(og_json_get(names, "githubID"), "");
	struct og_range range = { .count = 1 };
	og_auto_vuln vuln = {};
	char id[OG_VULN_ID_MAX + 1];

	(void)snprintf(id, sizeof(id), "RETIREJS-%.120s-%zu", npm_name, index + 1);
	for (char *at = id; *at != '\0'; at++)
		if (*at == '@')
			*at = '_';
	if (!og_vuln_id_is_valid(id))
		return og_fail(err, -EINVAL, "RetireJS: the name '%.60s'", npm_name);
	begin(&vuln, id);
	vuln.summary = og_json_string(og_json_get(names, "summary"), "");
	vuln.url = og_json_string(og_json_at(og_json_get(entry, "info"), 0), "");
	(void)og_severity_parse(og_json_string(og_json_get(entry, "severity"), ""), &vuln.severity);
	for (size_t i = 0; i < og_json_count(cves); i++)
		(void)og_vuln_add_alias(&vuln, og_json_string(og_json_at(cves, i), ""));
	if (ghsa[0] != '\0')
		(void)og_vuln_add_alias(&vuln, ghsa);
	set_bound(&range.intervals[0].low, og_json_get(entry, "atOrAbove"), true);
	set_bound(&range.intervals[0].high, og_json_get(entry, "below"), false);
	/* Without an end it would be said of every version there will ever be. */
	if (range.intervals[0].high.version[0] == '\0')
		return 0;
	return emit(&vuln, "npm", npm_name, &range, fn, data, err);
}

int og_advisories_retirejs(const struct og_json *root, og_vuln_fn *fn, void *data,
			   struct og_err *err)
{
	struct og_json_member library = {};

	while (og_json_next(root, &library)) {
		const char *name = og_json_string(og_json_get(library.value, "npmname"), "");
		const struct og_json *list = og_json_get(library.value, "vulnerabilities");

		for (size_t i = 0; name[0] != '\0' && i < og_json_count(list); i++) {
			int r = retirejs_one(og_json_at(list, i), name, i, fn, data, err);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

bool og_advisories_is_rubysec(const struct og_json *root)
{
	return og_json_kind(og_json_get(root, "gem")) == OG_JSON_STRING &&
	       og_json_get(root, "title") != NULL;
}

/* All requirements of a list, as alternatives. */
static int add_requirements(const struct og_json *list, struct og_range *all, struct og_err *err)
{
	struct og_range one;

	for (size_t i = 0; i < og_json_count(list); i++) {
		int r = og_range_parse_gem(og_json_string(og_json_at(list, i), ""), &one, err);

		if (r < 0)
			return r;
		for (size_t k = 0; k < one.count; k++) {
			if (all->count == OG_RANGE_INTERVALS_MAX)
				return og_fail(err, -E2BIG, "requirements");
			all->intervals[all->count++] = one.intervals[k];
		}
	}
	return 0;
}

static void rubysec_score(const struct og_json *root, struct og_vuln *vuln)
{
	const struct og_json *value = og_json_get(root, "cvss_v3");
	double score = og_json_double(value, (double)og_json_int(value, -1));

	if (score < 0 || score > 10)
		return;
	vuln->score_tenths = (int)lround(score * 10);
	vuln->severity = og_cvss_severity("CVSS:3.1/", vuln->score_tenths);
}

int og_advisories_rubysec(const struct og_json *root, og_vuln_fn *fn, void *data,
			  struct og_err *err)
{
	const char *cve = og_json_string(og_json_get(root, "cve"), ""),
		   *ghsa = og_json_string(og_json_get(root, "ghsa"), "");
	struct og_range safe = {}, vulnerable;
	char cve_id[64], ghsa_id[64], osvdb_id[64];
	og_auto_vuln vuln = {};
	int r;

	(void)snprintf(cve_id, sizeof(cve_id), "CVE-%.50s", cve);
	(void)snprintf(ghsa_id, sizeof(ghsa_id), "GHSA-%.50s", ghsa);
	(void)snprintf(osvdb_id, sizeof(osvdb_id), "OSVDB-%lld",
		       (long long)og_json_int(og_json_get(root, "osvdb"), 0));
	begin(&vuln, cve[0] != '\0' ? cve_id : ghsa[0] != '\0' ? ghsa_id : osvdb_id);
	if (!og_vuln_id_is_valid(vuln.id))
		return og_fail(err, -EINVAL, "rubysec: an id");
	if (ghsa[0] != '\0')
		(void)og_vuln_add_alias(&vuln, ghsa_id);
	vuln.summary = og_json_string(og_json_get(root, "title"), "");
	vuln.url = og_json_string(og_json_get(root, "url"), "");
	vuln.published = og_json_string(og_json_get(root, "date"), "");
	rubysec_score(root, &vuln);
	r = add_requirements(og_json_get(root, "patched_versions"), &safe, err);
	if (r == 0)
		r = add_requirements(og_json_get(root, "unaffected_versions"), &safe, err);
	if (r == 0)
		r = og_range_invert(OG_VERSION_GEM, &safe, &vulnerable, err);
	if (r < 0)
		return og_fail_in(err, r, "%s", vuln.id);
	return emit(&vuln, "RubyGems", og_json_string(og_json_get(root, "gem"), ""), &vulnerable,
		    fn, data, err);
}
