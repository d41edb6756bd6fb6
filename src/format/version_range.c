/* SPDX-License-Identifier: Apache-2.0 */
#include "format/version_range.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/version_parts.h"

static bool is_empty(enum og_version_order order, const struct og_interval *interval)
{
	int way;

	if (interval->low.version[0] == '\0' || interval->high.version[0] == '\0')
		return false;
	way = og_version_compare(order, interval->low.version, interval->high.version);
	return way > 0 || (way == 0 && !(interval->low.closed && interval->high.closed));
}

static void narrow_low(enum og_version_order order, struct og_interval *interval,
		       const struct og_bound *bound)
{
	int way = 1;

	if (interval->low.version[0] != '\0')
		way = og_version_compare(order, bound->version, interval->low.version);
	if (way > 0 || (way == 0 && !bound->closed))
		interval->low = *bound;
}

static void narrow_high(enum og_version_order order, struct og_interval *interval,
			const struct og_bound *bound)
{
	int way = -1;

	if (interval->high.version[0] != '\0')
		way = og_version_compare(order, bound->version, interval->high.version);
	if (way < 0 || (way == 0 && !bound->closed))
		interval->high = *bound;
}

/* An operator that @text may begin with; longer ones first. */
static const char *const operators[] = { ">=", "<=", "~>", ">", "<", "=", "^", "~", NULL };

static const char *take_operator(struct og_slice *text)
{
	for (size_t i = 0; operators[i] != NULL; i++) {
		size_t len = strlen(operators[i]);

		if (text->len < len || memcmp(text->at, operators[i], len) != 0)
			continue;
		*text = og_slice_skip(*text, len);
		return operators[i];
	}
	return "";
}

static void skip_blanks(struct og_slice *text)
{
	while (text->len > 0 && (text->at[0] == ' ' || text->at[0] == '\t' || text->at[0] == '\n'))
		*text = og_slice_skip(*text, 1);
}

/* "1.2.x-pre+build" of a range. */
struct partial {
	unsigned long numbers[3];
	size_t given; /* how many numbers are there: 0 for "*" */
	struct og_slice prerelease;
};

/* As npm: above, a number is no version's. */
#define NPM_NUMBER_DIGITS 15

static int take_number(struct og_slice *text, unsigned long *ret_number)
{
	struct og_slice digits = og_slice_take_digits(text);
	unsigned long number = 0;

	if (digits.len == 0 || digits.len > NPM_NUMBER_DIGITS)
		return -EINVAL;
	for (size_t i = 0; i < digits.len; i++)
		number = number * 10 + (unsigned long)(digits.at[i] - '0');
	*ret_number = number;
	return 0;
}

static bool is_word_end(char c)
{
	return c == '\0' || c == ' ' || c == '\t' || c == '\n' || c == '|' || c == ',';
}

static struct og_slice take_identifiers(struct og_slice *text)
{
	size_t len = 0;
	struct og_slice taken;

	while (len < text->len && (og_is_digit(text->at[len]) || og_is_alpha(text->at[len]) ||
				   text->at[len] == '-' || text->at[len] == '.'))
		len++;
	taken = og_slice_head(*text, len);
	*text = og_slice_skip(*text, len);
	return taken;
}

static int take_partial(struct og_slice *text, struct partial *ret_partial)
{
	*ret_partial = (struct partial){};
	skip_blanks(text);
	while (og_slice_first(*text) == 'v' || og_slice_first(*text) == '=')
		*text = og_slice_skip(*text, 1);
	for (size_t i = 0; i < 3; i++) {
		char c = og_slice_first(*text);

		if (c == 'x' || c == 'X' || c == '*')
			*text = og_slice_skip(*text, 1);
		else if (take_number(text, &ret_partial->numbers[i]) < 0)
			return -EINVAL;
		else if (ret_partial->given == i)
			ret_partial->given = i + 1;
		if (og_slice_first(*text) != '.')
			break;
		if (i < 2)
			*text = og_slice_skip(*text, 1);
	}
	if (og_slice_first(*text) == '-') {
		*text = og_slice_skip(*text, 1);
		ret_partial->prerelease = take_identifiers(text);
	} else if (og_is_alpha(og_slice_first(*text))) {
		ret_partial->prerelease = take_identifiers(text);
	}
	if (og_slice_first(*text) == '+') {
		*text = og_slice_skip(*text, 1);
		(void)take_identifiers(text);
	}
	for (size_t i = ret_partial->given; i < 3; i++)
		ret_partial->numbers[i] = 0;
	return is_word_end(og_slice_first(*text)) ? 0 : -EINVAL;
}

