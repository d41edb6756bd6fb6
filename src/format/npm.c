/* SPDX-License-Identifier: Apache-2.0 */
#include "format/npm.h"

#include <errno.h>

#include "base/json.h"

/* Where the text of a package's version begins; others are places ("file:x", "git+ssh://x"). */
static bool is_version(struct og_span text)
{
	return text.len > 0 && text.at[0] >= '0' && text.at[0] <= '9' &&
	       memchr(text.at, ':', text.len) == NULL && memchr(text.at, '/', text.len) == NULL;
}

static struct og_span license_of(const struct og_json *object)
{
	const struct og_json *license = og_json_get(object, "license");

	if (license == NULL)
		license = og_json_at(og_json_get(object, "licenses"), 0);
	if (og_json_kind(license) == OG_JSON_OBJECT)
		license = og_json_get(license, "type");
	return og_span_of(og_json_string(license, NULL));
}

/* "a" of "npm:a@1", which is installed under another name. */
static bool cut_alias(struct og_span *name, struct og_span *version)
{
	size_t at = version->len;

	if (!og_span_starts(*version, "npm:"))
		return false;
	while (at > 5 && version->at[at - 1] != '@')
		at--;
	if (at <= 5)
		return false;
	*name = (struct og_span){ version->at + 4, at - 1 - 4 };
	*version = (struct og_span){ version->at + at, version->len - at };
	return true;
}

static int hand_out(struct og_span name, struct og_span version, struct og_span license,
		    og_package_fn *fn, void *data, struct og_err *err)
{
	struct og_package_entry entry = { .name = name, .version = version, .license = license };

	(void)cut_alias(&entry.name, &entry.version);
	if (entry.name.len == 0 || !is_version(entry.version))
		return 0;
	return fn(data, &entry, err);
}

static int parse(const char *buf, size_t len, struct og_json **ret_root, struct og_err *err)
{
	int r = og_json_parse(buf, len, ret_root, err);

	if (r == -EINVAL)
		return -EBADMSG;
	if (r == 0 && og_json_kind(*ret_root) != OG_JSON_OBJECT)
		return og_fail_plain(err, -EBADMSG, "it is no object");
	return r;
}

int og_npm_read_package(const char *buf, size_t len, og_package_fn *fn, void *data,
			struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	int r = parse(buf, len, &root, err);

	if (r < 0)
		return r;
	return hand_out(og_span_of(og_json_string(og_json_get(root, "name"), NULL)),
			og_span_of(og_json_string(og_json_get(root, "version"), NULL)),
			license_of(root), fn, data, err);
}

/* ---- package-lock.json ---- */

static bool is_left_out(const struct og_json *item)
{
	return og_json_bool(og_json_get(item, "dev"), false) ||
	       og_json_bool(og_json_get(item, "link"), false);
}

/* "a/node_modules/@b/c" to "@b/c"; what is not in node_modules is the project itself. */
static struct og_span name_of_place(const char *place)
{
	static const char folder[] = "node_modules/";
	const char *name = NULL;

	for (const char *at = strstr(place, folder); at != NULL; at = strstr(at + 1, folder))
		name = at + sizeof(folder) - 1;
	return og_span_of(name);
}

static int read_places(const struct og_json *packages, og_package_fn *fn, void *data,
		       struct og_err *err)
{
	struct og_json_member member = {};
	int r = 0;

	while (r == 0 && og_json_next(packages, &member)) {
		struct og_span name = name_of_place(member.key);
		const char *real = og_json_string(og_json_get(member.value, "name"), NULL);
		struct og_span version =
			og_span_of(og_json_string(og_json_get(member.value, "version"), NULL));

		if (name.len > 0 && !is_left_out(member.value))
			r = hand_out(real != NULL ? og_span_of(real) : name, version,
				     license_of(member.value), fn, data, err);
	}
	return r;
}

/* Nesting is bounded by the JSON reader's. */
static int read_tree(const struct og_json *dependencies, og_package_fn *fn, void *data,
		     struct og_err *err)
{
	struct og_json_member member = {};
	int r = 0;

	while (r == 0 && og_json_next(dependencies, &member)) {
		struct og_span version =
			og_span_of(og_json_string(og_json_get(member.value, "version"), NULL));

		if (is_left_out(member.value))
			continue;
		r = hand_out(og_span_of(member.key), version, (struct og_span){}, fn, data, err);
		if (r == 0)
			r = read_tree(og_json_get(member.value, "dependencies"), fn, data, err);
	}
	return r;
}

int og_npm_read_lock(const char *buf, size_t len, og_package_fn *fn, void *data, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	int r = parse(buf, len, &root, err);

	if (r < 0)
		return r;
	/* Version 2 has both, saying the same. */
	if (og_json_kind(og_json_get(root, "packages")) == OG_JSON_OBJECT)
		return read_places(og_json_get(root, "packages"), fn, data, err);
	return read_tree(og_json_get(root, "dependencies"), fn, data, err);
}

/* ---- yarn.lock ---- */

static struct og_span unquote(struct og_span span)
{
	span = og_span_trim(span);
	if (span.len > 0 && (span.at[0] == '"' || span.at[0] == '\''))
		span = (struct og_span){ span.at + 1, span.len - 1 };
	if (span.len > 0 && (span.at[span.len - 1] == '"' || span.at[span.len - 1] == '\''))
		span.len--;
	return span;
}

