/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever a URL says, no name that comes out of it is a path, and the parts make up the URL again. */
#include "format/registry_path.h"

#include <stdio.h>
#include <stdlib.h>

#include "replay.h"

static void check_name(const char *name)
{
	if (name[0] == '\0' || name[0] == '/' || strstr(name, "..") != NULL ||
	    strstr(name, "//") != NULL || strchr(name, '\\') != NULL ||
	    !og_repository_is_valid(name))
		abort();
}

static void rebuild(const struct og_registry_path *path, char *to, size_t room)
{
	static const char *const middles[] = {
		[OG_ROUTE_TAGS] = "/tags/list",	       [OG_ROUTE_MANIFEST] = "/manifests/",
		[OG_ROUTE_BLOB] = "/blobs/",	       [OG_ROUTE_UPLOADS] = "/blobs/uploads/",
		[OG_ROUTE_UPLOAD] = "/blobs/uploads/", [OG_ROUTE_REFERRERS] = "/referrers/",
	};
	const char *last = path->route == OG_ROUTE_UPLOAD ? path->upload
			   : path->route == OG_ROUTE_MANIFEST && !path->by_digest
				   ? path->tag
				   : path->digest.text;

	(void)snprintf(to, room, "/v2/%s%s%s", path->name, middles[path->route], last);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct og_registry_path path;
	char text[2048] = "", again[2048];

	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	if (og_registry_path_parse(text, &path) != OG_PATH_FINE || path.route == OG_ROUTE_UNKNOWN ||
	    path.route == OG_ROUTE_PING || path.route == OG_ROUTE_CATALOG)
		return 0;
	check_name(path.name);
	if (strchr(path.tag, '/') != NULL || path.tag[0] == '.' ||
	    strchr(path.upload, '/') != NULL || strchr(path.upload, '.') != NULL)
		abort();
	rebuild(&path, again, sizeof(again));
	/* The slash at the end of uploads/ may be missing. */
	if (strncmp(again, text, strlen(text)) != 0 || strlen(again) - strlen(text) > 1)
		abort();
	return 0;
}
