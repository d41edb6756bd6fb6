/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maven's versions, by the "Version Order Specification" of its POM reference: tokens between dots,
 * hyphens and the borders of digits and letters; "null" tokens trimmed from the end and before each
 * hyphen; then compared token by token, the shorter version padded with nulls.
 */
#include "format/version_parts.h"

/* What is behind does not count; versions in use have at most about 10. */
#define MAVEN_TOKENS 64U

struct token {
	char prefix; /* '.', '-', NUL for the first */
	bool is_number;
	int rank; /* of a word, see words[] */
	struct og_slice text;
};

struct maven {
	struct token tokens[MAVEN_TOKENS];
	size_t count;
};

/* In their order. An unknown word is behind them all. */
enum {
	RANK_EMPTY = 5,
	RANK_UNKNOWN = 7
};

static const struct {
	const char *word;
	int rank;
} words[] = {
	{ "alpha", 0 },
	{ "beta", 1 },
	{ "milestone", 2 },
	{ "rc", 3 },
	{ "cr", 3 },
	{ "snapshot", 4 },
	{ "", RANK_EMPTY },
	{ "ga", RANK_EMPTY },
	{ "final", RANK_EMPTY },
	{ "release", RANK_EMPTY },
	{ "sp", 6 },
};

static int rank_of(struct og_slice word, bool digit_follows)
{
	static const char shorts[] = "abm";
	const char *found;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (og_slice_is_nocase(word, words[i].word))
			return words[i].rank;
	found = word.len == 1 ? strchr(shorts, og_to_lower(word.at[0])) : NULL;
	return digit_follows && found != NULL && *found != '\0' ? (int)(found - shorts)
								: RANK_UNKNOWN;
}

static bool is_null(const struct token *token)
{
	if (!token->is_number)
		return token->rank == RANK_EMPTY;
	for (size_t i = 0; i < token->text.len; i++)
		if (token->text.at[i] != '0')
			return false;
	return true;
}

static void add(struct maven *version, char prefix, struct og_slice text, bool digit_follows)
{
	struct token token = { .prefix = prefix, .text = text };

	if (version->count == MAVEN_TOKENS)
		return;
	token.is_number = text.len == 0 || og_is_digit(text.at[0]);
	token.rank = token.is_number ? 0 : rank_of(text, digit_follows);
	/* Since Maven 3.9 a word is the same behind a dot and behind a hyphen. */
	if (!token.is_number && prefix != '\0')
		token.prefix = '-';
	version->tokens[version->count++] = token;
}

static void split(struct og_slice text, struct maven *ret_version)
{
	char prefix = '\0';

	ret_version->count = 0;
	for (;;) {
		size_t len = 0;

		if (og_is_digit(og_slice_first(text)))
			while (len < text.len && og_is_digit(text.at[len]))
				len++;
		else
			while (len < text.len && !og_is_digit(text.at[len]) &&
			       text.at[len] != '.' && text.at[len] != '-')
				len++;
		add(ret_version, prefix, og_slice_head(text, len),
		    len < text.len && og_is_digit(text.at[len]));
		text = og_slice_skip(text, len);
		if (text.len == 0)
			return;
		prefix = '-';
		if (text.at[0] == '.' || text.at[0] == '-') {
			prefix = text.at[0];
			text = og_slice_skip(text, 1);
		}
	}
}

/* Nulls before the end, and before each hyphen, go; the first token stays. */
static void trim(struct maven *version)
{
	size_t kept = version->count, end = version->count;

	while (end > 1) {
		size_t first = end;

		while (first > 1 && is_null(&version->tokens[first - 1]))
			first--;
		memmove(&version->tokens[first], &version->tokens[end],
			(kept - end) * sizeof(version->tokens[0]));
		kept -= end - first;
		/* To the next hyphen to the left. */
		end = first;
		while (end > 1 && version->tokens[end - 1].prefix != '-')
			end--;
		if (end <= 1)
			break;
		end--;
	}
	version->count = kept;
}

/* "-word" < "-number" < ".number" */
static int class_of(const struct token *token)
{
	if (token->is_number)
		return token->prefix == '-' ? 2 : 3;
	return 1;
}

static int compare_tokens(const struct token *a, const struct token *b)
{
	if (a->prefix != b->prefix)
		return class_of(a) - class_of(b);
	if (a->is_number != b->is_number)
		return a->is_number ? 1 : -1;
	if (a->is_number)
		return og_compare_digits(a->text, b->text);
	if (a->rank != b->rank)
		return a->rank - b->rank;
	return a->rank == RANK_UNKNOWN ? og_compare_nocase(a->text, b->text) : 0;
}

/* What a version that has ended has where the other one has @token. */
static struct token padding(const struct token *token)
{
	struct token null = { .prefix = token->prefix, .rank = RANK_EMPTY };

	null.is_number = token->is_number;
	return null;
}

int og_version_maven(struct og_slice a, struct og_slice b)
{
	struct maven left, right;

	split(a, &left);
	split(b, &right);
	trim(&left);
	trim(&right);
	for (size_t i = 0; i < left.count || i < right.count; i++) {
		struct token x = i < left.count ? left.tokens[i] : padding(&right.tokens[i]);
		struct token y = i < right.count ? right.tokens[i] : padding(&left.tokens[i]);
		int order = compare_tokens(&x, &y);

		if (order != 0)
			return order;
	}
	return 0;
}
