/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a scan: records that mean the same joined into one, and what others say of them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/grow.h"
#include "base/text.h"
#include "format/ecosystem.h"
#include "format/imageref.h"
#include "format/purl.h"
#include "trust/match_parts.h"

static const char *const status_names[OG_HIT_STATUSES] = {
	[OG_HIT_FIXED] = "fixed",
	[OG_HIT_UNFIXED] = "unfixed",
	[OG_HIT_WONT_FIX] = "wont-fix",
};

const char *og_hit_status_name(enum og_hit_status status)
{
	return status_names[status];
}

/* A name, and who goes by it. */
struct alias {
	const char *at;
	size_t len;
	size_t candidate;
	bool shared; /* by several vulnerabilities: two that have it need not be the same */
};

struct join {
	const struct og_candidates *candidates;
	struct alias *aliases; /* owned, sorted by name */
	size_t alias_count;
	size_t *leader; /* owned: of each candidate, the first with whom it shares a name */
	size_t *next;	/* owned: the next one of the same leader; behind the last the count */
};

static int compare_aliases(const void *left, const void *right)
{
	const struct alias *a = left, *b = right;
	size_t both = a->len < b->len ? a->len : b->len;
	int way = memcmp(a->at, b->at, both);

	if (way == 0)
		way = (a->len > b->len) - (a->len < b->len);
	if (way == 0)
		way = a->shared - b->shared;
	return way != 0 ? way : (a->candidate > b->candidate) - (a->candidate < b->candidate);
}

static int compare_leaders(const void *left, const void *right)
{
	const struct alias *a = left, *b = right;
	int way = (a->candidate > b->candidate) - (a->candidate < b->candidate);

	return way != 0 ? way : compare_aliases(left, right);
}

static bool same_alias(const struct alias *a, const struct alias *b)
{
	return a->len == b->len && memcmp(a->at, b->at, a->len) == 0;
}

static size_t count_words(const char *text)
{
	size_t count = text[0] != '\0';

	for (; *text != '\0'; text++)
		count += *text == ' ';
	return count;
}

static void add_aliases(struct join *join, size_t candidate, const char *words, bool shared)
{
	while (*words != '\0') {
		size_t len = strcspn(words, " ");

		if (len > 0)
			join->aliases[join->alias_count++] =
				(struct alias){ words, len, candidate, shared };
		words += len + (words[len] == ' ');
	}
}

static size_t leader_of(struct join *join, size_t candidate)
{
	while (join->leader[candidate] != candidate) {
		join->leader[candidate] = join->leader[join->leader[candidate]];
		candidate = join->leader[candidate];
	}
	return candidate;
}

static void unite(struct join *join, size_t a, size_t b)
{
	a = leader_of(join, a);
	b = leader_of(join, b);
	if (a < b)
		join->leader[b] = a;
	else
		join->leader[a] = b;
}

static int join_names(struct join *join)
{
	size_t words = 0;

	for (size_t i = 0; i < join->candidates->count; i++)
		words += 1 + count_words(join->candidates->list[i].aliases) +
			 count_words(join->candidates->list[i].shared);
	join->aliases = calloc(words + 1, sizeof(join->aliases[0]));
	join->leader = calloc(join->candidates->count + 1, sizeof(join->leader[0]));
	join->next = calloc(join->candidates->count + 1, sizeof(join->next[0]));
	if (join->aliases == NULL || join->leader == NULL || join->next == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < join->candidates->count; i++) {
		join->leader[i] = i;
		add_aliases(join, i, join->candidates->list[i].id, false);
		add_aliases(join, i, join->candidates->list[i].aliases, false);
		add_aliases(join, i, join->candidates->list[i].shared, true);
	}
	qsort(join->aliases, join->alias_count, sizeof(join->aliases[0]), compare_aliases);
	for (size_t i = 1; i < join->alias_count; i++)
		if (same_alias(&join->aliases[i], &join->aliases[i - 1]) &&
		    !join->aliases[i].shared && !join->aliases[i - 1].shared)
			unite(join, join->aliases[i].candidate, join->aliases[i - 1].candidate);
	return 0;
}

/* What people call it: CVE before GHSA before all else. */
static int rank(const struct alias *alias)
{
	if (alias->len > 4 && memcmp(alias->at, "CVE-", 4) == 0)
		return 0;
	return alias->len > 5 && memcmp(alias->at, "GHSA-", 5) == 0 ? 1 : 2;
}