/* "@a/b" of '"@a/b@^1", "@a/b@^1.2":', "c" of 'a@npm:c@1:'. */
static struct og_span name_of_key(struct og_span key)
{
	struct og_span rest, name;
	const char *at;

	(void)og_span_cut(key, ',', &key, &rest);
	if (og_span_ends(key, ":"))
		key.len--;
	key = unquote(key);
	at = key.len > 1 ? memchr(key.at + 1, '@', key.len - 1) : NULL;
	if (at == NULL)
		return (struct og_span){};
	name = (struct og_span){ key.at, (size_t)(at - key.at) };
	rest = (struct og_span){ at + 1, key.len - name.len - 1 };
	if (og_span_starts(rest, "workspace:") || og_span_starts(rest, "link:"))
		return (struct og_span){};
	(void)cut_alias(&name, &rest);
	return name;
}

int og_npm_read_yarn(const char *buf, size_t len, og_package_fn *fn, void *data, struct og_err *err)
{
	struct og_span rest = { buf, len }, line, name = {};
	size_t count = 0;
	int r = 0;

	while (r == 0 && og_span_line(&rest, &line)) {
		struct og_span field = og_span_trim(line);

		if (field.len == 0 || field.at[0] == '#')
			continue;
		if (line.at[0] != ' ') {
			name = og_span_ends(field, ":") ? name_of_key(field) : (struct og_span){};
		} else if (name.len > 0 && og_span_starts(line, "  version")) {
			field = (struct og_span){ field.at + 7, field.len - 7 };
			if (og_span_starts(field, ":"))
				field = (struct og_span){ field.at + 1, field.len - 1 };
			if (count++ == OG_PACKAGES_MAX)
				return og_fail_plain(err, -E2BIG, "over %d packages",
						     OG_PACKAGES_MAX);
			r = hand_out(name, unquote(field), (struct og_span){}, fn, data, err);
			name = (struct og_span){};
		}
	}
	return r;
}

/* ---- pnpm-lock.yaml ---- */

struct pnpm {
	bool old; /* before version 6: "/@a/b/1.2.3_peer@1" instead of "@a/b@1.2.3(peer@1)" */
	bool in_packages;
	bool left_out;
	struct og_span name, version; /* of the package under way */
};

static void pnpm_key(struct pnpm *pnpm, struct og_span key)
{
	struct og_span rest;
	size_t at;

	pnpm->left_out = false;
	pnpm->name = pnpm->version = (struct og_span){};
	key.len--; /* the colon */
	key = unquote(key);
	if (og_span_starts(key, "/"))
		key = (struct og_span){ key.at + 1, key.len - 1 };
	(void)og_span_cut(key, '(', &key, &rest);
	at = key.len;
	while (at > 1 && key.at[at - 1] != (pnpm->old ? '/' : '@'))
		at--;
	if (at <= 1)
		return;
	pnpm->name = (struct og_span){ key.at, at - 1 };
	pnpm->version = (struct og_span){ key.at + at, key.len - at };
	if (pnpm->old)
		(void)og_span_cut(pnpm->version, '_', &pnpm->version, &rest);
}

/* What comes from elsewhere than a registry has its name and version beside it. */
static void pnpm_field(struct pnpm *pnpm, struct og_span field)
{
	struct og_span name, value;

	if (!og_span_cut(field, ':', &name, &value))
		return;
	value = unquote(value);
	if (og_span_is(name, "dev"))
		pnpm->left_out = og_span_is(value, "true");
	else if (og_span_is(name, "name"))
		pnpm->name = value;
	else if (og_span_is(name, "version"))
		pnpm->version = value;
}

static int pnpm_hand_out(struct pnpm *pnpm, og_package_fn *fn, void *data, struct og_err *err)
{
	struct og_span name = pnpm->name;

	pnpm->name = (struct og_span){};
	return name.len == 0 || pnpm->left_out
		       ? 0
		       : hand_out(name, pnpm->version, (struct og_span){}, fn, data, err);
}

/* A line that is not indented: which part of the file follows. */
static void pnpm_part(struct pnpm *pnpm, struct og_span line)
{
	struct og_span key, value;

	pnpm->in_packages = og_span_is(line, "packages:");
	if (og_span_cut(line, ':', &key, &value) && og_span_is(key, "lockfileVersion")) {
		value = unquote(value);
		pnpm->old = value.len > 1 && value.at[0] <= '5' && value.at[1] == '.';
	}
}

int og_npm_read_pnpm(const char *buf, size_t len, og_package_fn *fn, void *data, struct og_err *err)
{
	struct og_span rest = { buf, len }, line;
	struct pnpm pnpm = {};
	size_t count = 0;
	int r = 0;

	while (r == 0 && og_span_line(&rest, &line)) {
		struct og_span field = og_span_trim(line);
		size_t indent = field.len > 0 ? (size_t)(field.at - line.at) : 0;

		if (field.len == 0 || field.at[0] == '#')
			continue;
		if (indent > 2) {
			if (indent == 4)
				pnpm_field(&pnpm, field);
			continue;
		}
		r = pnpm_hand_out(&pnpm, fn, data, err);
		if (indent == 0) {
			pnpm_part(&pnpm, field);
		} else if (pnpm.in_packages && og_span_ends(field, ":")) {
			if (count++ == OG_PACKAGES_MAX)
				return og_fail_plain(err, -E2BIG, "over %d packages",
						     OG_PACKAGES_MAX);
			pnpm_key(&pnpm, field);
		}
	}
	return r == 0 ? pnpm_hand_out(&pnpm, fn, data, err) : r;
}
