/* SPDX-License-Identifier: Apache-2.0 */
#include "format/scan_summary.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"

static const char *const names[] = { "critical", "high", "medium", "low" };

static int moment(const struct og_json *object, const char *name, int64_t *ret_s)
{
	struct timespec moment;

	if (og_clock_parse(og_json_string(og_json_get(object, name), ""), &moment) < 0)
		return -EBADMSG;
	*ret_s = moment.tv_sec;
	return 0;
}

static void count_one(const char *severity, bool fixable, struct og_scan_summary *summary)
{
	for (size_t i = 0; i < OG_SCAN_SEVERITIES; i++) {
		if (strcasecmp(names[i], severity) == 0) {
			summary->found[i]++;
			summary->fixable[i] += fixable ? 1 : 0;
		}
	}
}

/* A report of ours: numbers that must all be there. */
static int read_ours(const struct og_json *counts, struct og_scan_summary *summary)
{
	const struct og_json *fixable = og_json_get(counts, "fixable");

	for (size_t i = 0; i < OG_SCAN_SEVERITIES; i++) {
		summary->found[i] = og_json_uint(og_json_get(counts, names[i]), UINT64_MAX);
		summary->fixable[i] =
			og_json_uint(og_json_get(fixable, names[i]), summary->found[i]);
		if (summary->found[i] == UINT64_MAX)
			return -EBADMSG;
	}
	return 0;
}

static int read_trivy(const struct og_json *results, struct og_scan_summary *summary)
{
	if (og_json_kind(results) != OG_JSON_ARRAY)
		return -EBADMSG;
	for (size_t i = 0; i < og_json_count(results); i++) {
		const struct og_json *list = og_json_get(og_json_at(results, i), "Vulnerabilities");

		for (size_t j = 0; j < og_json_count(list); j++) {
			const struct og_json *one = og_json_at(list, j);
			const char *fix = og_json_string(og_json_get(one, "FixedVersion"), "");

			count_one(og_json_string(og_json_get(one, "Severity"), ""), fix[0] != '\0',
				  summary);
		}
	}
	return 0;
}

static int read_grype(const struct og_json *matches, struct og_scan_summary *summary)
{
	if (og_json_kind(matches) != OG_JSON_ARRAY)
		return -EBADMSG;
	for (size_t i = 0; i < og_json_count(matches); i++) {
		const struct og_json *one = og_json_get(og_json_at(matches, i), "vulnerability");
		const struct og_json *fix = og_json_get(one, "fix");

		count_one(og_json_string(og_json_get(one, "severity"), ""),
			  og_streq(og_json_string(og_json_get(fix, "state"), ""), "fixed"),
			  summary);
	}
	return 0;
}

int og_scan_summary_read(const struct og_json *predicate, struct og_scan_summary *ret_summary,
			 struct og_err *err)
{
	const struct og_json *scanner = og_json_get(predicate, "scanner");
	const struct og_json *result = og_json_get(scanner, "result");
	const struct og_json *database = og_json_get(scanner, "db");
	struct og_scan_summary summary = {};
	int r;

	if (moment(og_json_get(predicate, "metadata"), "scanFinishedOn", &summary.finished_s) < 0)
		return og_fail_plain(err, -EBADMSG, "scan: it does not say when it was finished");
	(void)moment(database, "lastUpdate", &summary.database_s);
	if (!og_json_bool(og_json_get(result, "complete"), true))
		return og_fail_plain(err, -EBADMSG, "scan: it is not complete");
	if (og_json_get(result, "summary") != NULL)
		r = read_ours(og_json_get(result, "summary"), &summary);
	else if (og_json_get(result, "Results") != NULL)
		r = read_trivy(og_json_get(result, "Results"), &summary);
	else
		r = read_grype(og_json_get(result, "matches"), &summary);
	if (r < 0)
		return og_fail_plain(err, r, "scan: its report is of no scanner that is known");
	*ret_summary = summary;
	return 0;
}

bool og_scan_is_report(const struct og_json *document)
{
	return og_streq(og_json_string(og_json_get(document, "schema"), ""), OG_SCAN_REPORT_SCHEMA);
}

int og_scan_predicate(struct og_json *report, const char *digest, struct og_json **ret_predicate,
		      struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *root = og_json_new_object();
	struct og_json *scanner = og_json_new_object(), *db = og_json_new_object();
	struct og_json *metadata = og_json_new_object();
	const char *of = og_json_string(og_json_get(og_json_get(report, "image"), "digest"), "");
	const char *written =
		og_json_string(og_json_get(og_json_get(report, "database"), "written"), "");
	const char *at = og_json_string(og_json_get(report, "scanned_at"), "");
	const char *version =
		og_json_string(og_json_get(og_json_get(report, "scanner"), "version"), "");
	bool same = og_streq(of, digest), timed = at[0] != '\0';
	char other[80];

	(void)snprintf(other, sizeof(other), "%.72s", of[0] != '\0' ? of : "none that it names");
	og_json_set_string(db, "lastUpdate", written);
	og_json_set_string(scanner, "uri", "onggi");
	og_json_set_string(scanner, "version", version);
	og_json_set_string(metadata, "scanStartedOn", at);
	og_json_set_string(metadata, "scanFinishedOn", at);
	og_json_set(scanner, "db", db);
	og_json_set(scanner, "result", report);
	og_json_set(root, "scanner", scanner);
	og_json_set(root, "metadata", metadata);
	if (!same)
		return og_fail_plain(err, -EINVAL, "the scan is of another image: %s", other);
	if (!timed)
		return og_fail_plain(err, -EINVAL, "the scan does not say when it was made");
	*ret_predicate = og_take_ptr(root);
	return 0;
}
