/* SPDX-License-Identifier: Apache-2.0 */
/* PAX extended headers: records "LENGTH KEY=VALUE\n" (POSIX.1-2017, pax, "pax Header Block"). */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "base/text.h"
#include "format/tar_parts.h"

#define XATTR_PREFIX "SCHILY.xattr."
#define NSEC_DIGITS  9

struct record {
	char *key;   /* ends in NUL */
	char *value; /* ends in NUL, and may hold others */
	size_t len;  /* of the value */
};

static int bad(const struct record *record, struct og_err *err)
{
	return og_fail(err, -EBADMSG, "PAX record '%.40s' is no valid value", record->key);
}

static int read_text(const struct record *record, const char **ret_text, struct og_err *err)
{
	if (memchr(record->value, '\0', record->len) != NULL)
		return bad(record, err);
	*ret_text = record->len > 0 ? record->value : NULL;
	return 0;
}

/* An empty value takes the record back, as if it had never been said. */
static int read_number(const struct record *record, uint64_t max, uint64_t *ret_number,
		       bool *ret_has, struct og_err *err)
{
	*ret_has = record->len > 0;
	if (!*ret_has)
		return 0;
	if (strlen(record->value) != record->len ||
	    og_parse_u64(record->value, 0, max, ret_number) < 0)
		return bad(record, err);
	return 0;
}

static int read_id(const struct record *record, uint32_t *ret_id, bool *ret_has, struct og_err *err)
{
	uint64_t id = 0;
	/* -1 means "no one" to the kernel and is no owner. */
	int r = read_number(record, UINT32_MAX - 1, &id, ret_has, err);

	*ret_id = (uint32_t)id;
	return r;
}

static uint32_t read_fraction(const char *at)
{
	uint32_t nsec = 0;

	for (int i = 0; i < NSEC_DIGITS; i++)
		nsec = 10 * nsec + (isdigit((unsigned char)*at) ? (uint32_t)(*at++ - '0') : 0);
	return nsec;
}

static int read_mtime(const struct record *record, struct tar_pax *pax, struct og_err *err)
{
	bool negative = record->value[0] == '-';
	char *dot = memchr(record->value, '.', record->len);
	uint64_t seconds = 0;
	uint32_t nsec = dot != NULL ? read_fraction(dot + 1) : 0;

	pax->has_mtime = record->len > 0;
	if (!pax->has_mtime)
		return 0;
	if (strlen(record->value) != record->len ||
	    (dot != NULL && strspn(dot + 1, "0123456789") != strlen(dot + 1)))
		return bad(record, err);
	if (dot != NULL)
		*dot = '\0';
	if (og_parse_u64(record->value + negative, 0, INT64_MAX - 1, &seconds) < 0)
		return bad(record, err);
	pax->mtime_sec = negative ? -(int64_t)seconds : (int64_t)seconds;
	pax->mtime_nsec = nsec;
	if (negative && nsec > 0) {
		pax->mtime_sec--;
		pax->mtime_nsec = 1000000000U - nsec;
	}
	return 0;
}

/* GNU tar writes '=' and '%' in an attribute's name as %3D and %25. */
static void unescape(char *name)
{
	char *to = name;

	for (const char *at = name; *at != '\0'; to++) {
		bool equals = strncmp(at, "%3D", 3) == 0;

		if (equals || strncmp(at, "%25", 3) == 0) {
			*to = equals ? '=' : '%';
			at += 3;
		} else {
			*to = *at++;
		}
	}
	*to = '\0';
}

static int read_xattr(const struct record *record, struct tar_pax *pax, struct og_err *err)
{
	if (pax->xattr_count >= OG_TAR_XATTRS_MAX)
		return og_fail(err, -EBADMSG, "more than %d extended attributes on a file",
			       OG_TAR_XATTRS_MAX);
	if (og_grow(pax->xattrs, pax->xattr_count) < 0)
		return og_fail(err, -ENOMEM, "allocate extended attributes");
	unescape(record->key + strlen(XATTR_PREFIX));
	pax->xattrs[pax->xattr_count++] = (struct og_tar_xattr){
		.name = record->key + strlen(XATTR_PREFIX),
		.value = (const uint8_t *)record->value,
		.len = record->len,
	};
	return 0;
}

/* GNU.sparse.map, 0.1: "offset,bytes,offset,bytes". */
static int read_map(const struct record *record, struct tar_pax *pax, struct og_err *err)
{
	char *at = record->value;
	uint64_t number = 0, offset = 0;
	bool has_offset = false;

	pax->map.count = 0;
	if (strlen(record->value) != record->len)
		return bad(record, err);
	for (char *item; (item = strsep(&at, ",")) != NULL;) {
		int r = 0;

		if (og_parse_u64(item, 0, INT64_MAX, &number) < 0)
			return bad(record, err);
		if (has_offset)
			r = tar_map_add(&pax->map, offset, number, err);
		if (r < 0)
			return r;
		offset = number;
		has_offset = !has_offset;
	}
	return has_offset ? bad(record, err) : 0;
}