static int set_bound(struct og_bound *bound, const struct partial *version, const char *tail,
		     bool closed)
{
	int len;

	if (version->given == 3 && version->prerelease.len > 0 && tail == NULL)
		len = snprintf(bound->version, sizeof(bound->version), "%lu.%lu.%lu-%.*s",
			       version->numbers[0], version->numbers[1], version->numbers[2],
			       (int)version->prerelease.len, version->prerelease.at);
	else
		len = snprintf(bound->version, sizeof(bound->version), "%lu.%lu.%lu%s",
			       version->numbers[0], version->numbers[1], version->numbers[2],
			       tail != NULL ? tail : "");
	bound->closed = closed;
	return len < 0 || (size_t)len >= sizeof(bound->version) ? -E2BIG : 0;
}

/* The first version behind all that begin with the first @kept numbers: "1.2" of 1 -> "2.0.0-0" */
static int bound_behind(struct og_bound *bound, const struct partial *version, size_t kept)
{
	struct partial next = { .given = 3 };

	for (size_t i = 0; i < kept; i++)
		next.numbers[i] = version->numbers[i];
	next.numbers[kept - 1]++;
	return set_bound(bound, &next, "-0", false);
}

/* In a partial version's place stands the first one that it means. */
static int bound_from(struct og_bound *bound, const struct partial *version, bool exactly)
{
	return set_bound(bound, version, version->given == 3 || exactly ? NULL : "-0", true);
}

static int npm_caret(const struct partial *version, struct og_interval *interval)
{
	/* npm takes the pre-releases of the first version in where it is 0.x.y, and only there. */
	bool all_of_first = version->numbers[0] == 0 && version->prerelease.len == 0;
	size_t kept = version->given;
	int r = all_of_first ? set_bound(&interval->low, version, "-0", true)
			     : bound_from(&interval->low, version, false);

	for (size_t i = 0; i < version->given; i++) {
		if (version->numbers[i] != 0) {
			kept = i + 1;
			break;
		}
	}
	return r < 0 ? r : bound_behind(&interval->high, version, kept);
}

static int npm_tilde(const struct partial *version, struct og_interval *interval)
{
	int r = bound_from(&interval->low, version, true);

	return r < 0 ? r : bound_behind(&interval->high, version, version->given > 1 ? 2 : 1);
}

static int npm_plain(const struct partial *version, struct og_interval *interval)
{
	int r = bound_from(&interval->low, version, false);

	if (r < 0)
		return r;
	if (version->given < 3)
		return bound_behind(&interval->high, version, version->given);
	interval->high = interval->low;
	return 0;
}

static int npm_compared(const char *operator, const struct partial * version,
			struct og_interval *interval)
{
	bool equal = operator[1] == '=';

	if (operator[0] == '<') {
		if (equal && version->given < 3)
			return bound_behind(&interval->high, version, version->given);
		return set_bound(&interval->high, version, version->given < 3 ? "-0" : NULL, equal);
	}
	if (equal || version->given == 3)
		return set_bound(&interval->low, version, version->given < 3 ? "-0" : NULL, equal);
	/* More than "1.2" is 1.3 and on. */
	if (bound_behind(&interval->low, version, version->given) < 0)
		return -E2BIG;
	interval->low.closed = true;
	return 0;
}

/* "*" with an operator: everything, or for < and > nothing. Returns whether it is nothing. */
static bool any_is_nothing(const char *operator)
{
	return (operator[0] == '<' || operator[0] == '>') && operator[1] == '\0';
}

static int npm_one(const char *operator, const struct partial * version,
		   struct og_interval *ret_interval)
{
	*ret_interval = (struct og_interval){};
	if (version->given == 0) {
		if (any_is_nothing(operator))
			(void)snprintf(ret_interval->high.version,
				       sizeof(ret_interval->high.version), "0.0.0-0");
		return 0;
	}
	switch (operator[0]) {
	case '^':
		return npm_caret(version, ret_interval);
	case '~':
		return npm_tilde(version, ret_interval);
	case '<':
	case '>':
		return npm_compared(operator, version, ret_interval);
	default:
		return npm_plain(version, ret_interval);
	}
}

