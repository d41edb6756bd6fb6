/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/interest.h"

#include <string.h>

#include "base/text.h"
#include "format/dpkg.h"
#include "format/os_release.h"

/* ---- which ---- */

static bool is_in(const char *path, const char *folder, const char *suffix)
{
	return og_starts_with(path, folder) && og_ends_with(path, suffix) &&
	       strchr(path + strlen(folder), '/') == NULL;
}

static enum og_interest of_system(const char *path)
{
	static const struct {
		const char *path;
		enum og_interest interest;
	} files[] = {
		{ "etc/os-release", OG_INTEREST_OS_RELEASE },
		{ "usr/lib/os-release", OG_INTEREST_OS_RELEASE },
		{ "var/lib/dpkg/status", OG_INTEREST_DPKG_STATUS },
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (og_streq(path, files[i].path))
			return files[i].interest;
	if (is_in(path, "var/lib/dpkg/info/", ".list"))
		return OG_INTEREST_DPKG_LIST;
	if (is_in(path, "var/lib/dpkg/status.d/", ".md5sums"))
		return OG_INTEREST_DPKG_SUMS;
	if (is_in(path, "var/lib/dpkg/status.d/", ""))
		return OG_INTEREST_DPKG_STATUS_D;
	return OG_INTEREST_NONE;
}

enum og_interest og_interest_of(const char *path)
{
	if (path[0] == 'v' || path[0] == 'e' || path[0] == 'u' || path[0] == 'l')
		return of_system(path);
	return OG_INTEREST_NONE;
}

bool og_interest_is_ownership(enum og_interest interest)
{
	return interest == OG_INTEREST_DPKG_LIST || interest == OG_INTEREST_DPKG_SUMS;
}

/* ---- reading ---- */

struct reading {
	struct og_builder *builder;
	enum og_package_type type;
	const char *path;
};

static int add_package(void *data, const struct og_package_entry *entry, struct og_err *err)
{
	const struct reading *reading = data;

	return og_builder_package(reading->builder, reading->type, entry, NULL, err);
}

static int read_os_release(struct reading *reading, const char *buf, size_t len, struct og_err *err)
{
	struct og_os_release release;

	(void)err;
	og_os_release_read(buf, len, &release);
	og_builder_os(reading->builder, &release, reading->path[0] == 'e');
	return 0;
}

static int read_dpkg_status(struct reading *reading, const char *buf, size_t len,
			    struct og_err *err)
{
	reading->type = OG_PACKAGE_DEB;
	return og_dpkg_read_status(buf, len, add_package, reading, err);
}

static int read_dpkg_list(struct reading *reading, const char *buf, size_t len, struct og_err *err)
{
	return og_dpkg_read_list(buf, len, false, og_builder_owned, reading->builder, err);
}

static int read_dpkg_sums(struct reading *reading, const char *buf, size_t len, struct og_err *err)
{
	return og_dpkg_read_list(buf, len, true, og_builder_owned, reading->builder, err);
}

typedef int read_text_fn(struct reading *reading, const char *buf, size_t len, struct og_err *err);

static const struct reader {
	size_t max_bytes;
	bool system; /* of a distribution: a failure is one */
	read_text_fn *text;
} readers[OG_INTERESTS] = {
	[OG_INTEREST_OS_RELEASE] = { 64U << 10, false, read_os_release },
	[OG_INTEREST_DPKG_STATUS] = { 64U << 20, true, read_dpkg_status },
	[OG_INTEREST_DPKG_STATUS_D] = { 1U << 20, true, read_dpkg_status },
	[OG_INTEREST_DPKG_LIST] = { 64U << 20, true, read_dpkg_list },
	[OG_INTEREST_DPKG_SUMS] = { 64U << 20, true, read_dpkg_sums },
};

int og_interest_read(struct og_builder *builder, const char *path, enum og_interest interest,
		     const struct og_bytes *content, struct og_err *err)
{
	const struct reader *reader = &readers[interest];
	struct reading reading = { .builder = builder, .path = path };
	size_t len = (size_t)content->size;
	char *buf;
	int r;

	if (reader->text == NULL)
		return 0;
	if (content->size > reader->max_bytes)
		return !reader->system
			       ? 0
			       : og_fail_plain(err, -EFBIG, "'%s' is over the limit of %zu bytes",
					       path, reader->max_bytes);
	buf = og_builder_scratch(builder, len + 1);
	if (buf == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = og_bytes_read(content, 0, buf, len);
	if (r < 0)
		return og_fail(err, r, "read '%s'", path);
	buf[len] = '\0';
	og_builder_file(builder, path);
	r = reader->text(&reading, buf, len, err);
	if (r == -EBADMSG && !reader->system)
		r = 0;
	return r < 0 ? og_fail_in(err, r, "'%s'", path) : 0;
}
