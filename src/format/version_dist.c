/* SPDX-License-Identifier: Apache-2.0 */
/* The orders of distributions: Debian, RPM, apk. */
#include "format/version_parts.h"

/* deb-version(7): "~" is before the end of a part, letters before all other bytes. */
static int debian_weight(char c)
{
	if (c == '~')
		return -1;
	if (c == '\0' || og_is_digit(c))
		return 0;
	return og_is_alpha(c) ? (unsigned char)c : (unsigned char)c + 256;
}

static int debian_part(struct og_slice a, struct og_slice b)
{
	while (a.len > 0 || b.len > 0) {
		int order;

		while ((a.len > 0 && !og_is_digit(a.at[0])) ||
		       (b.len > 0 && !og_is_digit(b.at[0]))) {
			order = debian_weight(og_slice_first(a)) - debian_weight(og_slice_first(b));
			if (order != 0)
				return order;
			a = og_slice_skip(a, 1);
			b = og_slice_skip(b, 1);
		}
		order = og_compare_digits(og_slice_take_digits(&a), og_slice_take_digits(&b));
		if (order != 0)
			return order;
	}
	return 0;
}

/* Takes "EPOCH:" off @text; without one the epoch is empty, which counts as 0. */
static struct og_slice take_epoch(struct og_slice *text)
{
	struct og_slice rest = *text;
	struct og_slice epoch = og_slice_take_digits(&rest);

	if (og_slice_first(rest) != ':')
		return (struct og_slice){ text->at, 0 };
	*text = og_slice_skip(rest, 1);
	return epoch;
}

/* Takes what is behind the last '-' off @text. Returns whether there is one. */
static bool take_release(struct og_slice *text, struct og_slice *ret_release)
{
	for (size_t i = text->len; i > 0; i--) {
		if (text->at[i - 1] != '-')
			continue;
		*ret_release = og_slice_skip(*text, i);
		*text = og_slice_head(*text, i - 1);
		return true;
	}
	*ret_release = (struct og_slice){ text->at, 0 };
	return false;
}

int og_version_debian(struct og_slice a, struct og_slice b)
{
	struct og_slice a_revision, b_revision;
	int order = og_compare_digits(take_epoch(&a), take_epoch(&b));

	if (order != 0)
		return order;
	(void)take_release(&a, &a_revision);
	(void)take_release(&b, &b_revision);
	order = debian_part(a, b);
	return order != 0 ? order : debian_part(a_revision, b_revision);
}

static bool rpm_counts(char c)
{
	return og_is_digit(c) || og_is_alpha(c) || c == '~' || c == '^';
}

static void rpm_skip_separators(struct og_slice *text)
{
	while (text->len > 0 && !rpm_counts(text->at[0]))
		*text = og_slice_skip(*text, 1);
}

static struct og_slice take_letters(struct og_slice *text)
{
	size_t count = 0;
	struct og_slice taken;

	while (count < text->len && og_is_alpha(text->at[count]))
		count++;
	taken = og_slice_head(*text, count);
	*text = og_slice_skip(*text, count);
	return taken;
}

/* '~' is before the end, '^' right behind it. Returns whether it decided, or has to be gone on with. */
enum rpm_mark {
	RPM_NO_MARK,
	RPM_DECIDED,
	RPM_SAME
};

static enum rpm_mark rpm_marks(struct og_slice *a, struct og_slice *b, int *order)
{
	char x = og_slice_first(*a), y = og_slice_first(*b);

	if (x != '~' && y != '~' && x != '^' && y != '^')
		return RPM_NO_MARK;
	if (x == y) {
		*a = og_slice_skip(*a, 1);
		*b = og_slice_skip(*b, 1);
		return RPM_SAME;
	}
	if (x == '~' || y == '~')
		*order = x == '~' ? -1 : 1;
	else if (a->len == 0 || b->len == 0)
		*order = a->len == 0 ? -1 : 1;
	else
		*order = x == '^' ? -1 : 1;
	return RPM_DECIDED;
}

static int rpm_part(struct og_slice a, struct og_slice b)
{
	int order = 0;

	while (a.len > 0 || b.len > 0) {
		struct og_slice x, y;
		enum rpm_mark mark;

		rpm_skip_separators(&a);
		rpm_skip_separators(&b);
		mark = rpm_marks(&a, &b, &order);
		if (mark == RPM_DECIDED)
			return order;
		if (mark == RPM_SAME)
			continue;
		if (a.len == 0 || b.len == 0)
			break;
		if (og_is_digit(a.at[0])) {
			x = og_slice_take_digits(&a);
			y = og_slice_take_digits(&b);
			order = y.len == 0 ? 1 : og_compare_digits(x, y);
		} else {
			x = take_letters(&a);
			y = take_letters(&b);
			order = y.len == 0 ? -1 : og_compare_bytes(x, y);
		}
		if (order != 0)
			return order;
	}
	return (a.len > 0) - (b.len > 0);
}

int og_version_rpm(struct og_slice a, struct og_slice b)
{
	struct og_slice a_release, b_release;
	int order = og_compare_digits(take_epoch(&a), take_epoch(&b));
	bool a_has, b_has;

	if (order != 0)
		return order;
	a_has = take_release(&a, &a_release);
	b_has = take_release(&b, &b_release);
	order = rpm_part(a, b);
	if (order != 0)
		return order;
	return a_has && b_has ? rpm_part(a_release, b_release) : a_has - b_has;
}

