/* SPDX-License-Identifier: Apache-2.0 */
#include "base/http_head.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* 20 digits fill 64 bits. */
#define NUMBER_DIGITS_MAX 19

/* RFC 9110, section 5.6.2. */
static bool is_token(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_visible(char c)
{
	return (unsigned char)c > ' ' && c != 0x7f;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

ptrdiff_t og_http_head_length(const char *buf, size_t len, size_t from)
{
	const char *at, *newline;

	if (len == 0)
		return 0;
	at = buf + (from > 3 ? from - 3 : 0);
	while ((newline = memchr(at, '\n', (size_t)(buf + len - at))) != NULL) {
		if (newline == buf || newline[-1] != '\r')
			return -EBADMSG;
		at = newline + 1;
		if (newline - buf >= 3 && newline[-2] == '\n' && newline[-3] == '\r')
			return at - buf;
	}
	return 0;
}

/* The word at the front, up to a blank that is passed over. */
static bool take_word(struct og_http_head *head, bool (*good)(char c),
		      struct og_http_text *ret_word)
{
	const char *at = head->at;

	while (at < head->end && good(*at))
		at++;
	*ret_word = (struct og_http_text){ .at = head->at, .len = (size_t)(at - head->at) };
	if (ret_word->len == 0 || at == head->end || *at != ' ')
		return false;
	head->at = at + 1;
	return true;
}

const char *og_http_head_start(struct og_http_head *head, const char *buf, size_t len)
{
	*head = (struct og_http_head){ .at = buf, .end = buf + len };
	if (!take_word(head, is_token, &head->method))
		return "Invalid HTTP method.";
	if (!take_word(head, is_visible, &head->target))
		return "Invalid URI.";
	if (head->end - head->at < 10 || memcmp(head->at, "HTTP/1.", 7) != 0 ||
	    (head->at[7] != '0' && head->at[7] != '1') || memcmp(head->at + 8, "\r\n", 2) != 0)
		return "Unsupported HTTP version.";
	head->minor = head->at[7] - '0';
	head->at += 10;
	return NULL;
}

int og_http_head_next(struct og_http_head *head, struct og_http_text *ret_name,
		      struct og_http_text *ret_value)
{
	const char *at = head->at;
	const char *value;

	while (at < head->end && is_token(*at))
		at++;
	*ret_name = (struct og_http_text){ .at = head->at, .len = (size_t)(at - head->at) };
	if (ret_name->len == 0)
		return head->end - at == 2 && memcmp(at, "\r\n", 2) == 0 ? 0 : -EBADMSG;
	if (at == head->end || *at != ':')
		return -EBADMSG;
	for (at++; at < head->end && is_blank(*at); at++)
		;
	value = at;
	while (at < head->end && (is_visible(*at) || is_blank(*at)))
		at++;
	if (head->end - at < 2 || memcmp(at, "\r\n", 2) != 0)
		return -EBADMSG;
	head->at = at + 2;
	while (at > value && is_blank(at[-1]))
		at--;
	*ret_value = (struct og_http_text){ .at = value, .len = (size_t)(at - value) };
	return 1;
}

bool og_http_text_is(struct og_http_text text, const char *word)
{
	return strlen(word) == text.len && strncasecmp(text.at, word, text.len) == 0;
}

bool og_http_text_number(struct og_http_text text, uint64_t *ret_number)
{
	uint64_t number = 0;

	if (text.len == 0 || text.len > NUMBER_DIGITS_MAX)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		number = number * 10 + (uint64_t)(text.at[i] - '0');
	}
	*ret_number = number;
	return true;
}
