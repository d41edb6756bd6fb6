/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/http_head.h"

/* Extensions and trailers of a whole body: nobody sends any, and nothing here reads them. */
#define EXTRA_MAX 8192U

/* 2^60 bytes are more than anybody has; the sum of no two lengths overflows. */
#define DIGITS_MAX 15U

enum state {
	SIZE, /* hexadecimal digits */
	EXTENSION,
	SIZE_LF,
	CONTENT,
	CONTENT_LF,
	TRAILER_START, /* of a line */
	TRAILER,
	TRAILER_LF,
	END_LF,
};

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Of a line that nobody reads; @next: the state behind its CR. */
static int skip_text(struct og_http_chunks *chunks, char c, enum state next)
{
	if (c == '\r')
		chunks->state = next;
	else if (((unsigned char)c < ' ' && c != '\t') || c == 0x7f || ++chunks->extra > EXTRA_MAX)
		return -EBADMSG;
	return 0;
}

static int take_size(struct og_http_chunks *chunks, char c)
{
	int value = hex_value(c);

	if (value >= 0) {
		chunks->left = chunks->left << 4 | (uint64_t)value;
		return ++chunks->digits > DIGITS_MAX ? -EBADMSG : 0;
	}
	if (chunks->digits == 0 || (c != '\r' && c != ';' && c != ' ' && c != '\t'))
		return -EBADMSG;
	chunks->state = EXTENSION;
	return skip_text(chunks, c, SIZE_LF);
}

/* The bytes that may stand in one way only. */
static int take_fixed(struct og_http_chunks *chunks, char c)
{
	static const struct {
		char wanted;
		enum state next;
	} rules[] = {
		[SIZE_LF] = { '\n', CONTENT }, [CONTENT] = { '\r', CONTENT_LF },
		[CONTENT_LF] = { '\n', SIZE }, [TRAILER_LF] = { '\n', TRAILER_START },
		[END_LF] = { '\n', END_LF },
	};

	int state = chunks->state;

	if (c != rules[state].wanted)
		return -EBADMSG;
	chunks->state = rules[state].next;
	if (state == SIZE_LF && chunks->left == 0)
		chunks->state = TRAILER_START;
	chunks->digits = 0;
	chunks->done = state == END_LF;
	return 0;
}

static int take(struct og_http_chunks *chunks, char c)
{
	switch ((enum state)chunks->state) {
	case SIZE:
		return take_size(chunks, c);
	case EXTENSION:
		return skip_text(chunks, c, SIZE_LF);
	case TRAILER_START:
		chunks->state = TRAILER;
		return skip_text(chunks, c, END_LF);
	case TRAILER:
		return skip_text(chunks, c, TRAILER_LF);
	case SIZE_LF:
	case CONTENT:
	case CONTENT_LF:
	case TRAILER_LF:
	case END_LF:
	default:
		return take_fixed(chunks, c);
	}
}

ptrdiff_t og_http_chunks_skip(struct og_http_chunks *chunks, const char *buf, size_t len)
{
	size_t at = 0;

	while (at < len && !chunks->done && (chunks->state != CONTENT || chunks->left == 0)) {
		int r = take(chunks, buf[at++]);

		if (r < 0)
			return r;
	}
	return (ptrdiff_t)at;
}