/* A leader is the first of its own, so that each is put in behind it. */
static void link_candidates(struct join *join)
{
	size_t count = join->candidates->count;

	for (size_t i = count; i > 0; i--) {
		size_t leader = leader_of(join, i - 1);

		if (leader == i - 1 && join->next[leader] == 0)
			join->next[leader] = count;
		if (leader == i - 1)
			continue;
		join->next[i - 1] = join->next[leader] != 0 ? join->next[leader] : count;
		join->next[leader] = i - 1;
	}
}

/* By who goes by them, and each once. */
static void sort_by_leader(struct join *join)
{
	size_t kept = 0;

	for (size_t i = 0; i < join->alias_count; i++)
		join->aliases[i].candidate = leader_of(join, join->aliases[i].candidate);
	qsort(join->aliases, join->alias_count, sizeof(join->aliases[0]), compare_leaders);
	for (size_t i = 0; i < join->alias_count; i++)
		if (i == 0 || join->aliases[i].candidate != join->aliases[kept - 1].candidate ||
		    !same_alias(&join->aliases[i], &join->aliases[kept - 1]))
			join->aliases[kept++] = join->aliases[i];
	join->alias_count = kept;
}

/* @aliases: the row's names, sorted. */
static int name_hit(struct og_scan *scan, const struct alias *aliases, size_t count,
		    struct og_hit *hit)
{
	size_t best = 0;
	og_auto_text id = {}, others = {};

	for (size_t i = 1; i < count; i++)
		if (rank(&aliases[i]) < rank(&aliases[best]))
			best = i;
	og_text_add_bytes(&id, aliases[best].at, aliases[best].len);
	for (size_t i = 0; i < count; i++) {
		if (i == best)
			continue;
		if (others.len > 0)
			og_text_add(&others, " ");
		og_text_add_bytes(&others, aliases[i].at, aliases[i].len);
	}
	if (id.failed || others.failed)
		return -ENOMEM;
	hit->id = og_scan_text(scan, id.buf);
	hit->aliases = og_scan_text(scan, others.buf != NULL ? others.buf : "");
	return hit->id == NULL || hit->aliases == NULL ? -ENOMEM : 0;
}

static void take_text(const char **text, const char *other)
{
	if ((*text)[0] == '\0')
		*text = other;
}

/* A row of all that one set of names is known by. Returns 1 when somebody says that it is not so. */
static int describe_hit(struct join *join, size_t leader, const struct og_group *group,
			struct og_hit *hit)
{
	enum og_severity general = OG_SEVERITY_UNKNOWN;
	bool wont_fix = false;

	for (size_t i = leader; i < join->candidates->count; i = join->next[i]) {
		const struct og_candidate *candidate = &join->candidates->list[i];

		if (candidate->status == OG_VULN_NOT_AFFECTED)
			return 1;
		wont_fix = wont_fix || candidate->status == OG_VULN_WONT_FIX;
		if (candidate->severity > hit->severity)
			hit->severity = candidate->severity;
		if (candidate->general > general)
			general = candidate->general;
		if (candidate->score_tenths > hit->score_tenths) {
			hit->score_tenths = candidate->score_tenths;
			if (candidate->vector[0] != '\0')
				hit->vector = candidate->vector;
		}
		take_text(&hit->summary, candidate->summary);
		take_text(&hit->url, candidate->url);
		take_text(&hit->published, candidate->published);
		take_text(&hit->source, candidate->source);
		/* The version in which all of them are gone. */
		if (candidate->fixed[0] != '\0' &&
		    (hit->fixed[0] == '\0' ||
		     og_version_compare(group->order, candidate->fixed, hit->fixed) > 0))
			hit->fixed = candidate->fixed;
	}
	/* Who packs it knows best what it means there. */
	if (hit->severity == OG_SEVERITY_UNKNOWN)
		hit->severity = general;
	hit->status = hit->fixed[0] != '\0' ? OG_HIT_FIXED
		      : wont_fix	    ? OG_HIT_WONT_FIX
					    : OG_HIT_UNFIXED;
	return 0;
}

static int keep_hit(struct og_scan *scan, const struct og_group *group, struct og_hit *hit,
		    struct og_err *err)
{
	size_t *packages;

