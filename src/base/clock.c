/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* Exactly @digits digits at @at, and @after; returns what is behind. */
static char *give_number(char *at, int digits, long value, char after)
{
	for (int i = digits; i-- > 0; value /= 10)
		at[i] = (char)('0' + (value > 0 ? value % 10 : 0));
	at[digits] = after;
	return at + digits + 1;
}

/* Not by strftime(), which brings all that reads time zones into a static program: 6 KB. */
void og_clock_format(const struct timespec *moment, char ret_text[OG_CLOCK_TEXT_BYTES])
{
	struct tm tm = {};
	char *at = ret_text;

	(void)gmtime_r(&moment->tv_sec, &tm);
	at = give_number(at, 4, tm.tm_year + 1900L, '-');
	at = give_number(at, 2, tm.tm_mon + 1L, '-');
	at = give_number(at, 2, tm.tm_mday, 'T');
	at = give_number(at, 2, tm.tm_hour, ':');
	at = give_number(at, 2, tm.tm_min, ':');
	at = give_number(at, 2, tm.tm_sec, '.');
	at = give_number(at, 9, moment->tv_nsec, 'Z');
	*at = '\0';
}

void og_clock_now(char ret_text[OG_CLOCK_TEXT_BYTES])
{
	struct timespec now = {};

	(void)clock_gettime(CLOCK_REALTIME, &now);
	og_clock_format(&now, ret_text);
}

/* Reads exactly @digits digits at *@at. */
static int take_number(const char **at, int digits, int *ret_value)
{
	int value = 0;

	for (int i = 0; i < digits; i++, (*at)++) {
		if (!isdigit((unsigned char)**at))
			return -EINVAL;
		value = value * 10 + (**at - '0');
	}
	*ret_value = value;
	return 0;
}

static int take_char(const char **at, const char *any_of)
{
	if (**at == '\0' || strchr(any_of, **at) == NULL)
		return -EINVAL;
	return (unsigned char)*(*at)++;
}

static long take_fraction(const char **at)
{
	long nanoseconds = 0;
	long unit = 100000000;

	for (; isdigit((unsigned char)**at); (*at)++, unit /= 10)
		nanoseconds += (**at - '0') * unit;
	return nanoseconds;
}

/* "Z" or "+hh:mm": seconds to take away. */
static int take_offset(const char **at, long *ret_seconds)
{
	int sign = take_char(at, "Zz+-");
	int hours = 0;
	int minutes = 0;

	if (sign < 0)
		return sign;
	if (sign == 'Z' || sign == 'z') {
		*ret_seconds = 0;
		return 0;
	}
	if (take_number(at, 2, &hours) < 0 || take_char(at, ":") < 0 ||
	    take_number(at, 2, &minutes) < 0 || hours > 23 || minutes > 59)
		return -EINVAL;
	*ret_seconds = (sign == '-' ? -1L : 1L) * (hours * 3600L + minutes * 60L);
	return 0;
}

static int take_date_and_time(const char **at, struct tm *tm)
{
	if (take_number(at, 4, &tm->tm_year) < 0 || take_char(at, "-") < 0 ||
	    take_number(at, 2, &tm->tm_mon) < 0 || take_char(at, "-") < 0 ||
	    take_number(at, 2, &tm->tm_mday) < 0 || take_char(at, "Tt ") < 0 ||
	    take_number(at, 2, &tm->tm_hour) < 0 || take_char(at, ":") < 0 ||
	    take_number(at, 2, &tm->tm_min) < 0 || take_char(at, ":") < 0 ||
	    take_number(at, 2, &tm->tm_sec) < 0)
		return -EINVAL;
	if (tm->tm_year < 1 || tm->tm_mon < 1 || tm->tm_mon > 12 || tm->tm_mday < 1 ||
	    tm->tm_mday > 31 || tm->tm_hour > 23 || tm->tm_min > 59 || tm->tm_sec > 60)
		return -EINVAL;
	tm->tm_year -= 1900;
	tm->tm_mon -= 1;
	return 0;
}

int og_clock_parse(const char *text, struct timespec *ret_moment)
{
	struct tm tm = {};
	long nanoseconds = 0;
	long offset = 0;

	if (take_date_and_time(&text, &tm) < 0)
		return -EINVAL;
	if (*text == '.') {
		text++;
		if (!isdigit((unsigned char)*text))
			return -EINVAL;
		nanoseconds = take_fraction(&text);
	}
	if (take_offset(&text, &offset) < 0 || *text != '\0')
		return -EINVAL;
	*ret_moment = (struct timespec){ .tv_sec = timegm(&tm) - offset, .tv_nsec = nanoseconds };
	return 0;
}

uint64_t og_clock_ms(void)
{
	struct timespec now = {};

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
