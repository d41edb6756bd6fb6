/* SPDX-License-Identifier: Apache-2.0 */
#include "format/number_list.h"

#include <errno.h>
#include <string.h>

/* Digits at *@at, which moves behind them. No real number has more than five. */
static int read_number(const char **at, size_t max, size_t *ret_number)
{
	size_t digits = strspn(*at, "0123456789");
	size_t number = 0;

	if (digits == 0)
		return -EINVAL;
	for (size_t i = 0; i < digits; i++) {
		number = number * 10 + (size_t)((*at)[i] - '0');
		if (number >= max)
			return -ERANGE;
	}
	*at += digits;
	*ret_number = number;
	return 0;
}

static int read_range(const char **at, size_t max, struct og_number_list *list)
{
	size_t first;
	size_t last;
	int r = read_number(at, max, &first);

	if (r < 0)
		return r;
	last = first;
	if (**at == '-') {
		(*at)++;
		r = read_number(at, max, &last);
	}
	if (r == 0 && last < first)
		r = -EINVAL;
	for (size_t i = first; r == 0 && i <= last; i++)
		list->words[i / 64] |= UINT64_C(1) << i % 64;
	return r;
}

int og_number_list_read(const char *text, size_t max, struct og_number_list *ret_list)
{
	struct og_number_list list = {};
	const char *at = text;
	int r = 0;

	while (r == 0 && text[0] != '\0') {
		r = read_range(&at, max, &list);
		if (r == 0 && *at == '\0')
			break;
		if (r == 0 && *at++ != ',')
			r = -EINVAL;
	}
	if (r == 0)
		*ret_list = list;
	return r;
}