/* In their order; what has none is between "rc" and "cvs". */
static const char *const apk_suffixes[] = { "alpha", "beta", "pre", "rc", "",
					    "cvs",   "svn",  "git", "hg", "p" };
#define APK_NO_SUFFIX 4

/* One further part of a version that both may have: the next suffix, number. */
static int apk_take_suffix(struct og_slice *text, struct og_slice *ret_number)
{
	*ret_number = (struct og_slice){ text->at, 0 };
	if (og_slice_first(*text) != '_')
		return APK_NO_SUFFIX;
	for (int i = 0; i < (int)(sizeof(apk_suffixes) / sizeof(apk_suffixes[0])); i++) {
		struct og_slice rest = og_slice_skip(*text, 1);
		size_t len = strlen(apk_suffixes[i]);

		if (len == 0 || rest.len < len || memcmp(rest.at, apk_suffixes[i], len) != 0)
			continue;
		rest = og_slice_skip(rest, len);
		*ret_number = og_slice_take_digits(&rest);
		*text = rest;
		return i;
	}
	return APK_NO_SUFFIX;
}

static void apk_skip_hash(struct og_slice *text)
{
	size_t count = 1;

	if (og_slice_first(*text) != '~')
		return;
	while (count < text->len &&
	       (og_is_digit(text->at[count]) || (text->at[count] >= 'a' && text->at[count] <= 'f')))
		count++;
	if (count > 1)
		*text = og_slice_skip(*text, count);
}

/* Takes "-rNUMBER"; the number may be missing. Returns whether it was there. */
static bool apk_take_build(struct og_slice *text, struct og_slice *ret_number)
{
	*ret_number = (struct og_slice){ text->at, 0 };
	if (text->len < 2 || text->at[0] != '-' || text->at[1] != 'r')
		return false;
	*text = og_slice_skip(*text, 2);
	*ret_number = og_slice_take_digits(text);
	return true;
}

static char apk_take_letter(struct og_slice *text)
{
	char letter = og_slice_first(*text);

	if (!og_is_lower(letter))
		return '\0';
	*text = og_slice_skip(*text, 1);
	return letter;
}

/* Takes the numbers' next one. @first: no dot before it. Returns whether there is one. */
static bool apk_take_number(struct og_slice *text, bool first, struct og_slice *ret_number)
{
	struct og_slice rest = *text;

	*ret_number = (struct og_slice){ text->at, 0 };
	if (!first) {
		if (og_slice_first(rest) != '.')
			return false;
		rest = og_slice_skip(rest, 1);
	}
	*ret_number = og_slice_take_digits(&rest);
	if (ret_number->len == 0)
		return false;
	*text = rest;
	return true;
}

/* Whether more than "-r..." is left when all that is known has been taken. */
static bool apk_is_invalid(struct og_slice text)
{
	struct og_slice number;

	for (bool first = true; apk_take_number(&text, first, &number);)
		first = false;
	(void)apk_take_letter(&text);
	while (apk_take_suffix(&text, &number) != APK_NO_SUFFIX)
		continue;
	apk_skip_hash(&text);
	return text.len > 0 && !apk_take_build(&text, &number);
}

static int apk_numbers(struct og_slice *a, struct og_slice *b)
{
	for (bool first = true;; first = false) {
		struct og_slice x, y;
		bool has_x = apk_take_number(a, first, &x), has_y = apk_take_number(b, first, &y);
		int order;

		if (!has_x || !has_y)
			return has_x - has_y;
		/* As Gentoo does: behind the first, a number with a leading 0 is a fraction. */
		if (!first && (x.at[0] == '0' || y.at[0] == '0'))
			order = og_compare_bytes(x, y);
		else
			order = og_compare_digits(x, y);
		if (order != 0)
			return order;
	}
}

static int apk_suffix_order(struct og_slice *a, struct og_slice *b)
{
	for (;;) {
		struct og_slice x, y;
		int suffix_a = apk_take_suffix(a, &x), suffix_b = apk_take_suffix(b, &y);
		int order = suffix_a != suffix_b ? suffix_a - suffix_b : og_compare_digits(x, y);

		if (order != 0 || (suffix_a == APK_NO_SUFFIX && suffix_b == APK_NO_SUFFIX))
			return order;
	}
}

int og_version_apk(struct og_slice a, struct og_slice b)
{
	struct og_slice a_number, b_number;
	bool a_has, b_has;
	int order;

	if (apk_is_invalid(a) && apk_is_invalid(b))
		return og_compare_bytes(a, b);
	order = apk_numbers(&a, &b);
	if (order == 0)
		order = apk_take_letter(&a) - apk_take_letter(&b);
	if (order == 0)
		order = apk_suffix_order(&a, &b);
	if (order != 0)
		return order;
	apk_skip_hash(&a);
	apk_skip_hash(&b);
	a_has = apk_take_build(&a, &a_number);
	b_has = apk_take_build(&b, &b_number);
	if (a_has && b_has)
		order = og_compare_digits(a_number, b_number);
	/* What cannot be read makes a version the older one. */
	if (order == 0)
		order = (a.len == 0) - (b.len == 0);
	return order != 0 || a.len > 0 ? order : a_has - b_has;
}
