/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Semantic versions, as npm, Go and Cargo have them, read with goodwill: "v" or "go" before them,
 * numbers that are missing (0) or too many (passed over, like what is behind '+'), and a pre-release
 * that begins without '-', as npm reads "1.9.0b1".
 */
#include "format/version_parts.h"

#define SEMVER_NUMBERS 3

struct semver {
	struct og_slice numbers[SEMVER_NUMBERS];
	struct og_slice prerelease; /* without '-'; empty for a release */
};

static struct og_slice without_prefix(struct og_slice text)
{
	while (text.len > 0 && (text.at[0] == ' ' || text.at[0] == '='))
		text = og_slice_skip(text, 1);
	if (og_slice_begins_nocase(text, "go"))
		return og_slice_skip(text, 2);
	return og_slice_begins_nocase(text, "v") ? og_slice_skip(text, 1) : text;
}

static struct semver parse(struct og_slice text)
{
	struct semver version = {};
	const char *plus;
	size_t count = 0;

	text = without_prefix(text);
	plus = text.len > 0 ? memchr(text.at, '+', text.len) : NULL;
	if (plus != NULL)
		text.len = (size_t)(plus - text.at);
	while (count < SEMVER_NUMBERS) {
		version.numbers[count++] = og_slice_take_digits(&text);
		if (text.len < 2 || text.at[0] != '.' || !og_is_digit(text.at[1]))
			break;
		if (count < SEMVER_NUMBERS)
			text = og_slice_skip(text, 1);
	}
	if (og_slice_first(text) == '-')
		version.prerelease = og_slice_skip(text, 1);
	else if (og_is_alpha(og_slice_first(text)))
		version.prerelease = text;
	return version;
}

static struct og_slice take_identifier(struct og_slice *text)
{
	const char *dot = text->len > 0 ? memchr(text->at, '.', text->len) : NULL;
	size_t len = dot != NULL ? (size_t)(dot - text->at) : text->len;
	struct og_slice taken = og_slice_head(*text, len);

	*text = og_slice_skip(*text, dot != NULL ? len + 1 : len);
	return taken;
}

/* semver.org 11: numbers before words, numbers as numbers, words by their bytes. */
static int compare_identifiers(struct og_slice a, struct og_slice b)
{
	bool a_is_number = og_slice_is_digits(a), b_is_number = og_slice_is_digits(b);

	if (a_is_number && b_is_number)
		return og_compare_digits(a, b);
	if (a_is_number != b_is_number)
		return a_is_number ? -1 : 1;
	return og_compare_bytes(a, b);
}

static int compare_prereleases(struct og_slice a, struct og_slice b)
{
	if (a.len == 0 || b.len == 0)
		return (a.len == 0) - (b.len == 0);
	while (a.len > 0 && b.len > 0) {
		int order = compare_identifiers(take_identifier(&a), take_identifier(&b));

		if (order != 0)
			return order;
	}
	return (a.len > 0) - (b.len > 0);
}

int og_version_semver(struct og_slice a, struct og_slice b)
{
	struct semver left = parse(a), right = parse(b);

	for (size_t i = 0; i < SEMVER_NUMBERS; i++) {
		int order = og_compare_digits(left.numbers[i], right.numbers[i]);

		if (order != 0)
			return order;
	}
	return compare_prereleases(left.prerelease, right.prerelease);
}
