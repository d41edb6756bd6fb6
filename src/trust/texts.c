/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/texts.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "trust/builder.h"

#define PIECE_BYTES (64U << 10)

struct piece {
	struct piece *next;
	char bytes[];
};

struct og_texts {
	struct piece *pieces; /* owned; the newest first */
	size_t used, room;    /* of the newest */
	size_t bytes;	      /* of all */
};

struct og_texts *og_texts_new(void)
{
	return calloc(1, sizeof(struct og_texts));
}

struct og_texts *og_texts_free(struct og_texts *texts)
{
	while (texts != NULL && texts->pieces != NULL) {
		struct piece *next = texts->pieces->next;

		free(texts->pieces);
		texts->pieces = next;
	}
	free(texts);
	return NULL;
}

int og_texts_join(struct og_texts *texts, struct og_texts *more)
{
	struct piece *last = more->pieces;

	while (last != NULL && last->next != NULL)
		last = last->next;
	if (last == NULL)
		return 0;
	if (texts->bytes + more->bytes > OG_INVENTORY_TEXTS_MAX)
		return -E2BIG;
	/* Behind the newest, in which there is room. */
	if (texts->pieces != NULL) {
		last->next = texts->pieces->next;
		texts->pieces->next = more->pieces;
	} else {
		texts->pieces = more->pieces;
	}
	texts->bytes += more->bytes;
	*more = (struct og_texts){};
	return 0;
}

static char *take(struct og_texts *texts, size_t bytes)
{
	if (bytes > texts->room - texts->used) {
		size_t room = bytes > PIECE_BYTES ? bytes : PIECE_BYTES;
		struct piece *piece;

		if (texts->bytes + room > OG_INVENTORY_TEXTS_MAX)
			return NULL;
		piece = malloc(sizeof(*piece) + room);
		if (piece == NULL)
			return NULL;
		piece->next = texts->pieces;
		texts->pieces = piece;
		texts->bytes += room;
		texts->room = room;
		texts->used = 0;
	}
	texts->used += bytes;
	return texts->pieces->bytes + texts->used - bytes;
}

/* How many bytes the UTF-8 character at @at has (RFC 3629), 0 for what is none. */
static size_t utf8_length(const uint8_t *at, size_t len)
{
	size_t count = at[0] < 0x80   ? 1
		       : at[0] < 0xc2 ? 0
		       : at[0] < 0xe0 ? 2
		       : at[0] < 0xf0 ? 3
				      : 4;

	if (at[0] > 0xf4 || count > len)
		return 0;
	for (size_t i = 1; i < count; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
	    (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
		return 0;
	return count;
}

const char *og_texts_add(struct og_texts *texts, struct og_span span)
{
	size_t len = span.len > OG_INVENTORY_TEXT_MAX ? OG_INVENTORY_TEXT_MAX : span.len;
	const uint8_t *in = (const uint8_t *)span.at;
	char *out;

	if (len == 0)
		return "";
	out = take(texts, len + 1);
	if (out == NULL)
		return NULL;
	for (size_t at = 0; at < len;) {
		size_t count = utf8_length(in + at, len - at);

		if (count == 0)
			out[at] = '?';
		else if (in[at] < 0x20 || in[at] == 0x7f)
			out[at] = ' ';
		else
			memcpy(out + at, in + at, count);
		at += count > 0 ? count : 1;
	}
	out[len] = '\0';
	return out;
}