	if (scan->hit_count == OG_HITS_MAX)
		return og_fail(err, -E2BIG, "more than %u vulnerabilities", OG_HITS_MAX);
	if (og_grow(scan->hits, scan->hit_count) < 0)
		return og_fail(err, -ENOMEM, "scan");
	packages = calloc(group->package_count, sizeof(packages[0]));
	if (packages == NULL)
		return og_fail(err, -ENOMEM, "scan");
	memcpy(packages, group->packages, group->package_count * sizeof(packages[0]));
	hit->packages = packages;
	hit->package_count = group->package_count;
	scan->hits[scan->hit_count++] = *hit;
	return 0;
}

static int add_rows(struct og_scan *scan, const struct og_group *group, struct join *join,
		    struct og_hit empty, struct og_err *err)
{
	int r = 0;

	for (size_t i = 0, end; r == 0 && i < join->alias_count; i = end) {
		size_t leader = join->aliases[i].candidate;
		struct og_hit hit = empty;

		for (end = i + 1; end < join->alias_count; end++)
			if (join->aliases[end].candidate != leader)
				break;
		if (describe_hit(join, leader, group, &hit) > 0)
			continue;
		r = name_hit(scan, &join->aliases[i], end - i, &hit);
		if (r == 0)
			r = keep_hit(scan, group, &hit, err);
	}
	return r;
}

/* ---- advisories of several vulnerabilities ---- */

static bool is_cve(const char *word)
{
	return og_starts_with(word, "CVE-");
}

static const char *next_word(const char *word)
{
	word += strcspn(word, " ");
	return word + (*word == ' ');
}

static size_t count_cves(const struct og_candidate *candidate)
{
	size_t count = is_cve(candidate->id);

	for (const char *word = candidate->aliases; *word != '\0'; word = next_word(word))
		count += is_cve(word);
	return count;
}

static int add_candidate(struct og_candidates *candidates, const struct og_candidate *candidate)
{
	if (og_grow(candidates->list, candidates->count) < 0)
		return -ENOMEM;
	candidates->list[candidates->count++] = *candidate;
	return 0;
}

/* One for each of the CVEs, which has the advisory's other names beside its own. */
static int split(struct og_scan *scan, const struct og_candidate *candidate,
		 struct og_candidates *parts)
{
	og_auto_free char *names = og_strdupf("%s %s", candidate->id, candidate->aliases);
	struct og_candidate part = *candidate;
	og_auto_text shared = {};
	int r = 0;

	if (names == NULL)
		return -ENOMEM;
	for (const char *word = names; *word != '\0'; word = next_word(word))
		if (!is_cve(word))
			og_text_addf(&shared, "%s%.*s", shared.len > 0 ? " " : "",
				     (int)strcspn(word, " "), word);
	part.aliases = "";
	part.shared = og_scan_text(scan, shared.buf != NULL ? shared.buf : "");
	if (shared.failed || part.shared == NULL)
		return -ENOMEM;
	for (char *word = names, *end; r == 0 && *word != '\0'; word = end) {
		end = word + strcspn(word, " ");
		if (*end != '\0')
			*end++ = '\0';
		part.id = is_cve(word) ? og_scan_text(scan, word) : "";
		if (part.id == NULL)
			r = -ENOMEM;
		else if (part.id[0] != '\0')
			r = add_candidate(parts, &part);
	}
	return r;
}

/*
 * A distribution's advisory (DSA, RHSA, USN ...) may be about many vulnerabilities, which are not the same because
 * of it: who knows that one does no harm does not know it of the others.
 */
static int split_all(struct og_scan *scan, const struct og_candidates *candidates,
		     struct og_candidates *parts)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < candidates->count; i++)
		r = count_cves(&candidates->list[i]) > 1
			    ? split(scan, &candidates->list[i], parts)
			    : add_candidate(parts, &candidates->list[i]);
	return r;
}

int og_hits_add(struct og_scan *scan, const struct og_group *group,
		const struct og_candidates *candidates, struct og_err *err)
{
	struct og_candidates parts = {};
	struct join join = { .candidates = &parts };
	/* The group is gone when the rows are read. */
	struct og_hit empty = { .ecosystem = og_scan_text(scan, group->ecosystem),
				.name = og_scan_text(scan, group->name),
				.version = group->version,
				.fixed = "",
				.vector = "",
				.summary = "",
				.url = "",
				.published = "",
				.source = "",
				.said = "",
				.reason = "",
				.score_tenths = -1 };
	int r = empty.ecosystem == NULL || empty.name == NULL ? -ENOMEM
							      : split_all(scan, candidates, &parts);

	if (r == 0)
		r = join_names(&join);
	if (r == 0) {
		link_candidates(&join);
		sort_by_leader(&join);
		r = add_rows(scan, group, &join, empty, err);
	}
	free(join.aliases);
	free(join.leader);
	free(join.next);
	free(parts.list);
	return r == -ENOMEM ? og_fail(err, r, "scan") : r;
}

