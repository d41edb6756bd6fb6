/* SPDX-License-Identifier: Apache-2.0 */
#include "format/osv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "format/cvss.h"
#include "format/ecosystem.h"

enum event_kind {
	INTRODUCED,
	FIXED,
	LAST_AFFECTED,
	LIMIT
};

static const char *const event_names[] = { "introduced", "fixed", "last_affected", "limit" };
/* What stands before the high bound in the compact text. */
static const char event_marks[] = { '[', ')', ']', '|' };

struct event {
	enum event_kind kind;
	const char *version; /* "" for "0", the beginning */
	enum og_version_order order;
};

static bool is_version(const char *text)
{
	size_t len = strnlen(text, OG_VERSION_MAX);

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return false;
	return len > 0 && len < OG_VERSION_MAX;
}

/* By version; at one version what ends comes before what begins, but a last one that is affected. */
static int compare_events(const void *left, const void *right)
{
	static const int ranks[] = {
		[FIXED] = 0, [LIMIT] = 0, [INTRODUCED] = 1, [LAST_AFFECTED] = 2
	};
	const struct event *a = left, *b = right;
	int way;

	if (a->version[0] == '\0' || b->version[0] == '\0')
		way = (a->version[0] != '\0') - (b->version[0] != '\0');
	else
		way = og_version_compare(a->order, a->version, b->version);
	return way != 0 ? way : ranks[a->kind] - ranks[b->kind];
}

static int read_event(const struct og_json *object, struct event *event)
{
	for (size_t i = 0; i < sizeof(event_names) / sizeof(event_names[0]); i++) {
		const char *version = og_json_string(og_json_get(object, event_names[i]), NULL);

		if (version == NULL)
			continue;
		if (!is_version(version))
			return -EINVAL;
		event->kind = (enum event_kind)i;
		event->version = og_streq(version, "0") && i == INTRODUCED ? "" : version;
		return 0;
	}
	return -EINVAL;
}

static void add_intervals(const struct event *events, size_t count, struct og_text *ranges)
{
	bool open = false;

	for (size_t i = 0; i < count; i++) {
		if (events[i].kind == INTRODUCED && !open)
			og_text_addf(ranges, "[%s\t", events[i].version);
		else if (events[i].kind != INTRODUCED && open)
			og_text_addf(ranges, "%c%s\n", event_marks[events[i].kind],
				     events[i].version);
		open = events[i].kind == INTRODUCED;
	}
	if (open)
		og_text_add(ranges, "\n");
}

static int add_range(const struct og_json *range, enum og_version_order order,
		     struct og_text *ranges, const char *id, struct og_err *err)
{
	const char *type = og_json_string(og_json_get(range, "type"), "");
	const struct og_json *list = og_json_get(range, "events");
	og_auto_free struct event *events = NULL;
	size_t count = 0, total = og_json_count(list);

	if (og_streq(type, "GIT"))
		return 0;
	if (!og_streq(type, "ECOSYSTEM") && !og_streq(type, "SEMVER"))
		return og_fail(err, -EINVAL, "%s: a range of type '%.20s'", id, type);
	if (total > OG_VULN_EVENTS_MAX)
		return og_fail(err, -E2BIG, "%s: more than %u events", id, OG_VULN_EVENTS_MAX);
	events = calloc(total + 1, sizeof(events[0]));
	if (events == NULL)
		return og_fail(err, -ENOMEM, "%s", id);
	for (size_t i = 0; i < total; i++) {
		events[count].order = order;
		if (read_event(og_json_at(list, i), &events[count]) < 0)
			return og_fail(err, -EINVAL, "%s: event %zu of a range", id, i);
		/* "*" is no limit. */
		if (events[count].kind != LIMIT || !og_streq(events[count].version, "*"))
			count++;
	}
	qsort(events, count, sizeof(events[0]), compare_events);
	add_intervals(events, count, ranges);
	return 0;
}

/* Versions that the ranges hold already say nothing more. */
static int add_versions(const struct og_json *list, enum og_version_order order,
			struct og_text *ranges, const char *id, struct og_err *err)
{
	og_auto_free char *known = og_strdupf("%s", ranges->buf != NULL ? ranges->buf : "");
	size_t total = og_json_count(list);

