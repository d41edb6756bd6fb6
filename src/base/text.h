/* SPDX-License-Identifier: Apache-2.0 */
/* Text that grows, and numbers read from text without surprises. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

/*
 * A growing buffer, always NUL-terminated once something was added. Zero-initialise it. Running
 * out of memory is remembered in @failed, so that a row of additions needs one check at its end.
 */
struct og_text {
	char *buf;  /* owned; NULL while empty */
	size_t len; /* bytes, without the NUL */
	size_t room;
	bool failed;
};

void og_text_done(struct og_text *text);
#define og_auto_text og_cleanup(og_text_done) struct og_text

void og_text_add(struct og_text *text, const char *more);
void og_text_add_bytes(struct og_text *text, const void *more, size_t len);
void og_text_addf(struct og_text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Where up to @len more bytes may be written, of which og_text_wrote() tells then; NULL when memory ran out.
 * For what is written a letter at a time, in many millions.
 */
char *og_text_room(struct og_text *text, size_t len);
void og_text_wrote(struct og_text *text, const char *end);

/* Makes it empty and keeps its memory. */
void og_text_clear(struct og_text *text);

/* Takes the first @len bytes of it away, of at most as many as there are. */
void og_text_cut(struct og_text *text, size_t len);

/* Hands the buffer over ("" if nothing was added), NULL when memory ran out; @text is empty after. */
char *og_text_take(struct og_text *text);

/*
 * Reads the whole of @text as a decimal number from @min to @max. No sign for the unsigned one,
 * no blanks, no other base. Returns 0, -EINVAL (no number) or -ERANGE.
 */
int og_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value);
int og_parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret_value);

bool og_starts_with(const char *text, const char *prefix);
bool og_ends_with(const char *text, const char *suffix);

/* Is @word one of @words, which have a blank between them? */
bool og_has_word(const char *words, const char *word);

static inline bool og_streq(const char *a, const char *b)
{
	return __builtin_strcmp(a, b) == 0;
}

/* printf into new memory, the caller's to free; NULL when memory ran out. */
char *og_strdupf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Frees a NULL-terminated array of strings and the array. Accepts NULL, returns NULL. */
char **og_strv_free(char **strv);
OG_DEFINE_CLEANUP(char *, og_strv_free)
