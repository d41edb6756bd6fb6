/* SPDX-License-Identifier: Apache-2.0 */
#include "format/challenge.h"

#include <errno.h>
#include <string.h>

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define HEADER	    "WWW-Authenticate"

/* token of RFC 9110, section 5.6.2; token68's further characters are not needed here. */
static size_t token_len(const char *text)
{
	return strspn(text, "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "abcdefghijklmnopqrstuvwxyz");
}

static const char *skip_blanks(const char *at)
{
	return at + strspn(at, " \t");
}

static const char *skip_commas(const char *at)
{
	return at + strspn(at, " \t,");
}

static bool is_word(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && strncasecmp(text, word, len) == 0;
}

/* Reads a token or a quoted string at *@at into @value. */
static int read_value(const char **at, char value[OG_CHALLENGE_FIELD_MAX + 1], struct og_err *err)
{
	const char *p = *at;
	bool quoted = *p == '"';
	size_t len = 0, bare = token_len(p);

	if (quoted)
		p++;
	else if (bare == 0)
		return og_fail_plain(err, -EBADMSG, HEADER ": a value is missing");
	while (quoted ? *p != '"' : bare-- > 0) {
		if (quoted && *p == '\\')
			p++;
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return og_fail_plain(err, -EBADMSG,
					     HEADER ": an open quote or bad character");
		if (len == OG_CHALLENGE_FIELD_MAX)
			return og_fail_plain(err, -E2BIG, HEADER ": a value is over %d characters",
					     OG_CHALLENGE_FIELD_MAX);
		value[len++] = *p++;
	}
	value[len] = '\0';
	*at = quoted ? p + 1 : p;
	return 0;
}

/* Is there "name = value" at @at, rather than the next scheme? */
static bool is_parameter(const char *at)
{
	size_t len = token_len(at);

	return len > 0 && *skip_blanks(at + len) == '=';
}

static int read_parameters(const char **at, struct og_challenge *into, struct og_err *err)
{
	const struct {
		const char *name;
		char *value;
	} fields[] = { { "realm", into->realm },
		       { "service", into->service },
		       { "scope", into->scope } };

	char value[OG_CHALLENGE_FIELD_MAX + 1];

	for (*at = skip_blanks(*at); is_parameter(*at); *at = skip_commas(*at)) {
		const char *name = *at;
		size_t len = token_len(name);
		int r;

		*at = skip_blanks(skip_blanks(name + len) + 1);
		r = read_value(at, value, err);
		if (r < 0)
			return r;
		*at = skip_blanks(*at);
		if (**at != ',' && **at != '\0')
			return og_fail_plain(err, -EBADMSG, HEADER ": a comma is missing");
		for (size_t i = 0; i < COUNT_OF(fields); i++)
			if (is_word(name, len, fields[i].name))
				memcpy(fields[i].value, value, sizeof(value));
	}
	return 0;
}

int og_challenge_parse(const char *value, struct og_challenge *challenge, struct og_err *err)
{
	struct og_challenge result = *challenge;
	const char *at = skip_commas(value);

	while (*at != '\0') {
		struct og_challenge one = {};
		const char *scheme = at;
		size_t len = token_len(at);
		int r;

		if (len == 0 ||
		    (at[len] != ' ' && at[len] != '\t' && at[len] != ',' && at[len] != '\0'))
			return og_fail_plain(err, -EBADMSG, HEADER ": bad scheme");
		at += len;
		r = read_parameters(&at, &one, err);
		if (r < 0)
			return r;
		at = skip_commas(at);
		if (is_word(scheme, len, "Basic"))
			result.basic = true;
		if (is_word(scheme, len, "Bearer") && !result.bearer && one.realm[0] != '\0') {
			one.basic = result.basic;
			one.bearer = true;
			result = one;
		}
	}
	*challenge = result;
	return 0;
}
