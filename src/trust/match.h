/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judges an inventory by the database: which known vulnerabilities are in it, what fixes them, and what
 * others have said of them (VEX, ignore files). The result is plain data for the reports (report.h) and
 * for the gate.
 *
 * Packages of distributions are judged by their source package and its version, in the release that
 * os-release(5) names; RPM's by their own names, as RPM's advisories have them; packages of languages
 * by their own. What a distribution's package brought (og_package.owned) is its matter alone. A row is one
 * vulnerability in one such source package, whatever binary packages it is in and whatever names
 * (CVE, GHSA, DSA) it goes by.
 */
#pragma once

#include "format/vex.h"
#include "trust/inventory.h"
#include "trust/vulndb.h"

enum og_hit_status {
	OG_HIT_FIXED,	 /* a version is known that has it no more */
	OG_HIT_UNFIXED,	 /* none is */
	OG_HIT_WONT_FIX, /* its maintainers said that there will be none */
	OG_HIT_STATUSES,
};

/* "fixed", "unfixed", "wont-fix" */
const char *og_hit_status_name(enum og_hit_status status);

/* All texts owned by the scan, never NULL. */
struct og_hit {
	const char *id;	     /* CVE-..., or what it has */
	const char *aliases; /* its other names, sorted, a blank between them */
	const char *ecosystem;
	const char *name, *version; /* what was judged: the source package's */
	const char *fixed;	    /* "" unless OG_HIT_FIXED */
	const char *vector, *summary, *url, *published, *source;
	const size_t *packages; /* of the inventory, owned by the scan */
	size_t package_count;
	enum og_hit_status status;
	enum og_severity severity;
	int score_tenths; /* -1 unknown */
	/* Said of it by others; it does not count where @hidden. */
	bool hidden;
	const char *said;   /* "not_affected", "fixed", "affected", "ignored" ...; "" nothing */
	const char *reason; /* theirs */
};

struct og_scan_source {
	const char *name, *imported, *newest;
	int64_t records;
};

struct og_scan {
	const struct og_inventory *inventory; /* borrowed */
	struct og_hit *hits;		      /* severity from the top, then package and id */
	size_t hit_count;
	unsigned total[OG_SEVERITIES], fixable[OG_SEVERITIES]; /* of those not hidden */
	unsigned hidden;
	size_t judged, owned, unjudged; /* packages; the last, of what the database knows nothing */
	const char *database_written;
	struct og_scan_source *sources;
	size_t source_count;
	const char **warnings; /* for people; an expired entry, an unknown release */
	size_t warning_count;
	void *texts; /* private */
};

/* Accepts NULL. Always returns NULL. */
struct og_scan *og_scan_free(struct og_scan *scan);
OG_DEFINE_CLEANUP(struct og_scan, og_scan_free)

/*
 * @statements: in rising order of weight, the last that is about a row counts; NULL: none.
 * @today: "YYYY-MM-DD". @db NULL: no vulnerabilities are looked for (a bill of materials alone).
 * On success *@ret_scan is the caller's to free and borrows @inventory.
 * Errors: -EUCLEAN (the database), -E2BIG (more than OG_HITS_MAX rows), -ENOMEM.
 */
int og_match(const struct og_inventory *inventory, struct og_vulndb *db,
	     const struct og_statements *statements, const char *today, struct og_scan **ret_scan,
	     struct og_err *err);

#define OG_HITS_MAX 1000000U

/* The package URL of a package. Errors: -ENOMEM. */
int og_package_purl(const struct og_inventory *inventory, const struct og_package *package,
		    char **ret_purl);
/* Likewise of an image: "pkg:oci/NAME@sha256:..."; "" where it has no digest. */
int og_inventory_purl(const struct og_inventory *inventory, char **ret_purl);