	if (total > OG_VULN_VERSIONS_MAX)
		return og_fail(err, -E2BIG, "%s: more than %u versions", id, OG_VULN_VERSIONS_MAX);
	if (known == NULL)
		return og_fail(err, -ENOMEM, "%s", id);
	for (size_t i = 0; i < total; i++) {
		const char *version = og_json_string(og_json_at(list, i), "");
		struct og_vuln_verdict verdict;

		if (!is_version(version))
			return og_fail(err, -EINVAL, "%s: version %zu", id, i);
		og_vuln_judge(order, known, version, &verdict);
		if (!verdict.affected)
			og_text_addf(ranges, "=%s\n", version);
	}
	return 0;
}

/* GitHub's "< 1.2" or "<= 1.2" beside a range without an end, in its place. */
static void end_open_range(const struct og_json *affected, struct og_text *ranges)
{
	const char *text = og_json_string(og_json_get(og_json_get(affected, "database_specific"),
						      "last_known_affected_version_range"),
					  "");
	bool closed = og_starts_with(text, "<=");
	const char *version = text + (closed ? 2 : 1);

	if (text[0] != '<' || ranges->len < 2 || ranges->buf[ranges->len - 2] != '\t')
		return;
	version += strspn(version, " ");
	if (!is_version(version))
		return;
	ranges->buf[--ranges->len] = '\0';
	og_text_addf(ranges, "%c%s\n", closed ? ']' : '|', version);
}

/* A word of one of the members in which databases say such things. */
static const char *word_of(const struct og_json *object, const char *key)
{
	static const char *const places[] = { "ecosystem_specific", "database_specific" };

	for (size_t i = 0; i < 2; i++) {
		const char *word =
			og_json_string(og_json_get(og_json_get(object, places[i]), key), NULL);

		if (word != NULL)
			return word;
	}
	return "";
}

static enum og_vuln_status status_of(const struct og_json *affected)
{
	static const struct {
		const char *word;
		enum og_vuln_status status;
	} words[] = {
		{ "wont-fix", OG_VULN_WONT_FIX },	  { "will_not_fix", OG_VULN_WONT_FIX },
		{ "wont_fix", OG_VULN_WONT_FIX },	  { "ignored", OG_VULN_WONT_FIX },
		{ "end-of-life", OG_VULN_WONT_FIX },	  { "end_of_life", OG_VULN_WONT_FIX },
		{ "not-affected", OG_VULN_NOT_AFFECTED }, { "not_affected", OG_VULN_NOT_AFFECTED },
	};

	/* Debian says of what it supports no more that its urgency is "end-of-life". */
	static const char *const keys[] = { "status", "fix_state", "urgency" };

	for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (og_streq(word_of(affected, keys[k]), words[i].word))
				return words[i].status;
	return OG_VULN_AFFECTED;
}

static enum og_severity label_of(const struct og_json *object)
{
	static const char *const keys[] = { "severity", "urgency", "ubuntu_priority",
					    "cvss_severity" };
	enum og_severity severity = OG_SEVERITY_UNKNOWN;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (og_severity_parse(word_of(object, keys[i]), &severity) == 0)
			break;
	return severity;
}

static int add_affected(const struct og_json *affected, struct og_vuln *vuln, struct og_err *err)
{
	const struct og_json *package = og_json_get(affected, "package"),
			     *list = og_json_get(affected, "ranges");
	const char *ecosystem = og_json_string(og_json_get(package, "ecosystem"), "");
	const char *name = og_json_string(og_json_get(package, "name"), "");
	char normal[OG_ECOSYSTEM_MAX];
	struct og_vuln_affected *added;
	enum og_version_order order;
	og_auto_text ranges = {};
	int r;

	/* Without a package it is about commits alone. */
	if (package == NULL || og_ecosystem_normalize(ecosystem, normal) < 0 ||
	    og_version_order_of(normal, &order) < 0)
		return 0;
	r = og_vuln_add_affected(vuln, ecosystem, name, &added, err);
	for (size_t i = 0; r == 0 && i < og_json_count(list); i++)
		r = add_range(og_json_at(list, i), order, &ranges, vuln->id, err);
	if (r < 0)
		return r;
	end_open_range(affected, &ranges);
	r = add_versions(og_json_get(affected, "versions"), order, &ranges, vuln->id, err);
	if (r < 0)
		return r;
	added->status = status_of(affected);
	added->severity = label_of(affected);
	added->ranges = og_text_take(&ranges);
	return added->ranges == NULL ? og_fail(err, -ENOMEM, "%s", vuln->id) : 0;
}

