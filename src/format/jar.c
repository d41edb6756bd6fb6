/* SPDX-License-Identifier: Apache-2.0 */
#include "format/jar.h"

#include <stdio.h>
#include <strings.h>

#include "base/text.h"
#include "format/zip.h"

#define TEXT_MAX       (1U << 20) /* of a manifest or a properties file */
#define NAME_MAX_BYTES 512
#define ARCHIVE_COST   (64U << 10)

struct jar {
	og_jar_fn *fn;
	void *data;
	uint64_t left; /* bytes that may still be unpacked */
	int told;      /* what @fn failed with: that is no damage of a member's */
};

bool og_jar_is_name(struct og_span name)
{
	static const char *const endings[] = { ".jar", ".war", ".ear", ".par", ".hpi" };

	/* Of each file of a root and each member of an archive it is asked. */
	if (name.len <= 4 || name.at[name.len - 4] != '.')
		return false;
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
		if (strncasecmp(name.at + name.len - 4, endings[i], 4) == 0)
			return true;
	return false;
}

static int hand_out(struct jar *jar, struct og_span group, struct og_span artifact,
		    struct og_span version, const char *place, struct og_err *err)
{
	char name[NAME_MAX_BYTES];
	struct og_package_entry entry = { .version = version };

	if (artifact.len == 0 || version.len == 0 || group.len + artifact.len + 2 > sizeof(name))
		return 0;
	entry.name = artifact;
	if (group.len > 0) {
		int len = snprintf(name, sizeof(name), "%.*s:%.*s", (int)group.len, group.at,
				   (int)artifact.len, artifact.at);

		entry.name = (struct og_span){ name, (size_t)len };
	}
	jar->told = jar->fn(jar->data, &entry, place, err);
	return jar->told;
}

/* ---- pom.properties ---- */

static int read_properties(struct jar *jar, const char *buf, size_t len, const char *place,
			   struct og_err *err)
{
	struct og_span rest = { buf, len }, line, key, value, group = {}, artifact = {},
		       version = {};

	while (og_span_line(&rest, &line)) {
		if (line.len > 0 && line.at[0] == '#')
			continue;
		if (!og_span_cut(line, '=', &key, &value))
			continue;
		key = og_span_trim(key);
		if (og_span_is(key, "groupId"))
			group = og_span_trim(value);
		else if (og_span_is(key, "artifactId"))
			artifact = og_span_trim(value);
		else if (og_span_is(key, "version"))
			version = og_span_trim(value);
	}
	return hand_out(jar, group, artifact, version, place, err);
}

/* ---- the manifest ---- */

struct manifest {
	struct og_span title, version, bundle, bundle_version, vendor;
};

/* The main section; lines that go on do so in no field that is of interest, or are cut. */
static void read_manifest(const char *buf, size_t len, struct manifest *manifest)
{
	struct og_span rest = { buf, len }, line, key, value;

	while (og_span_line(&rest, &line) && og_span_trim(line).len > 0) {
		if (line.at[0] == ' ' || !og_span_cut(line, ':', &key, &value))
			continue;
		value = og_span_trim(value);
		if (og_span_is(key, "Implementation-Title"))
			manifest->title = value;
		else if (og_span_is(key, "Implementation-Version"))
			manifest->version = value;
		else if (og_span_is(key, "Implementation-Vendor-Id"))
			manifest->vendor = value;
		else if (og_span_is(key, "Bundle-SymbolicName"))
			manifest->bundle = value;
		else if (og_span_is(key, "Bundle-Version"))
			manifest->bundle_version = value;
	}
}

/* "log4j-core" and "2.14.1" of "lib/log4j-core-2.14.1.jar". */
static void split_name(struct og_span path, struct og_span *artifact, struct og_span *version)
{
	struct og_span name = path;

	for (size_t i = 0; i < path.len; i++)
		if (path.at[i] == '/')
			name = (struct og_span){ path.at + i + 1, path.len - i - 1 };
	name.len -= name.len > 4 ? 4 : name.len;
	*artifact = name;
	*version = (struct og_span){};
	for (size_t i = 0; i + 1 < name.len; i++) {
		if (name.at[i] != '-' || name.at[i + 1] < '0' || name.at[i + 1] > '9')
			continue;
		*artifact = (struct og_span){ name.at, i };
		*version = (struct og_span){ name.at + i + 1, name.len - i - 1 };
		return;
	}
}

static bool has_blank(struct og_span span)
{
	return span.len > 0 && memchr(span.at, ' ', span.len) != NULL;
}

/* "org.apache.logging.log4j" of "org.apache.logging.log4j.core;singleton:=true" */
static struct og_span group_of_bundle(struct og_span bundle)
{
	struct og_span rest;

	(void)og_span_cut(bundle, ';', &bundle, &rest);
	bundle = og_span_trim(bundle);
	for (size_t i = bundle.len; i > 0; i--)
		if (bundle.at[i - 1] == '.')
			return (struct og_span){ bundle.at, i - 1 };
	return (struct og_span){};
}

static int guess(struct jar *jar, const char *buf, size_t len, const char *place,
		 struct og_err *err)
{
	struct og_span group, artifact, version;
	struct manifest manifest = {};

