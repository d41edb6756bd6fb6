/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/vulndb_import.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/compress.h"
#include "base/io.h"
#include "base/text.h"
#include "base/yaml.h"
#include "format/advisories.h"
#include "format/osv.h"
#include "format/zip.h"

#define DEPTH_MAX   16 /* folders in folders */
#define INPUT_BYTES 65536

enum kind {
	KIND_NONE,
	KIND_JSON,
	KIND_YAML,
	KIND_LINES,
	KIND_CHANGELOG
};

/* A file as it comes in, decompressed: whole documents in @text, or line by line. */
struct input {
	struct og_import *import;
	enum kind kind;
	struct og_text text;
};

/* Of the record, or of the database? The first is counted, the second ends the import. */
static int judge(struct og_import *import, int r, const struct og_err *why, struct og_err *err)
{
	if (r >= 0)
		return 0;
	if (r != -EINVAL && r != -E2BIG)
		return og_fail_as(err, r, why->text);
	if (import->refused++ == 0)
		import->first = *why;
	return 0;
}

static int add(void *data, struct og_vuln *vuln, struct og_err *err)
{
	struct og_import *import = data;

	return og_vulndb_writer_add(import->writer, vuln, err);
}

static int import_osv(const struct og_json *root, struct og_import *import, struct og_err *err)
{
	og_auto_vuln vuln = {};
	int r = og_osv_read(root, &vuln, err);

	return r < 0 ? r : add(import, &vuln, err);
}

static bool is_osv(const struct og_json *root)
{
	return og_json_get(root, "id") != NULL &&
	       (og_json_get(root, "affected") != NULL || og_json_get(root, "modified") != NULL);
}

static int import_tree(const struct og_json *root, struct og_import *import, struct og_err *err)
{
	static const struct {
		bool (*is)(const struct og_json *root);
		int (*read)(const struct og_json *root, og_vuln_fn *fn, void *data,
			    struct og_err *err);
	} forms[] = {
		{ og_advisories_is_alpine, og_advisories_alpine },
		{ og_advisories_is_nodejs, og_advisories_nodejs },
		{ og_advisories_is_rubysec, og_advisories_rubysec },
		{ og_advisories_is_retirejs, og_advisories_retirejs },
	};
	struct og_err why = {};

	if (is_osv(root))
		return judge(import, import_osv(root, import, &why), &why, err);
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (forms[i].is(root))
			return judge(import, forms[i].read(root, add, import, &why), &why, err);
	import->strange++;
	return 0;
}

static int import_json(struct og_import *import, const char *buf, size_t len, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	struct og_err why = {};
	int r = og_json_parse(buf, len, &root, &why);

	if (r < 0)
		return judge(import, r, &why, err);
	if (og_json_kind(root) != OG_JSON_ARRAY)
		return import_tree(root, import, err);
	for (size_t i = 0; r == 0 && i < og_json_count(root); i++)
		r = import_tree(og_json_at(root, i), import, err);
	return r;
}

static int import_yaml(struct og_import *import, const char *buf, size_t len, struct og_err *err)
{
	og_cleanup(og_yaml_freep) struct og_yaml *yaml = NULL;
	struct og_err why = {};
	int r = og_yaml_parse(buf, len, &yaml, &why);

	return r < 0 ? judge(import, r, &why, err) : import_tree(og_yaml_root(yaml), import, err);
}

static int import_changelog(struct og_import *import, const char *buf, size_t len,
			    struct og_err *err)
{
	struct og_err why = {};
	int r;

	if (import->ecosystem == NULL)
		return og_fail_plain(err, -ENOTSUP,
				     "a changelog does not say which release it is of: "
				     "--ecosystem Debian:12");
	r = og_advisories_debian_changelog(buf, len, import->ecosystem, add, import, &why);
	return judge(import, r, &why, err);
}

static int take_lines(struct input *input, const char *buf, size_t len, struct og_err *err)
{
	while (len > 0) {
		const char *end = memchr(buf, '\n', len);
		size_t here = end != NULL ? (size_t)(end - buf) : len;
		int r;

		if (input->text.len + here > OG_IMPORT_LINE_MAX)
			return og_fail(err, -EFBIG, "a line of more than %u bytes",
				       OG_IMPORT_LINE_MAX);
		og_text_add_bytes(&input->text, buf, here);
		if (input->text.failed)
			return og_fail(err, -ENOMEM, "a line");
		if (end == NULL)
			return 0;
		r = input->text.len > 0
			    ? import_json(input->import, input->text.buf, input->text.len, err)
			    : 0;
		if (r < 0)
			return r;
		og_text_clear(&input->text);
		buf += here + 1;
		len -= here + 1;
	}
	return 0;
}

static int take(void *data, const void *buf, size_t len, struct og_err *err)
{
	struct input *input = data;

	if (input->kind == KIND_LINES)
		return take_lines(input, buf, len, err);
	if (input->text.len + len > OG_IMPORT_DOCUMENT_MAX)
		return og_fail(err, -EFBIG, "more than %u bytes", OG_IMPORT_DOCUMENT_MAX);
	og_text_add_bytes(&input->text, buf, len);
	return input->text.failed ? og_fail(err, -ENOMEM, "a file") : 0;
}