static void narrow(enum og_version_order order, struct og_interval *interval,
		   const struct og_interval *by)
{
	if (by->low.version[0] != '\0')
		narrow_low(order, interval, &by->low);
	if (by->high.version[0] != '\0')
		narrow_high(order, interval, &by->high);
}

/* " - VERSION" behind a version makes both the ends of a range. Returns 1 if it is there. */
static int take_hyphen(struct og_slice *text, struct partial *ret_end)
{
	struct og_slice rest = *text;

	skip_blanks(&rest);
	if (rest.len == text->len || rest.len < 2 || rest.at[0] != '-' || rest.at[1] != ' ')
		return 0;
	rest = og_slice_skip(rest, 1);
	if (take_partial(&rest, ret_end) < 0)
		return -EINVAL;
	*text = rest;
	return 1;
}

/* "A - B"; whole versions take their own pre-releases in, as npm does. */
static int npm_hyphen(const struct partial *start, const struct partial *end,
		      struct og_interval *ret_interval)
{
	int r = 0;

	*ret_interval = (struct og_interval){};
	if (start->given > 0)
		r = set_bound(&ret_interval->low, start, start->prerelease.len > 0 ? NULL : "-0",
			      true);
	if (r < 0 || end->given == 0)
		return r;
	if (end->given == 3 && end->prerelease.len > 0)
		return set_bound(&ret_interval->high, end, NULL, true);
	return bound_behind(&ret_interval->high, end, end->given);
}

static int npm_set(struct og_slice *text, struct og_interval *ret_interval)
{
	struct og_interval whole = {};

	for (skip_blanks(text); text->len > 0 && text->at[0] != '|'; skip_blanks(text)) {
		const char *operator= take_operator(text);
		struct partial version, end;
		struct og_interval one;
		int r = take_partial(text, &version);

		if (r < 0)
			return r;
		r = operator[0] == '\0' ? take_hyphen(text, &end) : 0;
		if (r < 0)
			return r;
		r = r == 1 ? npm_hyphen(&version, &end, &one) : npm_one(operator, & version, &one);
		if (r < 0)
			return r;
		narrow(OG_VERSION_SEMVER, &whole, &one);
		if (og_slice_first(*text) == ',')
			return -EINVAL;
	}
	*ret_interval = whole;
	return 0;
}

static int add(enum og_version_order order, struct og_range *range,
	       const struct og_interval *interval, struct og_err *err)
{
	if (is_empty(order, interval))
		return 0;
	if (range->count == OG_RANGE_INTERVALS_MAX)
		return og_fail(err, -E2BIG, "a range of more than %u alternatives",
			       OG_RANGE_INTERVALS_MAX);
	range->intervals[range->count++] = *interval;
	return 0;
}

int og_range_parse_npm(const char *text, struct og_range *ret_range, struct og_err *err)
{
	struct og_slice rest = { text, strnlen(text, OG_RANGE_TEXT_MAX + 1) };

	if (rest.len > OG_RANGE_TEXT_MAX)
		return og_fail(err, -E2BIG, "a range of more than %u bytes", OG_RANGE_TEXT_MAX);
	ret_range->count = 0;
	for (;;) {
		struct og_interval interval;
		int r = npm_set(&rest, &interval);

		if (r == 0)
			r = add(OG_VERSION_SEMVER, ret_range, &interval, err);
		if (r < 0)
			return og_fail(err, r, "the range '%.100s'", text);
		if (rest.len == 0)
			return 0;
		if (rest.len < 2 || rest.at[1] != '|')
			return og_fail(err, -EINVAL, "the range '%.100s'", text);
		rest = og_slice_skip(rest, 2);
	}
}

