/* SPDX-License-Identifier: Apache-2.0 */
#include "format/package_entry.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

struct og_span og_span_trim(struct og_span span)
{
	while (span.len > 0 && is_blank(span.at[0])) {
		span.at++;
		span.len--;
	}
	while (span.len > 0 && is_blank(span.at[span.len - 1]))
		span.len--;
	return span;
}

bool og_span_line(struct og_span *rest, struct og_span *ret_line)
{
	const char *end;
	size_t len;

	if (rest->len == 0)
		return false;
	end = memchr(rest->at, '\n', rest->len);
	len = end != NULL ? (size_t)(end - rest->at) : rest->len;
	*ret_line = (struct og_span){ rest->at, len };
	rest->at += end != NULL ? len + 1 : len;
	rest->len -= end != NULL ? len + 1 : len;
	return true;
}

bool og_span_cut(struct og_span span, char separator, struct og_span *ret_head,
		 struct og_span *ret_tail)
{
	const char *at = span.len > 0 ? memchr(span.at, separator, span.len) : NULL;
	size_t len;

	if (at == NULL)
		return false;
	len = (size_t)(at - span.at);
	*ret_head = (struct og_span){ span.at, len };
	*ret_tail = (struct og_span){ at + 1, span.len - len - 1 };
	return true;
}
