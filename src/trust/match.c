/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/match.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "format/ecosystem.h"
#include "trust/match_parts.h"

/* One package under one name by which it may be known. */
struct ref {
	const char *ecosystem; /* borrowed: static, or the match's own */
	const char *name, *version;
	size_t package;
};

struct match {
	const struct og_inventory *inventory;
	struct og_vulndb *db;
	struct og_scan *scan;
	char system[OG_ECOSYSTEM_MAX]; /* the distribution's; "" unknown */
	struct ref *refs;	       /* owned */
	size_t ref_count;
	const struct og_group *group;	 /* that is being judged */
	struct og_candidates candidates; /* owned */
	/* What the record at hand says, while its details are read. */
	const struct og_vulndb_claim *claim;
	const struct og_vuln_verdict *verdict;
};

static const char *const language_ecosystems[OG_PACKAGE_TYPES] = {
	[OG_PACKAGE_NPM] = "npm",      [OG_PACKAGE_PYPI] = "PyPI",
	[OG_PACKAGE_GO] = "Go",	       [OG_PACKAGE_CARGO] = "crates.io",
	[OG_PACKAGE_GEM] = "RubyGems", [OG_PACKAGE_MAVEN] = "Maven",
};

struct og_scan *og_scan_free(struct og_scan *scan)
{
	if (scan == NULL)
		return NULL;
	for (size_t i = 0; i < scan->hit_count; i++)
		free((void *)scan->hits[i].packages);
	free(scan->hits);
	free(scan->sources);
	free((void *)scan->warnings);
	og_texts_free(scan->texts);
	free(scan);
	return NULL;
}

const char *og_scan_text(struct og_scan *scan, const char *text)
{
	return og_texts_add(scan->texts, og_span_of(text));
}

int og_scan_warn(struct og_scan *scan, struct og_err *err, const char *fmt, ...)
{
	const char **more =
		reallocarray((void *)scan->warnings, scan->warning_count + 1, sizeof(*more));
	char text[300];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (more == NULL)
		return og_fail(err, -ENOMEM, "scan");
	scan->warnings = more;
	more[scan->warning_count] = og_scan_text(scan, text);
	if (more[scan->warning_count] == NULL)
		return og_fail(err, -ENOMEM, "scan");
	scan->warning_count++;
	return 0;
}

static int add_ref(struct match *match, const char *ecosystem, const char *name,
		   const char *version, size_t package)
{
	char key[OG_VULN_NAME_MAX + 1];
	const char *kept;

	/* A name longer than any record's is in none. */
	if (og_ecosystem_package(ecosystem, name, key) < 0)
		return 0;
	kept = og_streq(key, name) ? name : og_scan_text(match->scan, key);
	if (kept == NULL)
		return -ENOMEM;
	match->refs[match->ref_count++] = (struct ref){ ecosystem, kept, version, package };
	return 0;
}

static int compare_texts(const char *const *a, const char *const *b)
{
	return strcmp(*a, *b);
}

static int compare_any_text(const void *a, const void *b)
{
	return compare_texts(a, b);
}

/* The names of RPM's binary packages, sorted: a source that has one of its own name is found by that. */
static const char **rpm_names(const struct og_inventory *inventory, size_t *ret_count)
{
	const char **names = calloc(inventory->package_count + 1, sizeof(names[0]));

	*ret_count = 0;
	for (size_t i = 0; names != NULL && i < inventory->package_count; i++)
		if (inventory->packages[i].type == OG_PACKAGE_RPM)
			names[(*ret_count)++] = inventory->packages[i].name;
	if (names != NULL)
		qsort((void *)names, *ret_count, sizeof(names[0]), compare_any_text);
	return names;
}

/* Most of RPM's distributions name binary packages in their advisories, these two what they are built from. */
static bool is_by_source(const struct match *match, const struct og_package *package)
{
	return package->type != OG_PACKAGE_RPM || og_starts_with(match->system, "Photon OS") ||
	       og_starts_with(match->system, "Azure Linux");
}

static int add_system_refs(struct match *match, size_t index, const char *const *rpms, size_t count)
{
	const struct og_package *package = &match->inventory->packages[index];
	const char *source = package->source_name;
	int r;

	if (match->system[0] == '\0') {
		match->scan->unjudged++;
		return 0;
	}
	match->scan->judged++;
	if (is_by_source(match, package))
		return add_ref(match, match->system, source, package->source_version, index);
	r = add_ref(match, match->system, package->name, package->version, index);
	if (r < 0 || og_streq(source, package->name) ||
	    bsearch(&source, rpms, count, sizeof(rpms[0]), compare_any_text) != NULL)
		return r;
	return add_ref(match, match->system, source, package->source_version, index);
}

