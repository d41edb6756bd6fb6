/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A header is a count of tags, the length of the store, the tags (what, type, where in the store, how
 * many), and the store. All numbers are big-endian. Each value is looked up anew and stays inside the
 * store whatever its tag says.
 */
#include "format/rpm.h"

#include <errno.h>
#include <stdio.h>

enum {
	TAG_NAME = 1000,
	TAG_VERSION = 1001,
	TAG_RELEASE = 1002,
	TAG_EPOCH = 1003,
	TAG_LICENSE = 1014,
	TAG_ARCH = 1022,
	TAG_SOURCERPM = 1044,
	TAG_DIRINDEXES = 1116,
	TAG_BASENAMES = 1117,
	TAG_DIRNAMES = 1118,
};

enum {
	TYPE_INT32 = 4,
	TYPE_STRING = 6,
	TYPE_STRING_ARRAY = 8,
	TYPE_I18N = 9
};

#define TAGS_MAX      65536 /* rpm's own bound */
#define TAG_BYTES     16
#define VERSION_BYTES 1024
#define DIRS_MAX      (1U << 20)

struct header {
	const uint8_t *tags, *store;
	uint32_t count, bytes;
};

struct value {
	uint32_t type, count;
	const uint8_t *at;
	size_t room; /* to the end of the store */
};

static uint32_t read_be32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static bool find_value(const struct header *header, uint32_t tag, struct value *ret_value)
{
	for (uint32_t i = 0; i < header->count; i++) {
		const uint8_t *at = header->tags + (size_t)i * TAG_BYTES;
		uint32_t offset = read_be32(at + 8);

		if (read_be32(at) != tag)
			continue;
		if (offset >= header->bytes)
			return false;
		*ret_value = (struct value){ read_be32(at + 4), read_be32(at + 12),
					     header->store + offset, header->bytes - offset };
		return true;
	}
	return false;
}

/* The text that begins at @value, which then begins behind it. False: there is no end to it. */
static bool next_text(struct value *value, struct og_span *ret_text)
{
	const uint8_t *end = memchr(value->at, '\0', value->room);
	size_t len;

	if (end == NULL)
		return false;
	len = (size_t)(end - value->at);
	*ret_text = (struct og_span){ (const char *)value->at, len };
	value->at += len + 1;
	value->room -= len + 1;
	return true;
}

static struct og_span get_text(const struct header *header, uint32_t tag)
{
	struct value value;
	struct og_span text = {};

	if (find_value(header, tag, &value) && value.count > 0 &&
	    (value.type == TYPE_STRING || value.type == TYPE_STRING_ARRAY ||
	     value.type == TYPE_I18N))
		(void)next_text(&value, &text);
	return text;
}

static bool get_int32(const struct header *header, uint32_t tag, uint32_t *ret_number)
{
	struct value value;

	if (!find_value(header, tag, &value) || value.type != TYPE_INT32 || value.count == 0 ||
	    value.room < 4)
		return false;
	*ret_number = read_be32(value.at);
	return true;
}

/* "[EPOCH:]VERSION-RELEASE". */
static struct og_span join_version(char buf[VERSION_BYTES], bool has_epoch, uint32_t epoch,
				   struct og_span version, struct og_span release)
{
	int len = has_epoch ? snprintf(buf, VERSION_BYTES, "%u:", epoch) : 0;

	len += snprintf(buf + len, (size_t)(VERSION_BYTES - len), "%.*s%s%.*s",
			(int)(version.len < 400 ? version.len : 400), version.at,
			release.len > 0 ? "-" : "", (int)(release.len < 400 ? release.len : 400),
			release.len > 0 ? release.at : "");
	return (struct og_span){ buf, (size_t)len };
}

/* "glibc-2.28-72.el8.src.rpm" to name, version and release. */
static bool split_source(struct og_span source, struct og_span *name, struct og_span *version,
			 struct og_span *release)
{
	size_t dash[2], at;

	if (!og_span_ends(source, ".src.rpm") && !og_span_ends(source, ".nosrc.rpm"))
		return false;
	source.len -= og_span_ends(source, ".nosrc.rpm") ? 10 : 8;
	at = source.len;
	for (int i = 0; i < 2; i++) {
		while (at > 0 && source.at[at - 1] != '-')
			at--;
		if (at < 2)
			return false;
		dash[i] = --at;
	}
	*name = (struct og_span){ source.at, dash[1] };
	*version = (struct og_span){ source.at + dash[1] + 1, dash[0] - dash[1] - 1 };
	*release = (struct og_span){ source.at + dash[0] + 1, source.len - dash[0] - 1 };
	return true;
}

