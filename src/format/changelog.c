/* SPDX-License-Identifier: Apache-2.0 */
/* deb-changelog(5), for what advisories.h says of it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "base/text.h"
#include "format/advisories.h"
#include "format/version_parts.h"

#define MENTIONS_MAX 200000U /* of CVEs; the kernel's changelog has some 10,000 */
#define CVE_MAX	     32U     /* bytes */

struct mention {
	struct og_slice cve, version;
	size_t place; /* the greater, the older */
};

struct mentions {
	struct mention *list; /* owned */
	size_t count;
	struct og_slice source; /* of the newest entry */
};

static int compare(const void *left, const void *right)
{
	const struct mention *a = left, *b = right;
	int way = og_compare_bytes(a->cve, b->cve);

	return way != 0 ? way : (a->place < b->place) - (a->place > b->place);
}

static struct og_slice take_line(struct og_slice *text)
{
	const char *end = memchr(text->at, '\n', text->len);
	size_t len = end != NULL ? (size_t)(end - text->at) : text->len;
	struct og_slice line = og_slice_head(*text, len);

	*text = og_slice_skip(*text, end != NULL ? len + 1 : len);
	return line;
}

/* "source (version) distributions; urgency=low", from the line's first byte on. */
static bool read_head(struct og_slice line, struct og_slice *ret_source,
		      struct og_slice *ret_version)
{
	const char *open, *close;

	if (line.len == 0 || line.at[0] <= ' ')
		return false;
	open = memchr(line.at, '(', line.len);
	if (open == NULL || open < line.at + 2 || open[-1] != ' ')
		return false;
	close = memchr(open, ')', (size_t)(line.at + line.len - open));
	if (close == NULL || close == open + 1 || memchr(line.at, ';', line.len) == NULL)
		return false;
	*ret_source = (struct og_slice){ line.at, (size_t)(open - 1 - line.at) };
	*ret_version = (struct og_slice){ open + 1, (size_t)(close - open - 1) };
	for (size_t i = 0; i < ret_version->len; i++)
		if ((unsigned char)ret_version->at[i] <= ' ')
			return false;
	return ret_version->len < OG_VERSION_MAX && ret_source->len <= OG_VULN_NAME_MAX;
}

/* "CVE-YYYY-NNNN..." at the beginning of @text; 0 when there is none. */
static size_t cve_at(struct og_slice text)
{
	static const char pattern[] = "CVE-0000-0000";
	size_t len = sizeof(pattern) - 1;

	if (text.len < len)
		return 0;
	for (size_t i = 0; i < len; i++)
		if (pattern[i] == '0' ? !og_is_digit(text.at[i]) : text.at[i] != pattern[i])
			return 0;
	while (len < text.len && og_is_digit(text.at[len]))
		len++;
	return len < CVE_MAX ? len : 0;
}

static int add(struct mentions *mentions, struct og_slice cve, struct og_slice version,
	       struct og_err *err)
{
	if (mentions->count == MENTIONS_MAX)
		return og_fail(err, -E2BIG, "a changelog with more than %u CVEs", MENTIONS_MAX);
	if (og_grow(mentions->list, mentions->count) < 0)
		return og_fail(err, -ENOMEM, "a changelog");
	mentions->list[mentions->count] = (struct mention){ cve, version, mentions->count };
	mentions->count++;
	return 0;
}

static int read_all(struct og_slice text, struct mentions *mentions, struct og_err *err)
{
	struct og_slice version = {}, source;

	while (text.len > 0) {
		struct og_slice line = take_line(&text);

		if (read_head(line, &source, &version)) {
			if (mentions->source.len == 0)
				mentions->source = source;
			continue;
		}
		for (size_t i = 0; version.len > 0 && i < line.len; i++) {
			size_t len = line.at[i] == 'C' ? cve_at(og_slice_skip(line, i)) : 0;
			struct og_slice cve = { line.at + i, len };
			int r = len > 0 ? add(mentions, cve, version, err) : 0;

			if (r < 0)
				return r;
		}
	}
	return mentions->source.len > 0 ? 0 : og_fail(err, -EINVAL, "no changelog of Debian");
}

static int emit(const struct mention *mention, const char *source, const char *ecosystem,
		og_vuln_fn *fn, void *data, struct og_err *err)
{
	char cve[CVE_MAX + 1], id[CVE_MAX + 8];
	og_auto_vuln vuln = { .id = id,
			      .summary = "",
			      .vector = "",
			      .url = "",
			      .published = "",
			      .modified = "",
			      .score_tenths = -1 };
	struct og_vuln_affected *affected;
	int r;

	(void)snprintf(cve, sizeof(cve), "%.*s", (int)mention->cve.len, mention->cve.at);
	(void)snprintf(id, sizeof(id), "DEBCL-%s", cve);
	r = og_vuln_add_alias(&vuln, cve);
	if (r == 0)
		r = og_vuln_add_affected(&vuln, ecosystem, source, &affected, err);
	if (r < 0)
		return r;
	affected->ranges = og_strdupf("[\t)%.*s\n", (int)mention->version.len, mention->version.at);
	return affected->ranges == NULL ? og_fail(err, -ENOMEM, "a changelog")
					: fn(data, &vuln, err);
}

int og_advisories_debian_changelog(const char *text, size_t len, const char *ecosystem,
				   og_vuln_fn *fn, void *data, struct og_err *err)
{
	struct mentions mentions = {};
	og_auto_free char *source = NULL;
	int r = read_all((struct og_slice){ text, len }, &mentions, err);

	if (r == 0) {
		source = og_strdupf("%.*s", (int)mentions.source.len, mentions.source.at);
		r = source == NULL ? og_fail(err, -ENOMEM, "a changelog") : 0;
	}
	if (r == 0 && mentions.count > 0)
		qsort(mentions.list, mentions.count, sizeof(mentions.list[0]), compare);
	for (size_t i = 0; r == 0 && i < mentions.count; i++)
		if (i == 0 || og_compare_bytes(mentions.list[i].cve, mentions.list[i - 1].cve) != 0)
			r = emit(&mentions.list[i], source, ecosystem, fn, data, err);
	free(mentions.list);
	return r;
}
