/* SPDX-License-Identifier: Apache-2.0 */
/* Is a version in a range? As a scan sees it: by the text that the database keeps of it. */
#pragma once

#include <stdlib.h>

#include "base/cleanup.h"
#include "format/advisories.h"
#include "format/vulnerability.h"

static inline bool range_holds(enum og_version_order order, const struct og_range *range,
			       const char *version)
{
	og_auto_free char *ranges = NULL;
	struct og_vuln_verdict verdict;

	if (og_advisories_ranges(range, &ranges, NULL) < 0)
		abort();
	og_vuln_judge(order, ranges, version, &verdict);
	return verdict.affected;
}
