/* SPDX-License-Identifier: Apache-2.0 */
/* Python's versions, PEP 440, by the regular expression of its appendix B. */
#include "format/version_parts.h"

struct pep440 {
	bool known; /* PEP 440 at all */
	struct og_slice epoch;
	struct og_slice release; /* "1.0.3" */
	char pre;		 /* 'a', 'b', 'r' (rc), NUL for none */
	struct og_slice pre_number;
	bool has_post, has_dev, has_local;
	struct og_slice post_number, dev_number, local;
};

struct spelling {
	const char *word;
	char means;
};

/* Longer ones first. */
static const struct spelling pre_words[] = { { "preview", 'r' }, { "alpha", 'a' }, { "beta", 'b' },
					     { "pre", 'r' },	 { "rc", 'r' },	   { "a", 'a' },
					     { "b", 'b' },	 { "c", 'r' },	   {} };
static const struct spelling post_words[] = { { "post", 'p' }, { "rev", 'p' }, { "r", 'p' }, {} };
static const struct spelling dev_words[] = { { "dev", 'd' }, {} };

static bool is_separator(char c)
{
	return c == '-' || c == '_' || c == '.';
}

static struct og_slice skip_separator(struct og_slice text)
{
	return is_separator(og_slice_first(text)) ? og_slice_skip(text, 1) : text;
}

/* [-_.]? WORD [-_.]? [0-9]*: takes it off @text and returns what the word means, NUL if not there. */
static char take_word(struct og_slice *text, const struct spelling *words,
		      struct og_slice *ret_number)
{
	struct og_slice rest = skip_separator(*text);

	for (; words->word != NULL; words++) {
		if (!og_slice_begins_nocase(rest, words->word))
			continue;
		*text = skip_separator(og_slice_skip(rest, strlen(words->word)));
		*ret_number = og_slice_take_digits(text);
		return words->means;
	}
	return '\0';
}

static struct og_slice take_release(struct og_slice *text)
{
	struct og_slice start = *text;

	(void)og_slice_take_digits(text);
	while (text->len > 1 && text->at[0] == '.' && og_is_digit(text->at[1])) {
		*text = og_slice_skip(*text, 1);
		(void)og_slice_take_digits(text);
	}
	return og_slice_head(start, start.len - text->len);
}

static void take_post(struct og_slice *text, struct pep440 *version)
{
	if (text->len > 1 && text->at[0] == '-' && og_is_digit(text->at[1])) {
		*text = og_slice_skip(*text, 1);
		version->post_number = og_slice_take_digits(text);
		version->has_post = true;
		return;
	}
	version->has_post = take_word(text, post_words, &version->post_number) != '\0';
}

static bool is_local(struct og_slice text)
{
	bool part = false;

	for (size_t i = 0; i < text.len; i++) {
		bool separator = is_separator(text.at[i]);

		if (separator && !part)
			return false;
		if (!separator && !og_is_digit(text.at[i]) && !og_is_alpha(text.at[i]))
			return false;
		part = !separator;
	}
	return part;
}

static struct og_slice trimmed(struct og_slice text)
{
	while (text.len > 0 && (unsigned char)text.at[0] <= ' ')
		text = og_slice_skip(text, 1);
	while (text.len > 0 && (unsigned char)text.at[text.len - 1] <= ' ')
		text.len--;
	return text;
}

static struct pep440 parse(struct og_slice text)
{
	struct pep440 version = {};
	struct og_slice rest;

	text = trimmed(text);
	if (og_slice_begins_nocase(text, "v"))
		text = og_slice_skip(text, 1);
	rest = text;
	version.epoch = og_slice_take_digits(&rest);
	if (version.epoch.len > 0 && og_slice_first(rest) == '!')
		text = og_slice_skip(rest, 1);
	else
		version.epoch.len = 0;
	version.release = take_release(&text);
	version.pre = take_word(&text, pre_words, &version.pre_number);
	take_post(&text, &version);
	version.has_dev = take_word(&text, dev_words, &version.dev_number) != '\0';
	if (og_slice_first(text) == '+' && is_local(og_slice_skip(text, 1))) {
		version.has_local = true;
		version.local = og_slice_skip(text, 1);
		text.len = 0;
	}
	version.known = version.release.len > 0 && text.len == 0;
	return version;
}

static struct og_slice take_part(struct og_slice *text)
{
	size_t len = 0;
	struct og_slice taken;

	while (len < text->len && !is_separator(text->at[len]))
		len++;
	taken = og_slice_head(*text, len);
	*text = og_slice_skip(*text, len < text->len ? len + 1 : len);
	return taken;
}

static int compare_releases(struct og_slice a, struct og_slice b)
{
	while (a.len > 0 || b.len > 0) {
		int order = og_compare_digits(take_part(&a), take_part(&b));

		if (order != 0)
			return order;
	}
	return 0;
}

static int compare_locals(struct og_slice a, struct og_slice b)
{
	while (a.len > 0 && b.len > 0) {
		struct og_slice x = take_part(&a), y = take_part(&b);
		bool x_is_number = og_slice_is_digits(x), y_is_number = og_slice_is_digits(y);
		int order;

		if (x_is_number != y_is_number)
			return x_is_number ? 1 : -1;
		order = x_is_number ? og_compare_digits(x, y) : og_compare_nocase(x, y);
		if (order != 0)
			return order;
	}
	return (a.len > 0) - (b.len > 0);
}

/* 0: a development release of the version itself, before its pre-releases; 2: no pre-release. */
static int pre_class(const struct pep440 *version)
{
	if (version->pre != '\0')
		return 1;
	return version->has_dev && !version->has_post ? 0 : 2;
}

static int compare_pre(const struct pep440 *a, const struct pep440 *b)
{
	int order = pre_class(a) - pre_class(b);

	if (order == 0)
		order = a->pre - b->pre;
	return order != 0 ? order : og_compare_digits(a->pre_number, b->pre_number);
}

/* Numbers and words in turn: what is not PEP 440 has no order anybody agrees on, but this one. */
static int compare_unknown(struct og_slice a, struct og_slice b)
{
	while (a.len > 0 && b.len > 0) {
		int order;

		if (og_is_digit(a.at[0]) && og_is_digit(b.at[0])) {
			order = og_compare_digits(og_slice_take_digits(&a),
						  og_slice_take_digits(&b));
		} else {
			order = og_to_lower(a.at[0]) - og_to_lower(b.at[0]);
			a = og_slice_skip(a, 1);
			b = og_slice_skip(b, 1);
		}
		if (order != 0)
			return order;
	}
	return (a.len > 0) - (b.len > 0);
}

int og_version_pep440(struct og_slice a, struct og_slice b)
{
	struct pep440 left = parse(a), right = parse(b);
	int order;

	if (!left.known || !right.known)
		return left.known || right.known ? left.known - right.known
						 : compare_unknown(trimmed(a), trimmed(b));
	order = og_compare_digits(left.epoch, right.epoch);
	if (order == 0)
		order = compare_releases(left.release, right.release);
	if (order == 0)
		order = compare_pre(&left, &right);
	if (order == 0)
		order = left.has_post - right.has_post;
	if (order == 0)
		order = og_compare_digits(left.post_number, right.post_number);
	if (order == 0)
		order = right.has_dev - left.has_dev;
	if (order == 0)
		order = og_compare_digits(left.dev_number, right.dev_number);
	if (order == 0)
		order = left.has_local - right.has_local;
	return order != 0 ? order : compare_locals(left.local, right.local);
}