/* "5.2.7" -> "5.3" */
static int gem_bump(const char *version, struct og_bound *bound)
{
	struct og_slice rest = { version, strlen(version) };
	unsigned long numbers[16], number;
	size_t count = 0, len = 0;

	while (count < 16 && take_number(&rest, &number) == 0) {
		numbers[count++] = number;
		if (og_slice_first(rest) != '.')
			break;
		rest = og_slice_skip(rest, 1);
	}
	if (count == 0)
		return -EINVAL;
	if (count > 1)
		count--;
	numbers[count - 1]++;
	for (size_t i = 0; i < count; i++) {
		int more = snprintf(bound->version + len, sizeof(bound->version) - len, "%s%lu",
				    i > 0 ? "." : "", numbers[i]);

		if (more < 0 || (size_t)more >= sizeof(bound->version) - len)
			return -E2BIG;
		len += (size_t)more;
	}
	bound->closed = false;
	return 0;
}

static int gem_one(const char *operator, const char * version, struct og_interval *ret_interval)
{
	struct og_bound bound = {};

	*ret_interval = (struct og_interval){};
	(void)snprintf(bound.version, sizeof(bound.version), "%s", version);
	bound.closed = operator[0] == '\0' || operator[0] == '=' || operator[0] == '~' ||
	operator[1] == '=';
	if (operator[0] == '^' ||(operator[0] == '~' && operator[1] != '>'))
		return -EINVAL;
	if (operator[0] != '<')
		ret_interval->low = bound;
	if (operator[0] == '~')
		return gem_bump(version, &ret_interval->high);
	if (operator[0] != '>')
		ret_interval->high = bound;
	return 0;
}

int og_range_parse_gem(const char *text, struct og_range *ret_range, struct og_err *err)
{
	struct og_slice rest = { text, strnlen(text, OG_RANGE_TEXT_MAX + 1) };
	struct og_interval whole = {};

	ret_range->count = 0;
	while (rest.len <= OG_RANGE_TEXT_MAX) {
		const char *operator;
		char version[OG_RANGE_VERSION_MAX];
		struct og_interval one;
		struct og_slice word;

		skip_blanks(&rest);
		operator= take_operator(&rest);
		skip_blanks(&rest);
		word = take_identifiers(&rest);
		if (word.len == 0 || word.len >= sizeof(version))
			break;
		memcpy(version, word.at, word.len);
		version[word.len] = '\0';
		if (gem_one(operator, version, &one) < 0)
			break;
		narrow(OG_VERSION_GEM, &whole, &one);
		skip_blanks(&rest);
		if (rest.len == 0)
			return add(OG_VERSION_GEM, ret_range, &whole, err);
		if (rest.at[0] != ',')
			break;
		rest = og_slice_skip(rest, 1);
	}
	return og_fail(err, -EINVAL, "the requirement '%.100s'", text);
}

static int compare_lows(enum og_version_order order, const struct og_bound *a,
			const struct og_bound *b)
{
	if (a->version[0] == '\0' || b->version[0] == '\0')
		return (a->version[0] != '\0') - (b->version[0] != '\0');
	return og_version_compare(order, a->version, b->version);
}

static void sort(enum og_version_order order, struct og_range *range)
{
	for (size_t i = 1; i < range->count; i++) {
		struct og_interval moved = range->intervals[i];
		size_t j = i;

		for (; j > 0 && compare_lows(order, &range->intervals[j - 1].low, &moved.low) > 0;
		     j--)
			range->intervals[j] = range->intervals[j - 1];
		range->intervals[j] = moved;
	}
}

int og_range_invert(enum og_version_order order, struct og_range *range,
		    struct og_range *ret_inverse, struct og_err *err)
{
	struct og_interval gap = {};

	ret_inverse->count = 0;
	sort(order, range);
	for (size_t i = 0; i < range->count; i++) {
		const struct og_interval *interval = &range->intervals[i];

		if (interval->low.version[0] != '\0') {
			int r;

			gap.high = interval->low;
			gap.high.closed = !interval->low.closed;
			r = add(order, ret_inverse, &gap, err);
			if (r < 0)
				return r;
		}
		/* Nothing is behind what has no end; nothing is before what reaches further. */
		if (interval->high.version[0] == '\0')
			return 0;
		gap.high = interval->high;
		gap.high.closed = !interval->high.closed;
		narrow_low(order, &gap, &gap.high);
		gap.high = (struct og_bound){};
	}
	return add(order, ret_inverse, &gap, err);
}
