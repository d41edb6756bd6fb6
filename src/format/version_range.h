/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranges of versions as advisories write them, turned into plain intervals: npm's ("^1.2 || >=3 <3.4.1",
 * node-semver) and RubyGems' requirements ("~> 5.2.7, >= 5.2.7.1"). Pre-releases are in a range by their
 * order alone, as `npm audit` judges them (includePrerelease). No I/O, no allocation.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "format/version.h"

#define OG_RANGE_TEXT_MAX      4096U /* bytes; the longest in npm's advisories has 700 */
#define OG_RANGE_VERSION_MAX   128U  /* bytes of one bound, NUL included */
#define OG_RANGE_INTERVALS_MAX 64U   /* alternatives of one range */

struct og_bound {
	char version[OG_RANGE_VERSION_MAX]; /* "": without a bound */
	bool closed;			    /* the version itself is inside */
};

struct og_interval {
	struct og_bound low, high;
};

struct og_range {
	struct og_interval
		intervals[OG_RANGE_INTERVALS_MAX]; /* empty ones left out, else as written */
	size_t count;
};

/* Errors: -EINVAL (no range), -E2BIG (a limit). */
int og_range_parse_npm(const char *text, struct og_range *ret_range, struct og_err *err);

/* Requirements that must all hold, parted by commas. Without "!=", which is no interval: -EINVAL. */
int og_range_parse_gem(const char *text, struct og_range *ret_range, struct og_err *err);

/*
 * All that is in none of @range's intervals. The high bounds that it has are the versions that lead
 * out of it. Errors: -E2BIG.
 */
int og_range_invert(enum og_version_order order, struct og_range *range,
		    struct og_range *ret_inverse, struct og_err *err);