static int read_all(int fd, struct og_decompress *decompress, struct og_err *err)
{
	og_auto_free char *buf = malloc(INPUT_BYTES);

	if (buf == NULL)
		return og_fail(err, -ENOMEM, "read");
	for (;;) {
		ssize_t n = read(fd, buf, INPUT_BYTES);
		int r;

		if (n < 0)
			return og_fail(err, -errno, "read");
		if (n == 0)
			return og_decompress_finish(decompress, err);
		r = og_decompress_feed(decompress, buf, (size_t)n, err);
		if (r < 0)
			return r;
	}
}

static int end_of_file(struct input *input, struct og_err *err)
{
	struct og_import *import = input->import;
	const char *buf = input->text.buf;

	import->files++;
	if (input->text.len == 0)
		return 0;
	switch (input->kind) {
	case KIND_CHANGELOG:
		return import_changelog(import, buf, input->text.len, err);
	case KIND_YAML:
		return import_yaml(import, buf, input->text.len, err);
	case KIND_JSON:
	case KIND_LINES:
	case KIND_NONE:
	default:
		return import_json(import, buf, input->text.len, err);
	}
}

static int import_fd(struct og_import *import, int fd, enum kind kind, struct og_err *err)
{
	og_cleanup(og_decompress_freep) struct og_decompress *decompress = NULL;
	struct input input = { .import = import, .kind = kind };
	struct og_decompress_limits limits = {};
	int r = og_decompress_new(&limits, take, &input, &decompress, err);

	if (r == 0)
		r = read_all(fd, decompress, err);
	if (r == 0)
		r = end_of_file(&input, err);
	og_text_done(&input.text);
	return r;
}

static int read_at(void *data, uint64_t offset, void *buf, size_t len)
{
	ssize_t n = og_pread_upto(*(const int *)data, buf, len, offset);

	return n < 0 ? (int)n : (size_t)n == len ? 0 : -ESTALE;
}

/* As OSV publishes an ecosystem: a document a record. */
static int import_zip(struct og_import *import, int fd, uint64_t size, struct og_err *err)
{
	struct og_bytes bytes = { read_at, &fd, size };
	struct og_zip_member member = {};
	og_cleanup(og_zip_done) struct og_zip zip = {};
	int r = og_zip_open(&bytes, &zip, err);

	while (r == 0 && og_zip_next(&zip, &member)) {
		og_auto_free char *buf = NULL;
		size_t len = 0;

		if (!og_span_ends(member.name, ".json"))
			continue;
		r = og_zip_read(&zip, &member, OG_IMPORT_DOCUMENT_MAX, &buf, &len, err);
		if (r == 0) {
			import->files++;
			r = import_json(import, buf, len, err);
		}
	}
	return r;
}

static enum kind kind_of(const char *path)
{
	static const struct {
		const char *suffix;
		enum kind kind;
	} suffixes[] = {
		{ ".jsonl", KIND_LINES },
		{ ".json", KIND_JSON },
		{ ".yaml", KIND_YAML },
		{ ".yml", KIND_YAML },
		{ ".changelog", KIND_CHANGELOG },
		{ "changelog", KIND_CHANGELOG },
		{ "changelog.Debian", KIND_CHANGELOG },
	};

	size_t len = strlen(path);

	if (og_ends_with(path, ".gz"))
		len -= 3;
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		size_t suffix = strlen(suffixes[i].suffix);

		if (len >= suffix && memcmp(path + len - suffix, suffixes[i].suffix, suffix) == 0)
			return suffixes[i].kind;
	}
	return KIND_NONE;
}

static int import_at(struct og_import *import, int dir_fd, const char *name, int depth,
		     struct og_err *err);

/* In the order of their names, so that the same files make the same database. */
static int import_folder(struct og_import *import, int fd, int depth, struct og_err *err)
{
	struct dirent **entries = NULL;
	int count, r = 0;

	if (depth == DEPTH_MAX)
		return og_fail(err, -E2BIG, "more than %d folders in each other", DEPTH_MAX);
	count = scandirat(fd, ".", &entries, NULL, alphasort);
	if (count < 0)
		return og_fail(err, -errno, "list");
	for (int i = 0; i < count; i++) {
		if (r == 0 && entries[i]->d_name[0] != '.')
			r = import_at(import, fd, entries[i]->d_name, depth + 1, err);
		free(entries[i]);
	}
	free(entries);
	return r;
}

static int import_at(struct og_import *import, int dir_fd, const char *name, int depth,
		     struct og_err *err)
{
	/* Below a folder that was named, links may lead anywhere; the named one itself is the user's. */
	int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (depth > 0 ? O_NOFOLLOW : 0);
	og_auto_fd fd = openat(dir_fd, name, flags);
	enum kind kind = kind_of(name);
	struct stat st;
	int r;

	if (fd < 0 && depth > 0 && errno == ELOOP)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return og_fail(err, -errno, "open '%s'", name);
	if (S_ISDIR(st.st_mode))
		r = import_folder(import, fd, depth, err);
	else if (!S_ISREG(st.st_mode))
		return 0;
	else if (og_ends_with(name, ".zip"))
		r = import_zip(import, fd, (uint64_t)st.st_size, err);
	else if (depth > 0 && kind == KIND_NONE)
		return 0;
	else
		r = import_fd(import, fd, kind, err);
	return r < 0 ? og_fail_in(err, r, "'%s'", name) : 0;
}

int og_vulndb_import(struct og_import *import, int dir_fd, const char *path, struct og_err *err)
{
	return import_at(import, dir_fd, path, 0, err);
}