static int add_refs(struct match *match, const char *const *rpms, size_t rpm_count)
{
	const struct og_inventory *inventory = match->inventory;
	int r = 0;

	for (size_t i = 0; r == 0 && i < inventory->package_count; i++) {
		const struct og_package *package = &inventory->packages[i];
		const char *language = language_ecosystems[package->type];

		if (language == NULL) {
			r = add_system_refs(match, i, rpms, rpm_count);
		} else if (package->owned) {
			match->scan->owned++;
		} else {
			match->scan->judged++;
			r = add_ref(match, language, package->name, package->version, i);
		}
	}
	return r;
}

static int compare_refs(const void *left, const void *right)
{
	const struct ref *a = left, *b = right;
	int way = strcmp(a->ecosystem, b->ecosystem);

	if (way == 0)
		way = strcmp(a->name, b->name);
	if (way == 0)
		way = strcmp(a->version, b->version);
	return way != 0 ? way : (a->package > b->package) - (a->package < b->package);
}

static int keep_candidate(void *data, const struct og_vulndb_details *details, struct og_err *err)
{
	struct match *match = data;
	struct og_candidates *candidates = &match->candidates;
	struct og_candidate *added;

	if (candidates->count == candidates->room) {
		size_t room = candidates->room > 0 ? 2 * candidates->room : 16;
		struct og_candidate *more = reallocarray(candidates->list, room, sizeof(*more));

		if (more == NULL)
			return og_fail(err, -ENOMEM, "scan");
		candidates->list = more;
		candidates->room = room;
	}
	added = &candidates->list[candidates->count];
	*added = (struct og_candidate){
		.id = og_scan_text(match->scan, details->id),
		.aliases = og_scan_text(match->scan, details->aliases),
		.shared = "",
		.vector = og_scan_text(match->scan, details->vector),
		.summary = og_scan_text(match->scan, details->summary),
		.url = og_scan_text(match->scan, details->url),
		.published = og_scan_text(match->scan, details->published),
		.source = og_scan_text(match->scan, details->source),
		.fixed = og_scan_text(match->scan, match->verdict->fixed),
		.status = match->claim->status,
		.severity = match->claim->severity,
		.general = details->severity,
		.score_tenths = details->score_tenths,
	};
	if (added->id == NULL || added->aliases == NULL || added->vector == NULL ||
	    added->summary == NULL || added->url == NULL || added->published == NULL ||
	    added->source == NULL || added->fixed == NULL)
		return og_fail(err, -ENOMEM, "scan: too much text");
	candidates->count++;
	return 0;
}

static int judge_claim(void *data, const struct og_vulndb_claim *claim, struct og_err *err)
{
	struct match *match = data;
	struct og_vuln_verdict verdict = {};

	if (claim->status != OG_VULN_NOT_AFFECTED) {
		og_vuln_judge(match->group->order, claim->ranges, match->group->version, &verdict);
		if (!verdict.affected)
			return 0;
	}
	match->claim = claim;
	match->verdict = &verdict;
	return og_vulndb_details(match->db, claim->vuln, keep_candidate, match, err);
}

static int judge_group(struct match *match, const struct ref *refs, size_t count,
		       struct og_err *err)
{
	og_auto_free size_t *packages = calloc(count, sizeof(packages[0]));
	struct og_group group = { .ecosystem = refs[0].ecosystem,
				  .name = refs[0].name,
				  .version = refs[0].version,
				  .packages = packages };
	int r;

	if (packages == NULL)
		return og_fail(err, -ENOMEM, "scan");
	for (size_t i = 0; i < count; i++)
		if (i == 0 || refs[i].package != refs[i - 1].package)
			packages[group.package_count++] = refs[i].package;
	r = og_version_order_of(group.ecosystem, &group.order);
	if (r < 0)
		return og_fail(err, r, "'%s'", group.ecosystem);
	match->group = &group;
	match->candidates.count = 0;
	r = og_vulndb_find(match->db, group.ecosystem, group.name, judge_claim, match, err);
	if (r < 0 || match->candidates.count == 0)
		return r;
	return og_hits_add(match->scan, &group, &match->candidates, err);
}

static int judge_all(struct match *match, struct og_err *err)
{
	int r = 0;

	qsort(match->refs, match->ref_count, sizeof(match->refs[0]), compare_refs);
	for (size_t i = 0, end; r == 0 && i < match->ref_count; i = end) {
		const struct ref *first = &match->refs[i];

		end = i + 1;
		while (end < match->ref_count &&
		       og_streq(match->refs[end].ecosystem, first->ecosystem) &&
		       og_streq(match->refs[end].name, first->name) &&
		       og_streq(match->refs[end].version, first->version))
			end++;
		r = judge_group(match, first, end - i, err);
	}
	return r;
}

