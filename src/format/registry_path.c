/* SPDX-License-Identifier: Apache-2.0 */
#include "format/registry_path.h"

#include <string.h>

#include "base/text.h"

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* One "." or "_", two "_", any number of "-". */
static size_t separator_len(const char *text)
{
	if (text[0] == '.')
		return 1;
	if (text[0] == '_')
		return text[1] == '_' ? 2 : 1;
	return strspn(text, "-");
}

/* [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)* */
bool og_repository_is_valid(const char *name)
{
	size_t separator;

	if (strlen(name) >= OG_REPOSITORY_MAX)
		return false;
	for (;;) {
		if (!is_alnum(*name))
			return false;
		while (is_alnum(*name))
			name++;
		if (*name == '\0')
			return true;
		separator = *name == '/' ? 1 : separator_len(name);
		if (separator == 0)
			return false;
		name += separator;
	}
}

/* [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127} */
bool og_tag_is_valid(const char *tag)
{
	static const char later[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_.-";
	size_t len = strspn(tag, later);

	return len > 0 && len < OG_TAG_MAX && tag[len] == '\0' && tag[0] != '.' && tag[0] != '-';
}

static bool is_upload_id(const char *text)
{
	size_t len = 0;

	while (is_alnum(text[len]))
		len++;
	return len > 0 && len < OG_UPLOAD_ID_MAX && text[len] == '\0';
}

/* The name before @end; true when it is one. */
static bool take_name(const char *text, const char *end, struct og_registry_path *path)
{
	size_t len = (size_t)(end - text);

	if (len == 0 || len >= sizeof(path->name))
		return false;
	memcpy(path->name, text, len);
	path->name[len] = '\0';
	return og_repository_is_valid(path->name);
}

static enum og_registry_path_fault take_manifest(const char *reference,
						 struct og_registry_path *path)
{
	path->route = OG_ROUTE_MANIFEST;
	if (strchr(reference, ':') != NULL) {
		path->by_digest = true;
		return og_blob_digest_parse(reference, &path->digest) < 0 ? OG_PATH_BAD_DIGEST
									  : OG_PATH_FINE;
	}
	if (!og_tag_is_valid(reference))
		return OG_PATH_BAD_TAG;
	memcpy(path->tag, reference, strlen(reference) + 1);
	return OG_PATH_FINE;
}

static enum og_registry_path_fault take_digest(const char *text, enum og_registry_route route,
					       struct og_registry_path *path)
{
	path->route = route;
	return og_blob_digest_parse(text, &path->digest) < 0 ? OG_PATH_BAD_DIGEST : OG_PATH_FINE;
}

static enum og_registry_path_fault take_upload(const char *id, struct og_registry_path *path)
{
	path->route = OG_ROUTE_UPLOAD;
	if (!is_upload_id(id))
		return OG_PATH_BAD_UPLOAD;
	memcpy(path->upload, id, strlen(id) + 1);
	return OG_PATH_FINE;
}

/* Does @word stand just before @at, between slashes? Where it begins, or NULL. */
static const char *before(const char *begin, const char *at, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(at - begin) <= len || at[-1 - (ptrdiff_t)len] != '/' ||
	    memcmp(at - len, word, len) != 0)
		return NULL;
	return at - len - 1;
}

/* Names may hold the words of endpoints, so that a path is read from its end. */
static enum og_registry_path_fault parse_below(const char *rest, struct og_registry_path *path)
{
	const char *last = strrchr(rest, '/'); /* before the last segment */
	enum og_registry_path_fault fault = OG_PATH_FINE;
	const char *end;

	if (last == NULL)
		return OG_PATH_FINE;
	if ((end = before(rest, last, "blobs/uploads")) != NULL) {
		path->route = OG_ROUTE_UPLOADS;
		if (last[1] != '\0')
			fault = take_upload(last + 1, path);
	} else if ((end = before(rest, last, "blobs")) != NULL) {
		if (og_streq(last + 1, "uploads"))
			path->route = OG_ROUTE_UPLOADS;
		else
			fault = take_digest(last + 1, OG_ROUTE_BLOB, path);
	} else if ((end = before(rest, last, "manifests")) != NULL) {
		fault = take_manifest(last + 1, path);
	} else if ((end = before(rest, last, "referrers")) != NULL) {
		fault = take_digest(last + 1, OG_ROUTE_REFERRERS, path);
	} else if ((end = before(rest, last, "tags")) != NULL && og_streq(last + 1, "list")) {
		path->route = OG_ROUTE_TAGS;
	} else {
		return OG_PATH_FINE;
	}
	return take_name(rest, end, path) ? fault : OG_PATH_BAD_NAME;
}

enum og_registry_path_fault og_registry_path_parse(const char *path,
						   struct og_registry_path *ret_path)
{
	*ret_path = (struct og_registry_path){ .route = OG_ROUTE_UNKNOWN };
	if (og_streq(path, "/v2") || og_streq(path, "/v2/")) {
		ret_path->route = OG_ROUTE_PING;
		return OG_PATH_FINE;
	}
	if (og_streq(path, "/v2/_catalog")) {
		ret_path->route = OG_ROUTE_CATALOG;
		return OG_PATH_FINE;
	}
	return og_starts_with(path, "/v2/") ? parse_below(path + 4, ret_path) : OG_PATH_FINE;
}