/* GNU.sparse.offset and .numbytes, 0.0: a pair of records a segment. */
static int read_segment(const struct record *record, struct tar_pax *pax, struct og_err *err)
{
	bool is_offset = og_ends_with(record->key, ".offset"), has = false;
	uint64_t number = 0;
	int r = read_number(record, INT64_MAX, &number, &has, err);

	if (r < 0)
		return r;
	if (!has || is_offset == pax->has_map_offset)
		return bad(record, err);
	pax->has_map_offset = is_offset;
	if (!is_offset)
		return tar_map_add(&pax->map, pax->map_offset, number, err);
	pax->map_offset = number;
	return 0;
}

static int read_sparse(const struct record *record, struct tar_pax *pax, struct og_err *err)
{
	const char *key = record->key + strlen("GNU.sparse.");
	uint64_t number = 0;
	bool has;
	int r;

	pax->sparse = true;
	if (og_streq(key, "name"))
		return read_text(record, &pax->sparse_name, err);
	if (og_streq(key, "map"))
		return read_map(record, pax, err);
	if (og_streq(key, "offset") || og_streq(key, "numbytes"))
		return read_segment(record, pax, err);
	if (og_streq(key, "size") || og_streq(key, "realsize"))
		return read_number(record, INT64_MAX, &pax->real_size, &pax->has_real_size, err);
	if (!og_streq(key, "major") && !og_streq(key, "minor"))
		return 0;
	r = read_number(record, UINT32_MAX, &number, &has, err);
	if (og_streq(key, "major"))
		pax->sparse_major = (uint32_t)number;
	else
		pax->sparse_minor = (uint32_t)number;
	return r;
}

/* What makes no sense for every file that follows, and would hide one behind another. */
static bool refused_globally(const char *key)
{
	return og_streq(key, "path") || og_streq(key, "linkpath") || og_streq(key, "size") ||
	       og_starts_with(key, "GNU.sparse.") || og_starts_with(key, XATTR_PREFIX);
}

static int read_record(const struct record *record, struct tar_pax *pax, bool global,
		       struct og_err *err)
{
	const char *key = record->key;

	if (global && refused_globally(key))
		return og_fail(err, -EBADMSG, "global PAX header sets '%.40s' for all files", key);
	if (og_streq(key, "path"))
		return read_text(record, &pax->path, err);
	if (og_streq(key, "linkpath"))
		return read_text(record, &pax->link, err);
	if (og_streq(key, "size"))
		return read_number(record, INT64_MAX, &pax->size, &pax->has_size, err);
	if (og_streq(key, "uid"))
		return read_id(record, &pax->uid, &pax->has_uid, err);
	if (og_streq(key, "gid"))
		return read_id(record, &pax->gid, &pax->has_gid, err);
	if (og_streq(key, "mtime"))
		return read_mtime(record, pax, err);
	if (og_starts_with(key, XATTR_PREFIX))
		return read_xattr(record, pax, err);
	if (og_starts_with(key, "GNU.sparse."))
		return read_sparse(record, pax, err);
	return 0;
}

/* Cuts the first record off @buf. Returns its length. */
static ssize_t cut_record(char *buf, size_t len, struct record *ret_record, struct og_err *err)
{
	size_t total = 0, at = 0;
	char *equals;

	for (; at < len && isdigit((unsigned char)buf[at]) && total <= OG_TAR_SPECIAL_MAX; at++)
		total = 10 * total + (size_t)(buf[at] - '0');
	if (at == 0 || at >= len || buf[at] != ' ' || total > len || total < at + 3 ||
	    buf[total - 1] != '\n')
		return og_fail(err, -EBADMSG, "PAX header is malformed");
	at++;
	equals = memchr(buf + at, '=', total - at);
	if (equals == NULL || equals == buf + at ||
	    memchr(buf + at, '\0', (size_t)(equals - (buf + at))) != NULL)
		return og_fail(err, -EBADMSG, "PAX header is malformed");
	*equals = '\0';
	buf[total - 1] = '\0';
	*ret_record = (struct record){
		.key = buf + at,
		.value = equals + 1,
		.len = (size_t)(buf + total - 1 - (equals + 1)),
	};
	return (ssize_t)total;
}

int tar_pax_read(struct tar_pax *pax, char *buf, size_t len, bool global, struct og_err *err)
{
	while (len > 0) {
		struct record record;
		ssize_t total = cut_record(buf, len, &record, err);
		int r;

		if (total < 0)
			return (int)total;
		r = read_record(&record, pax, global, err);
		if (r < 0)
			return r;
		buf += total;
		len -= (size_t)total;
	}
	return 0;
}

void tar_pax_done(struct tar_pax *pax)
{
	tar_map_done(&pax->map);
	free(pax->xattrs);
	*pax = (struct tar_pax){};
}
