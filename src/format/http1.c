/* SPDX-License-Identifier: Apache-2.0 */
#include "format/http1.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* A chunk's size line with extensions, or a trailer: nobody sends long ones. */
#define LINE_MAX_BYTES 4096U

enum chunk_state {
	CHUNK_SIZE,	 /* hexadecimal digits */
	CHUNK_EXTENSION, /* the rest of that line */
	CHUNK_DATA,
	CHUNK_DATA_END, /* CR LF behind the data */
	TRAILER_START,	/* of a line, after the last chunk */
	TRAILER_LINE,
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "HTTP/1.1 200 OK" */
static int parse_status(const char *line, size_t len, struct og_http1_head *head)
{
	if (len < 12 || memcmp(line, "HTTP/1.", 7) != 0 || !is_digit(line[7]) || line[8] != ' ' ||
	    !is_digit(line[9]) || !is_digit(line[10]) || !is_digit(line[11]))
		return -EBADMSG;
	if (len > 12 && line[12] != ' ')
		return -EBADMSG;
	head->status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
	return head->status >= 100 && head->status < 600 ? 0 : -EBADMSG;
}

static int parse_length(const char *value, size_t len, struct og_http1_head *head)
{
	int64_t length = 0;

	if (len == 0)
		return -EBADMSG;
	for (size_t i = 0; i < len; i++) {
		if (!is_digit(value[i]) || length > (INT64_MAX - 9) / 10)
			return -EBADMSG;
		length = length * 10 + (value[i] - '0');
	}
	if (head->content_length >= 0 && head->content_length != length)
		return -EBADMSG;
	head->content_length = length;
	return 0;
}

static bool is_name(const char *name, size_t len, const char *wanted)
{
	return len == strlen(wanted) && strncasecmp(name, wanted, len) == 0;
}

static int parse_header(const char *line, size_t len, struct og_http1_head *head)
{
	const char *colon = memchr(line, ':', len);
	size_t name_len = colon != NULL ? (size_t)(colon - line) : 0;
	const char *value = colon + 1;
	size_t value_len;

	if (name_len == 0 || memchr(line, ' ', name_len) != NULL ||
	    memchr(line, '\t', name_len) != NULL)
		return -EBADMSG; /* also a folded line: its name would be empty or have a blank */
	value_len = len - name_len - 1;
	for (; value_len > 0 && (*value == ' ' || *value == '\t'); value++)
		value_len--;
	while (value_len > 0 && (value[value_len - 1] == ' ' || value[value_len - 1] == '\t'))
		value_len--;

	if (is_name(line, name_len, "content-length"))
		return parse_length(value, value_len, head);
	if (is_name(line, name_len, "transfer-encoding")) {
		if (!is_name(value, value_len, "chunked"))
			return -EBADMSG;
		head->chunked = true;
	}
	if (is_name(line, name_len, "content-type")) {
		const char *end = memchr(value, ';', value_len);
		size_t keep = end != NULL ? (size_t)(end - value) : value_len;

		(void)snprintf(head->content_type, sizeof(head->content_type), "%.*s", (int)keep,
			       value);
	}
	return 0;
}

ptrdiff_t og_http1_parse_head(const char *buf, size_t len, struct og_http1_head *ret_head)
{
	struct og_http1_head head = { .content_length = -1 };
	size_t window = len < OG_HTTP1_HEAD_MAX ? len : OG_HTTP1_HEAD_MAX;
	size_t at = 0;

	for (int line = 0;; line++) {
		const char *newline = memchr(buf + at, '\n', window - at);
		size_t line_len;
		int r;

		if (newline == NULL)
			return len >= OG_HTTP1_HEAD_MAX ? -E2BIG : 0;
		line_len = (size_t)(newline - (buf + at));
		if (line_len > 0 && buf[at + line_len - 1] == '\r')
			line_len--;
		if (memchr(buf + at, '\0', line_len) != NULL)
			return -EBADMSG;
		if (line > 0 && line_len == 0) {
			at = (size_t)(newline - buf) + 1;
			break;
		}
		r = line == 0 ? parse_status(buf + at, line_len, &head)
			      : parse_header(buf + at, line_len, &head);
		if (r < 0)
			return r;
		at = (size_t)(newline - buf) + 1;
	}
	if (head.chunked && head.content_length >= 0)
		return -EBADMSG;
	*ret_head = head;
	return (ptrdiff_t)at;
}

void og_http1_body_start(struct og_http1_body *body, const struct og_http1_head *head, bool is_head)
{
	*body = (struct og_http1_body){ .framing = OG_HTTP1_UNTIL_CLOSE };
	if (is_head || head->status < 200 || head->status == 204 || head->status == 304) {
		body->framing = OG_HTTP1_LENGTH;
		body->done = true;
	} else if (head->chunked) {
		body->framing = OG_HTTP1_CHUNKED;
	} else if (head->content_length >= 0) {
		body->framing = OG_HTTP1_LENGTH;
		body->left = (uint64_t)head->content_length;
		body->done = body->left == 0;
	}
}

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if ((c | 32) >= 'a' && (c | 32) <= 'f')
		return (c | 32) - 'a' + 10;
	return -1;
}

