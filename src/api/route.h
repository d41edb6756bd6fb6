/* SPDX-License-Identifier: Apache-2.0 */
/* Which route a path is for. No I/O. */
#pragma once

#include <stdbool.h>

/* Docker Engine API versions that are spoken; a client that asks for none gets the newest. */
#define OG_API_VERSION	   "1.41"
#define OG_API_VERSION_MIN "1.24"
#define OG_API_MAJOR	   1
#define OG_API_MINOR	   41
#define OG_API_MINOR_MIN   24

enum og_version_fit {
	OG_VERSION_NONE, /* the path has none */
	OG_VERSION_OK,
	OG_VERSION_TOO_OLD,
	OG_VERSION_TOO_NEW,
};

/*
 * Takes "/v1.41" off the front of @path: *@ret_rest is what follows. Something that only looks like
 * a version is part of the path. @ret_version (12 bytes) gets "1.41".
 */
enum og_version_fit og_route_version(const char *path, const char **ret_rest, char ret_version[12]);

/*
 * Matches @path against @pattern, in which one segment may be "{}" (any one segment) or "{*}" (one
 * or more: an image's name). On a match *@ret_param (may be NULL: no placeholder) is the caller's.
 */
bool og_route_match(const char *pattern, const char *path, char **ret_param);
