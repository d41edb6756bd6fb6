/* SPDX-License-Identifier: Apache-2.0 */
#include "format/http_range.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* Digits at @text; what is above 2^64 - 1 counts as that. NULL: there are none. */
static const char *read_number(const char *text, uint64_t *ret_value)
{
	uint64_t value = 0;
	const char *at = text;

	for (; *at >= '0' && *at <= '9'; at++) {
		uint64_t digit = (uint64_t)(*at - '0');

		value = value > (UINT64_MAX - digit) / 10 ? UINT64_MAX : value * 10 + digit;
	}
	*ret_value = value;
	return at == text ? NULL : at;
}

static const char *skip_blanks(const char *text)
{
	return text + strspn(text, " \t");
}

/* "-LEN": the last bytes. */
static enum og_range_kind suffix(const char *text, uint64_t size, uint64_t *ret_first,
				 uint64_t *ret_len)
{
	uint64_t len;
	const char *end = read_number(text, &len);

	if (end == NULL || *skip_blanks(end) != '\0')
		return OG_RANGE_WHOLE;
	if (len == 0 || size == 0)
		return OG_RANGE_NONE;
	*ret_len = len < size ? len : size;
	*ret_first = size - *ret_len;
	return OG_RANGE_PART;
}

enum og_range_kind og_http_range(const char *header, uint64_t size, uint64_t *ret_first,
				 uint64_t *ret_len)
{
	uint64_t first, last = UINT64_MAX;
	const char *at;

	*ret_first = 0;
	*ret_len = size;
	if (header == NULL || strncasecmp(header, "bytes=", 6) != 0)
		return OG_RANGE_WHOLE;
	at = skip_blanks(header + 6);
	if (*at == '-')
		return suffix(at + 1, size, ret_first, ret_len);
	at = read_number(at, &first);
	if (at == NULL || *at != '-')
		return OG_RANGE_WHOLE;
	at = skip_blanks(at + 1);
	if (*at != '\0') {
		at = read_number(at, &last);
		if (at == NULL || *skip_blanks(at) != '\0' || last < first)
			return OG_RANGE_WHOLE;
	}
	if (first >= size)
		return OG_RANGE_NONE;
	*ret_first = first;
	*ret_len = last >= size - 1 ? size - first : last - first + 1;
	return OG_RANGE_PART;
}

int og_upload_range_parse(const char *header, uint64_t *ret_first, uint64_t *ret_last)
{
	uint64_t first, last;
	const char *at = read_number(header, &first);

	if (at == NULL || *at != '-')
		return -EINVAL;
	at = read_number(at + 1, &last);
	if (at == NULL || *at != '\0' || last < first || last >= INT64_MAX)
		return -EINVAL;
	*ret_first = first;
	*ret_last = last;
	return 0;
}
