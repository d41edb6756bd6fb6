/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/interest.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/db_foreign.h"
#include "base/inflate.h"
#include "base/text.h"
#include "format/apk.h"
#include "format/cargo.h"
#include "format/dpkg.h"
#include "format/elf.h"
#include "format/gem.h"
#include "format/go_build.h"
#include "format/jar.h"
#include "format/lock_toml.h"
#include "format/npm.h"
#include "format/pypi.h"
#include "format/rpm.h"
#include "format/secrets.h"

#define PROGRAM_BYTES_MIN 4096
#define JAR_BYTES_MAX	  ((uint64_t)16 << 30) /* one in a layer is in a file of ours meanwhile */
#define AUDIT_BYTES_MAX	  (8U << 20)	       /* cargo-auditable's own readers take 8 MiB */

/* ---- which ---- */

static bool is_in(const char *path, const char *folder, const char *suffix)
{
	return og_starts_with(path, folder) && og_ends_with(path, suffix) &&
	       strchr(path + strlen(folder), '/') == NULL;
}

/* Below /var/lib/dpkg any name may be one; elsewhere these are. */
static bool may_be_of_system(const char *path, const char *name)
{
	static const char *const names[] = { "os-release", "installed", "rpmdb.sqlite",
					     "Packages.db", "Packages" };

	if (path[0] == 'v')
		return true;
	if (path[0] != 'e' && path[0] != 'u' && path[0] != 'l')
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (name[0] == names[i][0] && og_streq(name, names[i]))
			return true;
	return false;
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
		{ "lib/apk/db/installed", OG_INTEREST_APK },
		{ "usr/lib/apk/db/installed", OG_INTEREST_APK },
		{ "var/lib/rpm/rpmdb.sqlite", OG_INTEREST_RPM_SQLITE },
		{ "usr/lib/sysimage/rpm/rpmdb.sqlite", OG_INTEREST_RPM_SQLITE },
		{ "usr/share/rpm/rpmdb.sqlite", OG_INTEREST_RPM_SQLITE },
		{ "var/lib/rpm/Packages.db", OG_INTEREST_RPM_NDB },
		{ "usr/lib/sysimage/rpm/Packages.db", OG_INTEREST_RPM_NDB },
		{ "usr/share/rpm/Packages.db", OG_INTEREST_RPM_NDB },
		{ "var/lib/rpm/Packages", OG_INTEREST_RPM_BDB },
		{ "usr/lib/sysimage/rpm/Packages", OG_INTEREST_RPM_BDB },
		{ "usr/share/rpm/Packages", OG_INTEREST_RPM_BDB },
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

/* The folder that @end (a slash) closes begins behind the slash before it. */
static const char *part_before(const char *path, const char *end)
{
	while (end > path && end[-1] != '/')
		end--;
	return end;
}

/* ".../node_modules/x/package.json" or ".../@scope/x/...": not what a package has for its own tests. */
static bool is_installed_module(const char *path, const char *name)
{
	static const char *const homes[] = { "node_modules/", "share/nodejs/" };
	const char *part, *above;

	if (name - path < 2)
		return false;
	part = part_before(path, name - 1);
	if (part == path)
		return false;
	above = part_before(path, part - 1);
	if (*above == '@' && above != path)
		above = part_before(path, above - 1);
	for (size_t i = 0; i < sizeof(homes) / sizeof(homes[0]); i++)
		if (og_starts_with(above, homes[i]))
			return true;
	/* Debian's folder has a slash in its name. */
	return above > path && og_starts_with(above, "nodejs/") && above - path >= 6 &&
	       og_starts_with(above - 6, "share/");
}

static bool is_below(const char *path, const char *name, const char *folder)
{
	size_t len = strlen(folder);

	return (size_t)(name - path) >= len && strncmp(name - len, folder, len) == 0;
}

/* A lock file that a package was published with says what its authors had, not what is here. */
static bool is_in_package(const char *path)
{
	static const char *const homes[] = { "node_modules/",	"/gems/",
					     "/site-packages/", "/dist-packages/",
					     "/nodejs/",	"/.cargo/registry/",
					     "usr/src/",	"usr/share/doc/" };

	for (size_t i = 0; i < sizeof(homes) / sizeof(homes[0]); i++)
		if (strstr(path, homes[i]) != NULL)
			return true;
	return false;
}

static enum og_interest of_language(const char *path, const char *name)
{
	size_t len = strlen(name);

	switch (name[len > 0 ? len - 1 : 0]) {
	case 'n':
		if (og_streq(name, "package.json"))
			return is_installed_module(path, name) ? OG_INTEREST_NPM_PACKAGE
							       : OG_INTEREST_NONE;
		return og_streq(name, "package-lock.json") && !is_in_package(path)
			       ? OG_INTEREST_NPM_LOCK
			       : OG_INTEREST_NONE;
	case 'k':
		if (is_in_package(path))
			return OG_INTEREST_NONE;
		return og_streq(name, "yarn.lock") ? OG_INTEREST_YARN_LOCK
		       : og_streq(name, "poetry.lock") || og_streq(name, "uv.lock")
			       ? OG_INTEREST_PYPI_LOCK
		       : og_streq(name, "Pipfile.lock") ? OG_INTEREST_PIPFILE_LOCK
		       : og_streq(name, "Cargo.lock")	? OG_INTEREST_CARGO_LOCK
		       : og_streq(name, "Gemfile.lock") ? OG_INTEREST_GEM_LOCK
							: OG_INTEREST_NONE;
	case 'l':
		if (is_in_package(path))
			return OG_INTEREST_NONE;
		return og_streq(name, "pnpm-lock.yaml") ? OG_INTEREST_PNPM_LOCK
		       : og_streq(name, "pylock.toml")	? OG_INTEREST_PYPI_LOCK
							: OG_INTEREST_NONE;
	case 'A':
		return og_streq(name, "METADATA") && is_below(path, name, ".dist-info/")
			       ? OG_INTEREST_PYPI
			       : OG_INTEREST_NONE;
	case 'O':
		return og_streq(name, "PKG-INFO") && (is_below(path, name, ".egg-info/") ||
						      is_below(path, name, "EGG-INFO/"))
			       ? OG_INTEREST_PYPI
			       : OG_INTEREST_NONE;
	case 'o':
		return og_ends_with(name, ".egg-info") ? OG_INTEREST_PYPI : OG_INTEREST_NONE;
	case 'c':
		return og_ends_with(name, ".gemspec") &&
				       (is_below(path, name, "specifications/") ||
					is_below(path, name, "specifications/default/"))
			       ? OG_INTEREST_GEM_SPEC
			       : OG_INTEREST_NONE;
	default:
		return og_jar_is_name((struct og_span){ name, len }) ? OG_INTEREST_JAR
								     : OG_INTEREST_NONE;
	}
}

enum og_interest og_interest_of(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
	enum og_interest interest = OG_INTEREST_NONE;

	if (may_be_of_system(path, name))
		interest = of_system(path);
	return interest != OG_INTEREST_NONE ? interest : of_language(path, name);
}

static bool could_be_program(const char *path, uint32_t mode, uint64_t size)
{
	const char *slash = strrchr(path, '/');

	return (mode & 0111) != 0 && size >= PROGRAM_BYTES_MIN &&
	       strstr(slash != NULL ? slash : path, ".so") == NULL;
}

struct og_interest_set og_interest_in(const char *path, uint32_t mode, uint64_t size)
{
	struct og_interest_set set = { .reader = og_interest_of(path) };

	if (set.reader == OG_INTEREST_NONE && could_be_program(path, mode, size))
		set.reader = OG_INTEREST_PROGRAM;
	set.secrets = size > 0 && size <= OG_SECRETS_FILE_MAX && og_secrets_is_candidate(path);
	if ((mode & (S_ISUID | S_ISGID)) != 0 && (mode & 0111) != 0)
		set.privileged = mode & 07777;
	return set;
}

bool og_interest_is_any(const struct og_interest_set *set)
{
	return set->reader != OG_INTEREST_NONE || set->secrets || set->privileged != 0;
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

static int add_owned(void *data, struct og_span dir, struct og_span name, struct og_err *err)
{
	const struct reading *reading = data;

	return og_builder_owned(reading->builder, dir, name, err);
}

static int add_at(void *data, const struct og_package_entry *entry, const char *place,
		  struct og_err *err)
{
	const struct reading *reading = data;

	return og_builder_package(reading->builder, reading->type, entry, place, err);
}

static int read_os_release(struct reading *reading, char *buf, size_t len, struct og_err *err)
{
	struct og_os_release release;

	(void)err;
	og_os_release_read(buf, len, &release);
	og_builder_os(reading->builder, &release, reading->path[0] == 'e');
	return 0;
}

static int read_dpkg_status(struct reading *reading, char *buf, size_t len, struct og_err *err)
{
	return og_dpkg_read_status(buf, len, add_package, reading, err);
}

static int read_dpkg_list(struct reading *reading, char *buf, size_t len, struct og_err *err)
{
	return og_dpkg_read_list(buf, len, false, add_owned, reading, err);
}

static int read_dpkg_sums(struct reading *reading, char *buf, size_t len, struct og_err *err)
{
	return og_dpkg_read_list(buf, len, true, add_owned, reading, err);
}

static int read_apk(struct reading *reading, char *buf, size_t len, struct og_err *err)
{
	return og_apk_read_installed(buf, len, add_package, add_owned, reading, err);
}

static int read_rpm_header(void *data, const uint8_t *buf, size_t len, struct og_err *err)
{
	return og_rpm_read_header(buf, len, add_package, add_owned, data, err);
}

static int read_rpm_sqlite(struct reading *reading, char *buf, size_t len, struct og_err *err)
{
	return og_db_foreign_blobs((uint8_t *)buf, len, "Packages", "blob", read_rpm_header,
				   reading, err);
}

static int read_rpm_ndb(struct reading *reading, char *buf, size_t len, struct og_err *err)
{
	return og_rpm_read_ndb((const uint8_t *)buf, len, read_rpm_header, reading, err);
}

static int read_rpm_bdb(struct reading *reading, char *buf, size_t len, struct og_err *err)
{
	return og_rpm_read_bdb((const uint8_t *)buf, len, read_rpm_header, reading, err);
}

static int read_npm_package(struct reading *reading, char *buf, size_t len, struct og_err *err)
{
	return og_npm_read_package(buf, len, add_package, reading, err);
}

static int read_npm_lock(struct reading *reading, char *buf, size_t len, struct og_err *err)
{
	return og_npm_read_lock(buf, len, add_package, reading, err);
}

static int read_yarn_lock(struct reading *reading, char *buf, size_t len, struct og_err *err)
{
	return og_npm_read_yarn(buf, len, add_package, reading, err);
}

static int read_pypi(struct reading *reading, char *buf, size_t len, struct og_err *err)
{
	return og_pypi_read_metadata(buf, len, add_package, reading, err);
}

static int read_pnpm_lock(struct reading *reading, char *buf, size_t len, struct og_err *err)
{
	return og_npm_read_pnpm(buf, len, add_package, reading, err);
}

static int read_pipfile_lock(struct reading *reading, char *buf, size_t len, struct og_err *err)
{
	return og_pypi_read_pipfile(buf, len, add_package, reading, err);
}

static int read_toml_lock(struct reading *reading, char *buf, size_t len, struct og_err *err)
{
	return og_lock_read_toml(buf, len, add_package, reading, err);
}

static int read_gem_spec(struct reading *reading, char *buf, size_t len, struct og_err *err)
{
	return og_gem_read_spec(buf, len, add_package, reading, err);
}

static int read_gem_lock(struct reading *reading, char *buf, size_t len, struct og_err *err)
{
	return og_gem_read_lock(buf, len, add_package, reading, err);
}

static int read_jar(struct reading *reading, const struct og_bytes *bytes, struct og_err *err)
{
	return og_jar_read(bytes, reading->path, add_at, reading, err);
}

static int read_audit(struct reading *reading, const struct og_elf *elf,
		      const struct og_elf_part *part, struct og_err *err)
{
	size_t packed_len = (size_t)part->size, len = 0;
	struct og_inflate_source source;
	og_auto_free char *text = NULL;
	void *packed;
	int r;

	if (part->size > AUDIT_BYTES_MAX)
		return og_fail_plain(err, -EBADMSG, "a list of crates of %zu bytes", packed_len);
	packed = og_builder_scratch(reading->builder, packed_len + 1);
	if (packed == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = og_bytes_read(elf->bytes, part->offset, packed, packed_len);
	source = (struct og_inflate_source){ OG_INFLATE_ZLIB, packed, packed_len, AUDIT_BYTES_MAX };
	if (r == 0)
		r = og_inflate(&source, &text, &len, err);
	reading->type = OG_PACKAGE_CARGO;
	return r < 0 ? r : og_cargo_read_audit(text, len, add_package, reading, err);
}

static int read_program(struct reading *reading, const struct og_bytes *bytes, struct og_err *err)
{
	og_cleanup(og_elf_done) struct og_elf elf = {};
	struct og_elf_part part = {};
	uint8_t head[4] = {};
	int r = og_bytes_read(bytes, 0, head, sizeof(head));

	if (r < 0 || !og_elf_is(head))
		return r;
	r = og_elf_open(bytes, &elf, err);
	if (r < 0)
		return r;
	r = og_go_read_build(&elf, add_package, reading, err);
	if (r != -ENOENT)
		return r;
	r = og_elf_section(&elf, ".dep-v0", &part, err);
	return r < 0 ? (r == -ENOENT ? 0 : r) : read_audit(reading, &elf, &part, err);
}

typedef int read_text_fn(struct reading *reading, char *buf, size_t len, struct og_err *err);
typedef int read_bytes_fn(struct reading *reading, const struct og_bytes *bytes,
			  struct og_err *err);

static const struct reader {
	uint64_t max_bytes;
	enum og_package_type type;
	bool system; /* of a distribution: a failure is one */
	read_text_fn *text;
	read_bytes_fn *bytes; /* or of one that is not read whole */
} readers[OG_INTERESTS] = {
	[OG_INTEREST_OS_RELEASE] = { 64U << 10, 0, false, read_os_release },
	[OG_INTEREST_DPKG_STATUS] = { 64U << 20, OG_PACKAGE_DEB, true, read_dpkg_status },
	[OG_INTEREST_DPKG_STATUS_D] = { 1U << 20, OG_PACKAGE_DEB, true, read_dpkg_status },
	[OG_INTEREST_DPKG_LIST] = { 64U << 20, OG_PACKAGE_DEB, true, read_dpkg_list },
	[OG_INTEREST_DPKG_SUMS] = { 64U << 20, OG_PACKAGE_DEB, true, read_dpkg_sums },
	[OG_INTEREST_APK] = { 64U << 20, OG_PACKAGE_APK, true, read_apk },
	[OG_INTEREST_RPM_SQLITE] = { 512U << 20, OG_PACKAGE_RPM, true, read_rpm_sqlite },
	[OG_INTEREST_RPM_NDB] = { 512U << 20, OG_PACKAGE_RPM, true, read_rpm_ndb },
	[OG_INTEREST_RPM_BDB] = { 512U << 20, OG_PACKAGE_RPM, true, read_rpm_bdb },
	[OG_INTEREST_NPM_PACKAGE] = { 4U << 20, OG_PACKAGE_NPM, false, read_npm_package },
	[OG_INTEREST_NPM_LOCK] = { 64U << 20, OG_PACKAGE_NPM, false, read_npm_lock },
	[OG_INTEREST_YARN_LOCK] = { 64U << 20, OG_PACKAGE_NPM, false, read_yarn_lock },
	[OG_INTEREST_PNPM_LOCK] = { 64U << 20, OG_PACKAGE_NPM, false, read_pnpm_lock },
	[OG_INTEREST_PYPI] = { 8U << 20, OG_PACKAGE_PYPI, false, read_pypi },
	[OG_INTEREST_PYPI_LOCK] = { 64U << 20, OG_PACKAGE_PYPI, false, read_toml_lock },
	[OG_INTEREST_PIPFILE_LOCK] = { 64U << 20, OG_PACKAGE_PYPI, false, read_pipfile_lock },
	[OG_INTEREST_CARGO_LOCK] = { 64U << 20, OG_PACKAGE_CARGO, false, read_toml_lock },
	[OG_INTEREST_GEM_SPEC] = { 4U << 20, OG_PACKAGE_GEM, false, read_gem_spec },
	[OG_INTEREST_GEM_LOCK] = { 64U << 20, OG_PACKAGE_GEM, false, read_gem_lock },
	[OG_INTEREST_JAR] = { JAR_BYTES_MAX, OG_PACKAGE_MAVEN, false, NULL, read_jar },
	[OG_INTEREST_PROGRAM] = { (uint64_t)4 << 30, OG_PACKAGE_GO, false, NULL, read_program },
};

bool og_interest_wants_content(const struct og_interest_set *set, uint64_t size)
{
	return set->secrets ||
	       (set->reader != OG_INTEREST_NONE && size <= readers[set->reader].max_bytes);
}

static int read_text(const struct reader *reader, struct reading *reading,
		     const struct og_bytes *content, struct og_err *err)
{
	size_t len = (size_t)content->size;
	char *buf = og_builder_scratch(reading->builder, len + 1);
	int r;

	if (buf == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = og_bytes_read(content, 0, buf, len);
	if (r < 0)
		return og_fail(err, r, "read");
	buf[len] = '\0';
	return reader->text(reading, buf, len, err);
}

static int read_packages(struct og_builder *builder, const char *path, enum og_interest interest,
			 const struct og_bytes *content, struct og_err *err)
{
	const struct reader *reader = &readers[interest];
	struct reading reading = { .builder = builder, .path = path, .type = reader->type };
	int r;

	if (content == NULL || content->size > reader->max_bytes)
		return !reader->system
			       ? 0
			       : og_fail_plain(err, -EFBIG, "it is over the limit of %llu bytes",
					       (unsigned long long)reader->max_bytes);
	r = reader->text != NULL ? read_text(reader, &reading, content, err)
				 : reader->bytes(&reading, content, err);
	if (!reader->system && (r == -EBADMSG || r == -ENOTSUP || r == -EFBIG))
		r = 0;
	return r;
}

/* The first four letters tell its owner which it is, and nobody else anything. */
static int add_secret(void *data, const struct og_secret *secret, struct og_err *err)
{
	const struct reading *reading = data;
	bool key = og_streq(secret->rule, "private-key");
	int shown = key ? (int)secret->text.len : secret->text.len >= 16 ? 4 : 0;
	char detail[128];

	(void)snprintf(detail, sizeof(detail), "line %zu: %.*s%s", secret->line,
		       shown < 64 ? shown : 64, secret->text.at, key ? "" : "********");
	return og_builder_finding(reading->builder, OG_FINDING_SECRET, secret->rule, detail, err);
}

static int read_secrets(struct og_builder *builder, const char *path,
			const struct og_bytes *content, struct og_err *err)
{
	struct reading reading = { .builder = builder, .path = path };
	size_t len = (size_t)content->size;
	char *buf = og_builder_scratch(builder, len + 1);
	int r;

	if (buf == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	r = og_bytes_read(content, 0, buf, len);
	return r < 0 ? og_fail(err, r, "read")
		     : og_secrets_read(path, buf, len, add_secret, &reading, err);
}

static int add_privileged(struct og_builder *builder, uint32_t mode, struct og_err *err)
{
	char detail[32];

	(void)snprintf(detail, sizeof(detail), "mode %04o", mode);
	return og_builder_finding(builder, OG_FINDING_SETUID, "CIS-DI-0008", detail, err);
}

int og_interest_take(struct og_builder *builder, const char *path,
		     const struct og_interest_set *set, const struct og_bytes *content,
		     struct og_err *err)
{
	int r = 0;

	og_builder_file(builder, path);
	if (set->reader != OG_INTEREST_NONE)
		r = read_packages(builder, path, set->reader, content, err);
	if (r == 0 && set->secrets && content != NULL)
		r = read_secrets(builder, path, content, err);
	if (r == 0 && set->privileged != 0)
		r = add_privileged(builder, set->privileged, err);
	return r < 0 ? og_fail_in(err, r, "'%.300s'", path) : 0;
}
