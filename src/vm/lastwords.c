/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/lastwords.h"

#include <string.h>

#include "base/text.h"

/* What tells more than the line that happened to be the last. */
static const char *const telling[] = { "Kernel panic - not syncing:", "onggi-init: " };

void og_last_words_add(struct og_last_words *words, const char *bytes, size_t len)
{
	size_t keep;

	if (len >= sizeof(words->text)) {
		bytes += len - sizeof(words->text);
		len = sizeof(words->text);
	}
	keep = words->len;
	if (keep > sizeof(words->text) - len) {
		keep = sizeof(words->text) - len;
		memmove(words->text, words->text + words->len - keep, keep);
	}
	memcpy(words->text + keep, bytes, len);
	words->len = keep + len;
}

/* "[    1.234567] text" -> "text" */
static const char *without_time(const char *at, const char *end)
{
	const char *bracket;

	if (at == end || *at != '[')
		return at;
	bracket = memchr(at, ']', (size_t)(end - at));
	if (bracket == NULL || bracket + 1 == end || bracket[1] != ' ')
		return at;
	return bracket + 2;
}

static void take_line(const char *at, const char *end, char *line, size_t size)
{
	size_t len = 0;

	for (at = without_time(at, end); at < end && len + 1 < size; at++)
		line[len++] = *at < ' ' || *at > '~' ? '?' : *at;
	line[len] = '\0';
}

static bool tells(const char *at, const char *end)
{
	for (size_t i = 0; i < sizeof(telling) / sizeof(telling[0]); i++) {
		if (memmem(at, (size_t)(end - at), telling[i], strlen(telling[i])) != NULL)
			return true;
	}
	return false;
}

void og_last_words_line(const struct og_last_words *words, char *line, size_t size)
{
	const char *stop = words->text + words->len;
	bool telling_one = false;

	line[0] = '\0';
	for (const char *at = words->text; at < stop;) {
		const char *newline = memchr(at, '\n', (size_t)(stop - at));
		const char *next = newline != NULL ? newline + 1 : stop;
		const char *end = newline != NULL ? newline : stop;

		if (end > at && end[-1] == '\r')
			end--;
		if (end > at && tells(at, end)) {
			take_line(at, end, line, size);
			telling_one = true;
		} else if (end > at && !telling_one) {
			take_line(at, end, line, size);
		}
		at = next;
	}
}
