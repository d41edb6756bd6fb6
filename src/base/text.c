/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void og_text_done(struct og_text *text)
{
	free(text->buf);
	*text = (struct og_text){};
}

static bool text_reserve(struct og_text *text, size_t more)
{
	size_t wanted = text->len + more + 1;
	size_t room = text->room == 0 ? 64 : text->room;
	char *moved;

	if (text->failed)
		return false;
	if (wanted <= text->room)
		return true;
	while (room < wanted)
		room *= 2;
	moved = realloc(text->buf, room);
	if (moved == NULL) {
		text->failed = true;
		return false;
	}
	text->buf = moved;
	text->room = room;
	return true;
}

void og_text_add_bytes(struct og_text *text, const void *more, size_t len)
{
	/* With room for the NUL: true of all but a few, and of many millions. */
	if (len >= text->room - text->len && !text_reserve(text, len))
		return;
	memcpy(text->buf + text->len, more, len);
	text->len += len;
	text->buf[text->len] = '\0';
}

char *og_text_room(struct og_text *text, size_t len)
{
	if (len >= text->room - text->len && !text_reserve(text, len))
		return NULL;
	return text->buf + text->len;
}

void og_text_wrote(struct og_text *text, const char *end)
{
	text->len = (size_t)(end - text->buf);
	text->buf[text->len] = '\0';
}

void og_text_add(struct og_text *text, const char *more)
{
	og_text_add_bytes(text, more, strlen(more));
}

void og_text_addf(struct og_text *text, const char *fmt, ...)
{
	va_list ap;
	int len;

	/* Most of what is short fits at once. */
	if (!text_reserve(text, 32))
		return;
	va_start(ap, fmt);
	len = vsnprintf(text->buf + text->len, text->room - text->len, fmt, ap);
	va_end(ap);
	if (len < 0) {
		text->failed = true;
		return;
	}
	if ((size_t)len >= text->room - text->len) {
		text->buf[text->len] = '\0';
		if (!text_reserve(text, (size_t)len))
			return;
		va_start(ap, fmt);
		(void)vsnprintf(text->buf + text->len, (size_t)len + 1, fmt, ap);
		va_end(ap);
	}
	text->len += (size_t)len;
}

void og_text_clear(struct og_text *text)
{
	text->len = 0;
	if (text->buf != NULL)
		text->buf[0] = '\0';
}

void og_text_cut(struct og_text *text, size_t len)
{
	if (len == 0)
		return;
	text->len -= len;
	memmove(text->buf, text->buf + len, text->len + 1);
}

char *og_text_take(struct og_text *text)
{
	char *taken;

	og_text_add_bytes(text, "", 0);
	taken = text->failed ? NULL : og_take_ptr(text->buf);
	og_text_done(text);
	return taken;
}

int og_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value)
{
	unsigned long long value;
	char *end = NULL;

	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (*end != '\0')
		return -EINVAL;
	if (errno == ERANGE || value < min || value > max)
		return -ERANGE;
	*ret_value = value;
	return 0;
}

int og_parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret_value)
{
	long long value;
	char *end = NULL;

	if (!isdigit((unsigned char)text[text[0] == '-' ? 1 : 0]))
		return -EINVAL;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (*end != '\0')
		return -EINVAL;
	if (errno == ERANGE || value < min || value > max)
		return -ERANGE;
	*ret_value = value;
	return 0;
}

bool og_starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool og_ends_with(const char *text, const char *suffix)
{
	size_t text_len = strlen(text);
	size_t suffix_len = strlen(suffix);

	return text_len >= suffix_len && og_streq(text + text_len - suffix_len, suffix);
}

char *og_strdupf(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vasprintf(&text, fmt, ap);
	va_end(ap);
	return len < 0 ? NULL : text;
}

char **og_strv_free(char **strv)
{
	if (strv == NULL)
		return NULL;
	for (char **at = strv; *at != NULL; at++)
		free(*at);
	free(strv);
	return NULL;
}

bool og_has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	while (*words != '\0') {
		size_t here = strcspn(words, " ");

		if (here == len && memcmp(words, word, len) == 0)
			return true;
		words += here + (words[here] == ' ');
	}
	return false;
}
