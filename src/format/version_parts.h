/* SPDX-License-Identifier: Apache-2.0 */
/* What the version orders share. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Part of a text that is not ours; need not end with NUL. */
struct og_slice {
	const char *at;
	size_t len;
};

static inline bool og_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool og_is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static inline char og_to_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static inline bool og_is_alpha(char c)
{
	return og_is_lower(og_to_lower(c));
}

static inline struct og_slice og_slice_skip(struct og_slice text, size_t count)
{
	return (struct og_slice){ text.at + count, text.len - count };
}

static inline struct og_slice og_slice_head(struct og_slice text, size_t count)
{
	return (struct og_slice){ text.at, count };
}

/* The first byte, NUL at the end. */
static inline char og_slice_first(struct og_slice text)
{
	return text.len > 0 ? text.at[0] : '\0';
}

/* Takes the digits that @text begins with off it. */
struct og_slice og_slice_take_digits(struct og_slice *text);

bool og_slice_is(struct og_slice text, const char *word);
/* Likewise, capitals in @text count as small. @word is small. */
bool og_slice_is_nocase(struct og_slice text, const char *word);
bool og_slice_begins_nocase(struct og_slice text, const char *word);
/* All of it, and at least one. */
bool og_slice_is_digits(struct og_slice text);

/* Decimal numbers of any length; an empty one is 0. */
int og_compare_digits(struct og_slice a, struct og_slice b);
/* Byte by byte; of two of which one begins the other, the longer is the greater. */
int og_compare_bytes(struct og_slice a, struct og_slice b);
int og_compare_nocase(struct og_slice a, struct og_slice b);

int og_version_debian(struct og_slice a, struct og_slice b);
int og_version_rpm(struct og_slice a, struct og_slice b);
int og_version_apk(struct og_slice a, struct og_slice b);
int og_version_semver(struct og_slice a, struct og_slice b);
int og_version_pep440(struct og_slice a, struct og_slice b);
int og_version_gem(struct og_slice a, struct og_slice b);
int og_version_maven(struct og_slice a, struct og_slice b);