static int end_size_line(struct og_http1_body *body)
{
	body->state = body->left > 0 ? CHUNK_DATA : TRAILER_START;
	body->line_len = 0;
	return 0;
}

static int take_size(struct og_http1_body *body, char c)
{
	int value = hex_value(c);

	if (value < 0) {
		if (body->line_len == 0)
			return -EBADMSG;
		if (c == '\n')
			return end_size_line(body);
		if (c != '\r' && c != ';' && c != ' ' && c != '\t')
			return -EBADMSG;
		body->state = CHUNK_EXTENSION;
		return 0;
	}
	if (body->left > (UINT64_MAX >> 8))
		return -EBADMSG;
	body->left = body->left << 4 | (uint64_t)value;
	return 0;
}

/* One byte that is no content. */
static int take_byte(struct og_http1_body *body, char c)
{
	int r = 0;

	if (body->line_len > LINE_MAX_BYTES)
		return -EBADMSG;
	switch (body->state) {
	case CHUNK_SIZE:
		r = take_size(body, c);
		break;
	case CHUNK_EXTENSION:
		if (c == '\n')
			return end_size_line(body);
		break;
	case CHUNK_DATA_END:
		if (c == '\n') {
			body->state = CHUNK_SIZE;
			body->line_len = 0;
			return 0;
		}
		r = c == '\r' && body->line_len == 0 ? 0 : -EBADMSG;
		break;
	case TRAILER_START:
		if (c == '\n') {
			body->done = true;
			return 0;
		}
		if (c != '\r')
			body->state = TRAILER_LINE;
		break;
	default:
		if (c == '\n') {
			body->state = TRAILER_START;
			body->line_len = 0;
			return 0;
		}
		break;
	}
	body->line_len++;
	return r;
}

static ptrdiff_t next_chunked(struct og_http1_body *body, const char *buf, size_t len,
			      const char **ret_part, size_t *ret_part_len)
{
	size_t take;

	if (body->state != CHUNK_DATA) {
		size_t at = 0;

		while (at < len && body->state != CHUNK_DATA && !body->done) {
			int r = take_byte(body, buf[at++]);

			if (r < 0)
				return r;
		}
		return (ptrdiff_t)at;
	}
	take = len < body->left ? len : (size_t)body->left;
	*ret_part = buf;
	*ret_part_len = take;
	body->left -= take;
	if (body->left == 0) {
		body->state = CHUNK_DATA_END;
		body->line_len = 0;
	}
	return (ptrdiff_t)take;
}

ptrdiff_t og_http1_body_next(struct og_http1_body *body, const char *buf, size_t len,
			     const char **ret_part, size_t *ret_part_len)
{
	*ret_part = buf;
	*ret_part_len = 0;
	if (body->done)
		return 0;
	if (body->framing == OG_HTTP1_CHUNKED)
		return next_chunked(body, buf, len, ret_part, ret_part_len);
	if (body->framing == OG_HTTP1_LENGTH) {
		len = len < body->left ? len : (size_t)body->left;
		body->left -= len;
		body->done = body->left == 0;
	}
	*ret_part_len = len;
	return (ptrdiff_t)len;
}

int og_http1_body_close(struct og_http1_body *body)
{
	if (body->framing == OG_HTTP1_UNTIL_CLOSE)
		body->done = true;
	return body->done ? 0 : -ECONNRESET;
}