static int hand_out_package(const struct header *header, og_package_fn *fn, void *data,
			    struct og_err *err)
{
	char version_text[VERSION_BYTES], source_text[VERSION_BYTES];
	struct og_package_entry entry = {
		.name = get_text(header, TAG_NAME),
		.architecture = get_text(header, TAG_ARCH),
		.license = get_text(header, TAG_LICENSE),
	};
	struct og_span version = get_text(header, TAG_VERSION), source_version, source_release;
	uint32_t epoch = 0;
	bool has_epoch = get_int32(header, TAG_EPOCH, &epoch) && epoch != 0;

	if (entry.name.len == 0 || version.len == 0)
		return og_fail_plain(err, -EBADMSG, "a header without a name or version");
	if (og_span_is(entry.name, "gpg-pubkey"))
		return 0;
	entry.version = join_version(version_text, has_epoch, epoch, version,
				     get_text(header, TAG_RELEASE));
	if (split_source(get_text(header, TAG_SOURCERPM), &entry.source_name, &source_version,
			 &source_release))
		entry.source_version =
			join_version(source_text, has_epoch, epoch, source_version, source_release);
	return fn(data, &entry, err);
}

/* File i is in folder DIRNAMES[DIRINDEXES[i]]; the indexes rise with few exceptions. */
static int hand_out_files(const struct header *header, og_package_file_fn *fn, void *data,
			  struct og_err *err)
{
	struct value names, dirs, indexes, from;
	struct og_span dir = {}, name;
	uint32_t current = UINT32_MAX;
	uint64_t looked_at = 0;
	int r = 0;

	if (!find_value(header, TAG_BASENAMES, &names) ||
	    !find_value(header, TAG_DIRNAMES, &dirs) ||
	    !find_value(header, TAG_DIRINDEXES, &indexes))
		return 0;
	if (names.type != TYPE_STRING_ARRAY || dirs.type != TYPE_STRING_ARRAY ||
	    indexes.type != TYPE_INT32 || names.count != indexes.count ||
	    indexes.count > indexes.room / 4)
		return og_fail_plain(err, -EBADMSG, "its lists of files do not fit each other");
	from = dirs;
	for (uint32_t i = 0; i < names.count && r == 0; i++) {
		uint32_t index = read_be32(indexes.at + (size_t)i * 4);

		if (index >= dirs.count || !next_text(&names, &name))
			return og_fail_plain(err, -EBADMSG, "a file without a name or folder");
		if (current != UINT32_MAX && index < current) {
			from = dirs;
			current = UINT32_MAX;
		}
		for (; current != index; current++) {
			/* Hostile indexes could go to and fro for ever. */
			if (looked_at++ > 64 * (uint64_t)DIRS_MAX || !next_text(&from, &dir))
				return og_fail_plain(err, -EBADMSG, "a folder without a name");
		}
		r = fn(data, dir, name, err);
	}
	return r;
}

int og_rpm_read_header(const uint8_t *buf, size_t len, og_package_fn *package,
		       og_package_file_fn *file, void *data, struct og_err *err)
{
	struct header header = {};
	int r;

	if (len < 8)
		return og_fail_plain(err, -EBADMSG, "a header of %zu bytes", len);
	header.count = read_be32(buf);
	header.bytes = read_be32(buf + 4);
	if (header.count > TAGS_MAX || header.bytes > OG_RPM_HEADER_MAX)
		return og_fail_plain(err, -E2BIG, "a header of %u tags and %u bytes", header.count,
				     header.bytes);
	if ((uint64_t)header.count * TAG_BYTES + header.bytes > len - 8)
		return og_fail_plain(err, -EBADMSG, "a header that is cut short");
	header.tags = buf + 8;
	header.store = header.tags + (size_t)header.count * TAG_BYTES;
	r = hand_out_package(&header, package, data, err);
	if (r == 0 && file != NULL)
		r = hand_out_files(&header, file, data, err);
	return r;
}
