/* SPDX-License-Identifier: Apache-2.0 */
#include "api/route.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* Reads up to three digits; NULL: there is no number here. */
static const char *read_number(const char *text, unsigned *ret_number)
{
	unsigned number = 0;
	size_t digits = 0;

	for (; digits < 3 && text[digits] >= '0' && text[digits] <= '9'; digits++)
		number = number * 10 + (unsigned)(text[digits] - '0');
	*ret_number = number;
	return digits == 0 ? NULL : text + digits;
}

enum og_version_fit og_route_version(const char *path, const char **ret_rest, char ret_version[12])
{
	unsigned major, minor;
	const char *at = path;

	*ret_rest = path;
	if (!og_starts_with(path, "/v"))
		return OG_VERSION_NONE;
	at = read_number(path + 2, &major);
	if (at == NULL || *at != '.')
		return OG_VERSION_NONE;
	at = read_number(at + 1, &minor);
	if (at == NULL || *at != '/')
		return OG_VERSION_NONE;
	*ret_rest = at;
	(void)snprintf(ret_version, 12, "%u.%u", major, minor);
	if (major > OG_API_MAJOR || (major == OG_API_MAJOR && minor > OG_API_MINOR))
		return OG_VERSION_TOO_NEW;
	if (major < OG_API_MAJOR || minor < OG_API_MINOR_MIN)
		return OG_VERSION_TOO_OLD;
	return OG_VERSION_OK;
}

bool og_route_match(const char *pattern, const char *path, char **ret_param)
{
	const char *hole = strchr(pattern, '{');
	size_t before, after, len;
	const char *tail;
	char *param;

	if (hole == NULL)
		return og_streq(pattern, path);
	before = (size_t)(hole - pattern);
	tail = strchr(hole, '}') + 1;
	after = strlen(tail);
	len = strlen(path);
	if (len < before + 1 + after || strncmp(path, pattern, before) != 0 ||
	    !og_streq(path + len - after, tail))
		return false;
	len -= before + after;
	if (hole[1] != '*' && memchr(path + before, '/', len) != NULL)
		return false;
	param = strndup(path + before, len);
	if (param == NULL)
		return false;
	*ret_param = param;
	return true;
}