/* What cannot be judged is said: silence would read as "nothing found". */
static int find_system(struct match *match, struct og_err *err)
{
	const struct og_inventory *inventory = match->inventory;
	bool any = false;
	int r;

	for (size_t i = 0; i < inventory->package_count; i++)
		any = any || language_ecosystems[inventory->packages[i].type] == NULL;
	if (!any)
		return 0;
	if (og_ecosystem_of_os(inventory->os_id, inventory->os_version, match->system) < 0) {
		match->system[0] = '\0';
		return og_scan_warn(
			match->scan, err,
			"the packages of '%s %s' are not judged: the release is not known",
			inventory->os_id, inventory->os_version);
	}
	r = og_vulndb_knows(match->db, match->system, err);
	if (r != 0)
		return r < 0 ? r : 0;
	r = og_scan_warn(match->scan, err,
			 "the packages of %s are not judged: the database has nothing of it",
			 match->system);
	match->system[0] = '\0';
	return r;
}

/* Likewise for languages. */
static int check_languages(struct match *match, struct og_err *err)
{
	size_t counts[OG_PACKAGE_TYPES] = {};
	int r = 0;

	for (size_t i = 0; i < match->inventory->package_count; i++)
		if (!match->inventory->packages[i].owned)
			counts[match->inventory->packages[i].type]++;
	for (size_t type = 0; r == 0 && type < OG_PACKAGE_TYPES; type++) {
		if (language_ecosystems[type] == NULL || counts[type] == 0)
			continue;
		r = og_vulndb_knows(match->db, language_ecosystems[type], err);
		if (r > 0) {
			r = 0;
			continue;
		}
		if (r < 0)
			break;
		match->scan->judged -= counts[type];
		match->scan->unjudged += counts[type];
		r = og_scan_warn(
			match->scan, err,
			"the packages of %s are not judged: the database has nothing of it",
			language_ecosystems[type]);
	}
	return r;
}

static int keep_source(void *data, const struct og_vulndb_source *source, struct og_err *err)
{
	struct og_scan *scan = data;
	struct og_scan_source *more = reallocarray(scan->sources, scan->source_count + 1,
						   sizeof(*more)),
			      *added;

	if (more == NULL)
		return og_fail(err, -ENOMEM, "scan");
	scan->sources = more;
	added = &more[scan->source_count];
	*added = (struct og_scan_source){ og_scan_text(scan, source->name),
					  og_scan_text(scan, source->imported),
					  og_scan_text(scan, source->newest), source->records };
	if (added->name == NULL || added->imported == NULL || added->newest == NULL)
		return og_fail(err, -ENOMEM, "scan");
	scan->source_count++;
	return 0;
}

static int describe_database(struct match *match, struct og_err *err)
{
	char written[40];
	int r = og_vulndb_written(match->db, written, err);

	if (r < 0)
		return r;
	match->scan->database_written = og_scan_text(match->scan, written);
	return og_vulndb_sources(match->db, keep_source, match->scan, err);
}

static int match_all(struct match *match, struct og_err *err)
{
	og_auto_free const char **rpms = NULL;
	size_t rpm_count;
	int r = describe_database(match, err);

	if (r == 0)
		r = find_system(match, err);
	if (r < 0)
		return r;
	rpms = rpm_names(match->inventory, &rpm_count);
	match->refs = calloc(2 * match->inventory->package_count + 1, sizeof(match->refs[0]));
	if (rpms == NULL || match->refs == NULL ||
	    add_refs(match, (const char *const *)rpms, rpm_count) < 0)
		return og_fail(err, -ENOMEM, "scan");
	r = check_languages(match, err);
	return r < 0 ? r : judge_all(match, err);
}

int og_match(const struct og_inventory *inventory, struct og_vulndb *db,
	     const struct og_statements *statements, const char *today, struct og_scan **ret_scan,
	     struct og_err *err)
{
	og_cleanup(og_scan_freep) struct og_scan *scan = calloc(1, sizeof(*scan));
	struct match match = { .inventory = inventory, .db = db, .scan = scan };
	int r = 0;

	if (scan == NULL)
		return og_fail(err, -ENOMEM, "scan");
	scan->inventory = inventory;
	scan->database_written = "";
	scan->texts = og_texts_new();
	if (scan->texts == NULL)
		return og_fail(err, -ENOMEM, "scan");
	if (inventory->unseen[0] != '\0')
		r = og_scan_warn(scan, err, "%s", inventory->unseen);
	if (r == 0 && db != NULL)
		r = match_all(&match, err);
	free(match.refs);
	free(match.candidates.list);
	if (r == 0)
		r = og_hits_finish(scan, statements, today, err);
	if (r < 0)
		return r;
	*ret_scan = og_take_ptr(scan);
	return 0;
}
