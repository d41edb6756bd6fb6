/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Version orders for the tests that ask others, too. Lines of standard input: "ECOSYSTEM<TAB>A<TAB>B" gives
 * "<", "=" or ">"; "npm-range<TAB>RANGE<TAB>VERSION" and "gem-range..." give "in", "out" or "bad".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "format/version.h"
#include "format/version_range.h"
#include "range_holds.h"

static const char *in_range(const char *kind, const char *text, const char *version)
{
	static struct og_range range;
	bool npm = og_streq(kind, "npm-range");

	if ((npm ? og_range_parse_npm : og_range_parse_gem)(text, &range, NULL) < 0)
		return "bad";
	return range_holds(npm ? OG_VERSION_SEMVER : OG_VERSION_GEM, &range, version) ? "in"
										      : "out";
}

static const char *answer(char *line)
{
	const char *kind = strsep(&line, "\t"), *a = strsep(&line, "\t"), *b = line;
	enum og_version_order order;
	int way;

	if (b == NULL)
		return "?";
	if (og_ends_with(kind, "-range"))
		return in_range(kind, a, b);
	if (og_version_order_of(kind, &order) < 0)
		return "?";
	way = og_version_compare(order, a, b);
	return way < 0 ? "<" : way > 0 ? ">" : "=";
}

int main(void)
{
	og_auto_free char *line = NULL;
	size_t room = 0;
	ssize_t len;

	while ((len = getline(&line, &room, stdin)) > 0) {
		if (line[len - 1] == '\n')
			line[len - 1] = '\0';
		puts(answer(line));
	}
	return EXIT_SUCCESS;
}
