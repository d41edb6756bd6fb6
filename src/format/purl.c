/* SPDX-License-Identifier: Apache-2.0 */
#include "format/purl.h"

#include <ctype.h>
#include <errno.h>

static int hex_of(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* In place: it only gets shorter. A NUL cannot be written so. */
static void undo_percent(char *text)
{
	char *out = text;

	for (const char *in = text; *in != '\0'; in++) {
		int high = *in == '%' ? hex_of(in[1]) : -1;
		int low = high >= 0 ? hex_of(in[2]) : -1;

		if (low >= 0 && high + low > 0) {
			*out++ = (char)(high << 4 | low);
			in += 2;
		} else {
			*out++ = *in;
		}
	}
	*out = '\0';
}

/* Ends @text at the last or first @c and gives what is behind it, or "". */
static char *split(char *text, char c, bool last)
{
	char *at = last ? strrchr(text, c) : strchr(text, c);

	if (at == NULL)
		return text + strlen(text);
	*at = '\0';
	return at + 1;
}

int og_purl_parse(const char *text, struct og_purl *ret_purl)
{
	char *at = ret_purl->text, *name, *slash, *version;
	size_t len = strlen(text);

	if (len >= sizeof(ret_purl->text) || strncmp(text, "pkg:", 4) != 0)
		return -EINVAL;
	memcpy(at, text + 4, len - 3);
	while (*at == '/')
		at++;
	(void)split(at, '#', true);
	ret_purl->qualifiers = split(at, '?', true);
	ret_purl->type = at;
	name = split(at, '/', false);
	for (char *c = at; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	/* An "@" of a scope is written %40, but not by all: that one has the name behind it. */
	slash = strrchr(name, '/');
	version = split(slash != NULL ? slash : name, '@', true);
	ret_purl->version = version;
	while (len = strlen(name), len > 0 && name[len - 1] == '/')
		name[len - 1] = '\0';
	slash = strrchr(name, '/');
	ret_purl->namespace = slash != NULL ? name : name + strlen(name);
	ret_purl->name = slash != NULL ? slash + 1 : name;
	if (slash != NULL)
		*slash = '\0';
	if (*ret_purl->type == '\0' || *ret_purl->name == '\0')
		return -EINVAL;
	if (slash != NULL)
		undo_percent(slash + 1);
	undo_percent(name);
	undo_percent(version);
	return 0;
}

void og_purl_qualifier(const struct og_purl *purl, const char *key, char *value, size_t size)
{
	struct og_span rest = og_span_of(purl->qualifiers), part, name, text;

	value[0] = '\0';
	while (rest.len > 0) {
		if (!og_span_cut(rest, '&', &part, &rest)) {
			part = rest;
			rest = (struct og_span){};
		}
		if (!og_span_cut(part, '=', &name, &text) || !og_span_is(name, key))
			continue;
		text.len = text.len < size - 1 ? text.len : size - 1;
		memcpy(value, text.at, text.len);
		value[text.len] = '\0';
		undo_percent(value);
		return;
	}
}
