/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RubyGems' versions, Gem::Version: runs of digits and of letters, '-' is ".pre.", words are before
 * numbers, and zeros at the end of the numbers, or of the whole, do not count.
 */
#include "format/version_parts.h"

/* What is behind does not count; versions in use have at most about 10. */
#define GEM_SEGMENTS 64U

struct gem {
	struct og_slice segments[GEM_SEGMENTS];
	size_t count;
};

static bool is_zero(struct og_slice segment)
{
	for (size_t i = 0; i < segment.len; i++)
		if (segment.at[i] != '0')
			return false;
	return true;
}

static void drop_zeros(struct gem *version, size_t from)
{
	while (version->count > from && is_zero(version->segments[version->count - 1]))
		version->count--;
}

static void add(struct gem *version, struct og_slice segment, size_t *words_from)
{
	if (*words_from == SIZE_MAX && !og_is_digit(segment.at[0])) {
		drop_zeros(version, 0);
		*words_from = version->count;
	}
	if (version->count < GEM_SEGMENTS)
		version->segments[version->count++] = segment;
}

static void parse(struct og_slice text, struct gem *ret_version)
{
	size_t words_from = SIZE_MAX;

	ret_version->count = 0;
	while (text.len > 0) {
		size_t len = 0;

		if (og_is_digit(text.at[0])) {
			add(ret_version, og_slice_take_digits(&text), &words_from);
			continue;
		}
		while (len < text.len && og_is_alpha(text.at[len]))
			len++;
		if (len > 0)
			add(ret_version, og_slice_head(text, len), &words_from);
		else if (text.at[0] == '-')
			add(ret_version, (struct og_slice){ "pre", 3 }, &words_from);
		text = og_slice_skip(text, len > 0 ? len : 1);
	}
	drop_zeros(ret_version, words_from != SIZE_MAX ? words_from : 0);
}

int og_version_gem(struct og_slice a, struct og_slice b)
{
	static const struct og_slice zero = { "0", 1 };
	struct gem left, right;

	parse(a, &left);
	parse(b, &right);
	for (size_t i = 0; i < left.count || i < right.count; i++) {
		struct og_slice x = i < left.count ? left.segments[i] : zero;
		struct og_slice y = i < right.count ? right.segments[i] : zero;
		bool x_is_number = og_is_digit(x.at[0]), y_is_number = og_is_digit(y.at[0]);
		int order;

		if (x_is_number != y_is_number)
			return x_is_number ? 1 : -1;
		order = x_is_number ? og_compare_digits(x, y) : og_compare_bytes(x, y);
		if (order != 0)
			return order;
	}
	return 0;
}