static int compare_hits(const void *left, const void *right)
{
	const struct og_hit *a = left, *b = right;
	int way = a->hidden - b->hidden;

	if (way == 0)
		way = (int)b->severity - (int)a->severity;
	if (way == 0)
		way = b->score_tenths - a->score_tenths;
	if (way == 0)
		way = strcmp(a->name, b->name);
	if (way == 0)
		way = strverscmp(a->id, b->id);
	if (way == 0)
		way = strcmp(a->version, b->version);
	return way != 0 ? way : strcmp(a->ecosystem, b->ecosystem);
}

/* Whether one of @ids is a name of the row's. */
static bool is_about(const char *ids, const struct og_hit *hit)
{
	char word[OG_VULN_ID_MAX + 1];

	while (*ids != '\0') {
		size_t len = strcspn(ids, " ");

		if (len < sizeof(word)) {
			memcpy(word, ids, len);
			word[len] = '\0';
			if (og_streq(word, hit->id) || og_has_word(hit->aliases, word))
				return true;
		}
		ids += len + (ids[len] == ' ');
	}
	return false;
}

/* "debian-11" of a Debian 12; what is no release's number ("bookworm") is not compared. */
static bool is_of_other_release(const struct og_inventory *inventory, char *distro)
{
	char theirs[OG_ECOSYSTEM_MAX], ours[OG_ECOSYSTEM_MAX];
	char *dash = strrchr(distro, '-');

	if (dash == NULL)
		return false;
	*dash = '\0';
	return og_ecosystem_of_os(distro, dash + 1, theirs) == 0 &&
	       og_ecosystem_of_os(inventory->os_id, inventory->os_version, ours) == 0 &&
	       !og_streq(theirs, ours);
}

/* One distribution's word on its packages is none on another's, nor on another release's. */
static bool is_of_system(const struct og_inventory *inventory, const struct og_package *package,
			 const struct og_purl *purl)
{
	char distro[128], arch[64];

	og_purl_qualifier(purl, "distro", distro, sizeof(distro));
	og_purl_qualifier(purl, "arch", arch, sizeof(arch));
	if (purl->namespace[0] != '\0' &&
	    !og_streq(purl->namespace, og_purl_namespace(inventory->os_id)))
		return false;
	if (arch[0] != '\0' && !og_streq(arch, package->architecture) &&
	    !og_streq(arch, "source") && !og_streq(arch, "src"))
		return false;
	return !is_of_other_release(inventory, distro);
}

static bool is_package(const struct og_inventory *inventory, const struct og_package *package,
		       const struct og_hit *hit, const char *what)
{
	struct og_purl purl;
	og_auto_free char *path = NULL;
	bool distribution = package->type <= OG_PACKAGE_RPM;
	const char *name = package->name;

	if (!og_starts_with(what, "pkg:"))
		return og_streq(what, name) || og_streq(what, hit->name);
	if (og_purl_parse(what, &purl) < 0 ||
	    !og_streq(purl.type, og_package_type_name(package->type)))
		return false;
	if (purl.version[0] != '\0' && !og_streq(purl.version, package->version))
		return false;
	if (distribution)
		return is_of_system(inventory, package, &purl) &&
		       (og_streq(purl.name, name) || og_streq(purl.name, hit->name));
	path = purl.namespace[0] == '\0'
		       ? og_strdupf("%s", purl.name)
		       : og_strdupf("%s%c%s", purl.namespace,
				    package->type == OG_PACKAGE_MAVEN ? ':' : '/', purl.name);
	return path != NULL && (og_streq(path, name) || og_streq(path, hit->name));
}

/* Of a row in several binary packages all must be meant. */
static bool are_packages(const struct og_scan *scan, const struct og_hit *hit, const char *what)
{
	for (size_t i = 0; i < hit->package_count; i++)
		if (!is_package(scan->inventory, &scan->inventory->packages[hit->packages[i]], hit,
				what))
			return false;
	return true;
}