	read_manifest(buf, len, &manifest);
	split_name(og_span_of(place), &artifact, &version);
	group = manifest.vendor.len > 0 ? manifest.vendor : group_of_bundle(manifest.bundle);
	if (version.len == 0 && manifest.title.len > 0 && !has_blank(manifest.title))
		artifact = manifest.title;
	if (manifest.version.len > 0)
		version = manifest.version;
	else if (version.len == 0)
		version = manifest.bundle_version;
	return hand_out(jar, group, artifact, version, place, err);
}

/* ---- the archive ---- */

static int read_archive(struct jar *jar, const struct og_bytes *bytes, const char *place, int depth,
			struct og_err *err);

/* Failures of one member are its own, but for those of memory and of who is told. */
static bool is_skipped(int r)
{
	return r == -EBADMSG || r == -ENOTSUP || r == -EFBIG || r == -E2BIG;
}

/*
 * Members may share their bytes, and archives lie in each other, a hundred thousand in one place: every
 * look costs something of what there is for the whole file, before it is taken.
 */
static int pay(struct jar *jar, uint64_t cost, struct og_err *err)
{
	if (cost > jar->left) {
		jar->left = 0;
		return og_fail_plain(err, -E2BIG, "archives in archives without end");
	}
	jar->left -= cost;
	return 0;
}

static int read_text(struct jar *jar, const struct og_zip *zip, const struct og_zip_member *member,
		     char **ret_buf, size_t *ret_len)
{
	int r = pay(jar, member->size < TEXT_MAX ? member->size : 0, NULL);

	return r < 0 ? r : og_zip_read(zip, member, TEXT_MAX, ret_buf, ret_len, NULL);
}

struct inner {
	const struct og_bytes *bytes;
	uint64_t offset;
};

static int read_inner_bytes(void *data, uint64_t offset, void *buf, size_t len)
{
	const struct inner *inner = data;

	return og_bytes_read(inner->bytes, inner->offset + offset, buf, len);
}

/* A stored archive is read where it is; a deflated one is unpacked into memory. */
static int read_inner(struct jar *jar, const struct og_zip *zip, const struct og_zip_member *member,
		      const char *outer, int depth, struct og_err *err)
{
	og_auto_free char *place =
		og_strdupf("%s!/%.*s", outer, (int)member->name.len, member->name.at);
	og_auto_free char *buf = NULL;
	struct og_memory memory = {};
	struct inner inner = { .bytes = zip->bytes };
	struct og_bytes bytes;
	int r;

	if (place == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	if (member->method == 0 && (member->flags & 1) == 0) {
		r = og_zip_place(zip, member, &inner.offset, NULL);
		bytes = (struct og_bytes){ read_inner_bytes, &inner, member->packed };
	} else {
		r = pay(jar, member->size < OG_JAR_INNER_MAX ? member->size : 0, NULL);
		if (r == 0)
			r = og_zip_read(zip, member, OG_JAR_INNER_MAX, &buf, &memory.len, NULL);
		memory.at = (const uint8_t *)buf;
		bytes = og_bytes_of_memory(&memory);
	}
	return r < 0 ? r : read_archive(jar, &bytes, place, depth + 1, err);
}

static bool is_properties(struct og_span name)
{
	return og_span_starts(name, "META-INF/maven/") && og_span_ends(name, "/pom.properties");
}

struct seen {
	const char *place;
	int depth;
	size_t properties;
	char *manifest; /* owned */
	size_t manifest_len;
};

static int read_member(struct jar *jar, const struct og_zip *zip,
		       const struct og_zip_member *member, struct seen *seen, struct og_err *err)
{
	og_auto_free char *buf = NULL;
	size_t len = 0;
	int r = 0;

	if (is_properties(member->name)) {
		r = read_text(jar, zip, member, &buf, &len);
		if (r == 0) {
			seen->properties++;
			r = read_properties(jar, buf, len, seen->place, err);
			return r;
		}
	} else if (og_span_is(member->name, "META-INF/MANIFEST.MF") && seen->manifest == NULL) {
		r = read_text(jar, zip, member, &seen->manifest, &seen->manifest_len);
	} else if (og_jar_is_name(member->name) && seen->depth < OG_JAR_DEPTH_MAX &&
		   member->name.len < NAME_MAX_BYTES) {
		r = read_inner(jar, zip, member, seen->place, seen->depth, err);
	}
	return is_skipped(r) && jar->told == 0 ? 0 : r;
}

static int read_archive(struct jar *jar, const struct og_bytes *bytes, const char *place, int depth,
			struct og_err *err)
{
	og_cleanup(og_zip_done) struct og_zip zip = {};
	struct og_zip_member member = {};
	struct seen seen = { .place = place, .depth = depth };
	int r = pay(jar, ARCHIVE_COST, err);

	if (r == 0)
		r = og_zip_open(bytes, &zip, err);
	if (r == 0)
		r = pay(jar, zip.directory_bytes, err);
	while (r == 0 && og_zip_next(&zip, &member))
		r = read_member(jar, &zip, &member, &seen, err);
	if (r == 0 && seen.properties == 0)
		r = guess(jar, seen.manifest != NULL ? seen.manifest : "", seen.manifest_len, place,
			  err);
	free(seen.manifest);
	return r;
}

int og_jar_read(const struct og_bytes *bytes, const char *path, og_jar_fn *fn, void *data,
		struct og_err *err)
{
	struct jar jar = { .fn = fn, .data = data, .left = OG_JAR_UNPACKED_MAX };

	return read_archive(&jar, bytes, path, 0, err);
}
