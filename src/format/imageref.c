/* SPDX-License-Identifier: Apache-2.0 */
#include "format/imageref.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define INVALID "invalid reference format"

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_lower(c) || is_digit(c) || (c >= 'A' && c <= 'Z');
}

static bool is_tag_char(char c)
{
	return is_alnum(c) || c == '_' || c == '.' || c == '-';
}

/* domain-component: letters and digits, hyphens inside only. */
static bool is_host_label(const char *text, size_t len)
{
	if (len == 0 || !is_alnum(text[0]) || !is_alnum(text[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_alnum(text[i]) && text[i] != '-')
			return false;
	return true;
}

static bool is_host(const char *text, size_t len)
{
	size_t start = 0;

	for (size_t i = 0; i <= len; i++) {
		if (i < len && text[i] != '.')
			continue;
		if (!is_host_label(text + start, i - start))
			return false;
		start = i + 1;
	}
	return true;
}

static bool is_ipv6(const char *text, size_t len)
{
	if (len < 4 || text[0] != '[' || text[len - 1] != ']')
		return false;
	for (size_t i = 1; i < len - 1; i++)
		if (!is_digit(text[i]) && text[i] != ':' && !(text[i] >= 'a' && text[i] <= 'f') &&
		    !(text[i] >= 'A' && text[i] <= 'F'))
			return false;
	return true;
}

static bool is_domain(const char *text, size_t len)
{
	const char *end = text[0] == '[' ? memchr(text, ']', len) : NULL;
	const char *colon = end != NULL ? end + 1 : memchr(text, ':', len);
	size_t host_len = len;

	if (colon != NULL && colon < text + len) {
		uint64_t port;
		char digits[6] = "";
		size_t digits_len = (size_t)(text + len - colon) - 1;

		host_len = (size_t)(colon - text);
		if (*colon != ':' || digits_len >= sizeof(digits))
			return false;
		memcpy(digits, colon + 1, digits_len);
		if (og_parse_u64(digits, 1, 65535, &port) < 0)
			return false;
	}
	return text[0] == '[' ? is_ipv6(text, host_len) : is_host(text, host_len);
}

/* The separator at @text: one of '.', '_', "__" or a row of '-'. Returns its length or 0. */
static size_t separator_len(const char *text, size_t len)
{
	size_t n = 0;

	if (text[0] == '.')
		return 1;
	if (text[0] == '_')
		return len > 1 && text[1] == '_' ? 2 : 1;
	while (n < len && text[n] == '-')
		n++;
	return n;
}

/* path-component: lower-case letters and digits, separators inside only and one at a time. */
static bool is_path_component(const char *text, size_t len)
{
	bool after_separator = true;
	size_t i = 0;

	while (i < len) {
		if (is_lower(text[i]) || is_digit(text[i])) {
			after_separator = false;
			i++;
			continue;
		}
		size_t n = separator_len(text + i, len - i);

		if (n == 0 || after_separator)
			return false;
		after_separator = true;
		i += n;
	}
	return !after_separator;
}

static bool is_path(const char *text)
{
	for (;;) {
		size_t len = strcspn(text, "/");

		if (!is_path_component(text, len))
			return false;
		if (text[len] == '\0')
			return true;
		text += len + 1;
	}
}

static bool is_tag(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len > OG_IMAGEREF_TAG_MAX || text[0] == '.' || text[0] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_tag_char(text[i]))
			return false;
	return true;
}

static bool has_upper(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] >= 'A' && text[i] <= 'Z')
			return true;
	return false;
}

/*
 * How long the domain at the start of @name is; 0 when there is none and the hub is meant. As
 * Docker decides: what is before the first '/' is a domain when it could be no path.
 */
static size_t domain_len(const char *name)
{
	size_t len = strcspn(name, "/");

	if (name[len] == '\0')
		return 0;
	if (memchr(name, '.', len) != NULL || memchr(name, ':', len) != NULL ||
	    has_upper(name, len) || (len == 9 && strncmp(name, "localhost", 9) == 0))
		return len;
	return 0;
}

static bool is_hub(const char *name, size_t len)
{
	return len == 0 || (len == 9 && strncmp(name, OG_IMAGEREF_HUB, 9) == 0) ||
	       (len == 15 && strncmp(name, "index.docker.io", 15) == 0);
}