/* "debian:12", "docker.io/library/debian@sha256:..." -> "debian" */
static size_t image_name(const char *target, const char **ret_name)
{
	const char *slash = strrchr(target, '/');

	*ret_name = slash != NULL ? slash + 1 : target;
	return strcspn(*ret_name, ":@");
}

/* "docker.io/library/debian" of "debian:12" */
static bool is_in_repository(const char *target, const char *url)
{
	static const char *const kinds[] = { "registry:", "image:" };
	struct og_imageref theirs, ours;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (og_starts_with(target, kinds[i]))
			target += strlen(kinds[i]);
	return og_imageref_parse(url, &theirs, NULL) == 0 &&
	       og_imageref_parse(target, &ours, NULL) == 0 &&
	       og_streq(theirs.domain, ours.domain) && og_streq(theirs.path, ours.path);
}

static bool is_image(const struct og_inventory *inventory, const char *what)
{
	struct og_purl purl;
	char url[OG_IMAGEREF_TEXT_MAX];
	const char *name;
	size_t len;

	if (og_streq(what, inventory->target) ||
	    (inventory->image_digest[0] != '\0' && og_streq(what, inventory->image_digest)))
		return true;
	if (og_purl_parse(what, &purl) < 0 ||
	    (!og_streq(purl.type, "oci") && !og_streq(purl.type, "docker")))
		return false;
	if (og_starts_with(purl.version, "sha256:"))
		return og_streq(purl.version, inventory->image_digest);
	og_purl_qualifier(&purl, "repository_url", url, sizeof(url));
	if (url[0] != '\0' && !is_in_repository(inventory->target, url))
		return false;
	len = image_name(inventory->target, &name);
	return strlen(purl.name) == len && memcmp(purl.name, name, len) == 0;
}

static bool applies(const struct og_scan *scan, const struct og_statement *statement,
		    const struct og_hit *hit)
{
	if (!is_about(statement->ids, hit))
		return false;
	if (statement->product[0] == '\0' || is_image(scan->inventory, statement->product))
		return statement->component[0] == '\0' ||
		       are_packages(scan, hit, statement->component);
	return statement->component[0] == '\0' && are_packages(scan, hit, statement->product);
}

static int warn_expired(struct og_scan *scan, const struct og_statements *statements,
			const char *today, struct og_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < statements->count; i++) {
		const struct og_statement *statement = &statements->list[i];

		if (statement->until[0] != '\0' && strcmp(today, statement->until) > 0)
			r = og_scan_warn(scan, err,
					 "the exception for %s ended on %s and does not count",
					 statement->ids, statement->until);
	}
	return r;
}

static int apply_statements(struct og_scan *scan, const struct og_statements *statements,
			    const char *today)
{
	for (size_t i = 0; i < statements->count; i++) {
		const struct og_statement *statement = &statements->list[i];
		bool hides = statement->status == OG_VEX_NOT_AFFECTED ||
			     statement->status == OG_VEX_FIXED ||
			     statement->status == OG_VEX_IGNORED;

		if (statement->until[0] != '\0' && strcmp(today, statement->until) > 0)
			continue;
		for (size_t k = 0; k < scan->hit_count; k++) {
			struct og_hit *hit = &scan->hits[k];

			if (!applies(scan, statement, hit))
				continue;
			hit->hidden = hides;
			hit->said = og_vex_status_name(statement->status);
			hit->reason = og_scan_text(scan, statement->reason);
			if (hit->reason == NULL)
				return -ENOMEM;
		}
	}
	return 0;
}

int og_hits_finish(struct og_scan *scan, const struct og_statements *statements, const char *today,
		   struct og_err *err)
{
	int r = 0;

	if (statements != NULL) {
		r = warn_expired(scan, statements, today, err);
		if (r == 0 && apply_statements(scan, statements, today) < 0)
			r = og_fail(err, -ENOMEM, "scan");
	}
	if (r < 0)
		return r;
	if (scan->hit_count > 0)
		qsort(scan->hits, scan->hit_count, sizeof(scan->hits[0]), compare_hits);
	for (size_t i = 0; i < scan->hit_count; i++) {
		const struct og_hit *hit = &scan->hits[i];

		if (hit->hidden) {
			scan->hidden++;
			continue;
		}
		scan->total[hit->severity]++;
		scan->fixable[hit->severity] += hit->status == OG_HIT_FIXED;
	}
	return 0;
}
