/* SPDX-License-Identifier: Apache-2.0 */
/* Two versions with a NUL between them: each order is one, and ranges are read and turned around. */
#include "format/version.h"

#include <stdlib.h>
#include <string.h>

#include "../tools/range_holds.h"
#include "format/version_range.h"
#include "replay.h"

static void check_order(enum og_version_order order, const char *a, const char *b)
{
	int way = og_version_compare(order, a, b), back = og_version_compare(order, b, a);

	if ((way < 0) != (back > 0) || (way > 0) != (back < 0))
		abort();
	if (og_version_compare(order, a, a) != 0)
		abort();
}

static void check_range(enum og_version_order order, struct og_range *range, const char *version)
{
	static struct og_range inverse;
	bool inside = range_holds(order, range, version);

	if (og_range_invert(order, range, &inverse, NULL) < 0)
		return;
	if (range_holds(order, &inverse, version) == inside)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct og_range range;
	const char *first = (const char *)data, *end = memchr(data, '\0', size);
	char *second;

	if (end == NULL)
		return 0;
	second = strndup(end + 1, size - (size_t)(end + 1 - first));
	if (second == NULL)
		return 0;
	for (int order = 0; order < OG_VERSION_ORDERS; order++)
		check_order((enum og_version_order)order, first, second);
	if (og_range_parse_npm(first, &range, NULL) == 0)
		check_range(OG_VERSION_SEMVER, &range, second);
	if (og_range_parse_gem(first, &range, NULL) == 0)
		check_range(OG_VERSION_GEM, &range, second);
	free(second);
	return 0;
}