/* Splits @name, which has neither tag nor digest. */
static int parse_name(const char *name, struct og_imageref *ref, struct og_err *err)
{
	size_t len = domain_len(name);
	const char *path = len > 0 ? name + len + 1 : name;
	bool hub = is_hub(name, len);
	bool official = hub && strchr(path, '/') == NULL;

	if (len > 0 && !is_domain(name, len))
		return og_fail_plain(err, -EINVAL, INVALID ": bad registry host");
	if (has_upper(path, strlen(path)))
		return og_fail_plain(err, -EINVAL,
				     INVALID ": repository name (%s) must be lowercase", path);
	if (!is_path(path))
		return og_fail_plain(err, -EINVAL, INVALID);
	if ((hub ? strlen(OG_IMAGEREF_HUB) : len) + strlen(path) + (official ? 9 : 1) >
	    OG_IMAGEREF_NAME_MAX)
		return og_fail_plain(err, -EINVAL,
				     "repository name must not be more than %d characters",
				     OG_IMAGEREF_NAME_MAX);

	(void)snprintf(ref->domain, sizeof(ref->domain), "%.*s",
		       (int)(hub ? strlen(OG_IMAGEREF_HUB) : len), hub ? OG_IMAGEREF_HUB : name);
	(void)snprintf(ref->path, sizeof(ref->path), "%s%s", official ? "library/" : "", path);
	return 0;
}

/* Cuts "@digest" and ":tag" off the end of @text. */
static int parse_suffixes(char *text, struct og_imageref *ref, struct og_err *err)
{
	char *at = strchr(text, '@');
	char *slash, *colon;

	if (at != NULL) {
		*at = '\0';
		if (og_digest_parse(at + 1, &ref->digest) < 0)
			return og_fail_plain(err, -EINVAL,
					     INVALID
					     ": a digest is sha256: and 64 lower-case digits");
		ref->has_digest = true;
	}
	slash = strrchr(text, '/');
	colon = strrchr(slash != NULL ? slash : text, ':');
	if (colon != NULL) {
		*colon = '\0';
		if (!is_tag(colon + 1))
			return og_fail_plain(err, -EINVAL, INVALID ": bad tag");
		(void)snprintf(ref->tag, sizeof(ref->tag), "%s", colon + 1);
	} else if (!ref->has_digest) {
		(void)snprintf(ref->tag, sizeof(ref->tag), "latest");
	}
	return 0;
}

int og_imageref_parse(const char *text, struct og_imageref *ret_ref, struct og_err *err)
{
	char copy[OG_IMAGEREF_TEXT_MAX];
	struct og_imageref ref = {};
	struct og_digest ignored;
	int r;

	if (strlen(text) >= sizeof(copy))
		return og_fail_plain(err, -EINVAL, INVALID ": longer than %zu characters",
				     sizeof(copy) - 1);
	if (strlen(text) == OG_DIGEST_HEX_CHARS && og_digest_parse_hex(text, &ignored) == 0)
		return og_fail_plain(
			err, -EINVAL,
			"invalid repository name (%s), cannot specify 64-byte hexadecimal "
			"strings",
			text);
	memcpy(copy, text, strlen(text) + 1);
	r = parse_suffixes(copy, &ref, err);
	if (r == 0)
		r = parse_name(copy, &ref, err);
	if (r < 0)
		return r;
	*ret_ref = ref;
	return 0;
}

struct og_imageref_text og_imageref_name(const struct og_imageref *ref)
{
	struct og_imageref_text name;

	(void)snprintf(name.text, sizeof(name.text), "%s/%s", ref->domain, ref->path);
	return name;
}

struct og_imageref_text og_imageref_familiar(const struct og_imageref *ref)
{
	struct og_imageref_text name = og_imageref_name(ref);
	const char *path = ref->path;

	/* A repository of the hub that is called like a registry keeps its full name. */
	if (!og_streq(ref->domain, OG_IMAGEREF_HUB) || domain_len(path) > 0)
		return name;
	if (og_starts_with(path, "library/") && strchr(path + 8, '/') == NULL)
		path += 8;
	(void)snprintf(name.text, sizeof(name.text), "%s", path);
	return name;
}

struct og_imageref_text og_imageref_format(const struct og_imageref *ref)
{
	struct og_imageref_text text = og_imageref_familiar(ref);
	size_t len = strlen(text.text);

	if (ref->has_digest)
		(void)snprintf(text.text + len, sizeof(text.text) - len, "@%s",
			       og_digest_format(&ref->digest).text);
	else
		(void)snprintf(text.text + len, sizeof(text.text) - len, ":%s", ref->tag);
	return text;
}

static bool is_ipv4_loopback(const char *host)
{
	unsigned int a, b, c, d;
	char end;

	return sscanf(host, "%3u.%3u.%3u.%3u%c", &a, &b, &c, &d, &end) == 4 && a == 127 &&
	       b < 256 && c < 256 && d < 256;
}

bool og_imageref_is_loopback(const char *domain)
{
	char host[OG_IMAGEREF_NAME_MAX + 1];
	size_t len = domain[0] == '[' ? strcspn(domain, "]") : strcspn(domain, ":");

	if (len >= sizeof(host))
		return false;
	memcpy(host, domain, len);
	host[len] = '\0';
	return og_streq(host, "localhost") || og_streq(host, "[::1") || is_ipv4_loopback(host);
}