/* The newest version of CVSS that is there and can be read. */
static void read_severity(const struct og_json *list, struct og_vuln *vuln)
{
	static const char *const types[] = { "CVSS_V4", "CVSS_V3", "CVSS_V2" };

	for (size_t t = 0; t < 3 && vuln->score_tenths < 0; t++) {
		for (size_t i = 0; i < og_json_count(list); i++) {
			const struct og_json *entry = og_json_at(list, i);
			const char *vector = og_json_string(og_json_get(entry, "score"), "");
			int tenths;

			if (!og_streq(og_json_string(og_json_get(entry, "type"), ""), types[t]) ||
			    og_cvss_score(vector, &tenths) < 0)
				continue;
			vuln->vector = vector;
			vuln->score_tenths = tenths;
			vuln->severity = og_cvss_severity(vector, tenths);
			break;
		}
	}
}

static const char *url_of(const struct og_json *root)
{
	const struct og_json *list = og_json_get(root, "references");
	const char *first = "";

	for (size_t i = 0; i < og_json_count(list); i++) {
		const struct og_json *entry = og_json_at(list, i);
		const char *url = og_json_string(og_json_get(entry, "url"), "");

		if (!og_starts_with(url, "https://") && !og_starts_with(url, "http://"))
			continue;
		if (og_streq(og_json_string(og_json_get(entry, "type"), ""), "ADVISORY"))
			return url;
		if (first[0] == '\0')
			first = url;
	}
	return first;
}

static int read_names(const struct og_json *root, struct og_vuln *vuln, struct og_err *err)
{
	/* "upstream": what a distribution's advisory is about (1.7). */
	static const char *const keys[] = { "aliases", "upstream" };

	vuln->id = og_json_string(og_json_get(root, "id"), "");
	if (!og_vuln_id_is_valid(vuln->id))
		return og_fail(err, -EINVAL, "a record without an id");
	for (size_t k = 0; k < 2; k++) {
		const struct og_json *list = og_json_get(root, keys[k]);

		for (size_t i = 0; i < og_json_count(list); i++) {
			const char *alias = og_json_string(og_json_at(list, i), NULL);
			int r = alias != NULL ? og_vuln_add_alias(vuln, alias) : -EINVAL;

			/* Another name that is none makes it no less a vulnerability. */
			if (r < 0 && (alias == NULL || r != -EINVAL))
				return og_fail(err, r, "%s: alias %zu", vuln->id, i);
		}
	}
	return 0;
}

int og_osv_read(const struct og_json *root, struct og_vuln *ret_vuln, struct og_err *err)
{
	og_auto_vuln vuln = { .score_tenths = -1 };
	const struct og_json *list = og_json_get(root, "affected");
	int r = read_names(root, &vuln, err);

	if (r < 0)
		return r;
	vuln.summary = og_json_string(og_json_get(root, "summary"), NULL);
	if (vuln.summary == NULL)
		vuln.summary = og_json_string(og_json_get(root, "details"), "");
	vuln.published = og_json_string(og_json_get(root, "published"), "");
	vuln.modified = og_json_string(og_json_get(root, "modified"), "");
	vuln.withdrawn = og_json_get(root, "withdrawn") != NULL;
	vuln.url = url_of(root);
	vuln.vector = "";
	vuln.severity = label_of(root);
	read_severity(og_json_get(root, "severity"), &vuln);
	for (size_t i = 0; i < og_json_count(list); i++) {
		if (vuln.score_tenths < 0)
			read_severity(og_json_get(og_json_at(list, i), "severity"), &vuln);
		r = add_affected(og_json_at(list, i), &vuln, err);
		if (r < 0)
			return r;
	}
	*ret_vuln = vuln;
	vuln = (struct og_vuln){};
	return 0;
}
