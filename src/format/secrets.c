/* SPDX-License-Identifier: Apache-2.0 */
#include "format/secrets.h"

#include <ctype.h>
#include <stdint.h>
#include <strings.h>

#include "base/text.h"

#define TEXT_HEAD 1024 /* a NUL here: no text */

struct search {
	const char *path, *name; /* the file's, and its last part */
	const char *buf;
	size_t len;
	og_secret_fn *fn;
	void *data;
	size_t found;
};

/* ---- where ---- */

static bool begins_with_any(const char *path, const char *const *folders, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (og_starts_with(path, folders[i]))
			return true;
	return false;
}

static bool has_any(const char *path, const char *const *folders, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strstr(path, folders[i]) != NULL)
			return true;
	return false;
}

bool og_secrets_is_candidate(const char *path)
{
	/* Trees that distributions and package managers write, but for those that people use. */
	static const char *const trees[] = { "usr/",	 "lib/",  "lib32/",   "lib64/",
					     "bin/",	 "sbin/", "boot/",    "proc/",
					     "sys/",	 "dev/",  "var/lib/", "var/cache/",
					     "var/log/", "run/",  "nix/",     "snap/" };
	static const char *const kept[] = { "usr/local/", "usr/src/app/", "var/lib/jenkins/" };
	static const char *const inside[] = { "node_modules/", "site-packages/", "dist-packages/",
					      "/gems/",	       "/pkg/mod/",	 "/testdata/",
					      "/tests/",       "/test/",	 "/.git/objects/" };

	return (!begins_with_any(path, trees, sizeof(trees) / sizeof(trees[0])) ||
		begins_with_any(path, kept, sizeof(kept) / sizeof(kept[0]))) &&
	       !has_any(path, inside, sizeof(inside) / sizeof(inside[0]));
}

bool og_secrets_is_name(struct og_span name)
{
	static const char *const words[] = { "password",    "passwd",	  "secret",  "token",
					     "api_key",	    "apikey",	  "api-key", "access_key",
					     "private_key", "credential", "auth_key" };
	static const char *const ends[] = { "_file", "_path", "_url", "_uri", "_dir",
					    "_name", "_id",   "_ttl", "_type" };
	char text[128];
	size_t len = name.len < sizeof(text) - 1 ? name.len : sizeof(text) - 1;

	for (size_t i = 0; i < len; i++)
		text[i] = (char)tolower((unsigned char)name.at[i]);
	text[len] = '\0';
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (og_ends_with(text, ends[i]))
			return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strstr(text, words[i]) != NULL)
			return true;
	return false;
}

/* ---- tokens ---- */

enum letters {
	UPPER,
	ALNUM,
	WORD,
	BASE64
};

static bool is_letter(char c, enum letters letters)
{
	bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

	switch (letters) {
	case UPPER:
		return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
	case ALNUM:
		return alnum;
	case WORD:
		return alnum || c == '_' || c == '-';
	case BASE64:
		return alnum || c == '+' || c == '/';
	}
	return false;
}

static size_t count_letters(const char *at, const char *end, enum letters letters)
{
	size_t count = 0;

	while (at + count < end && is_letter(at[count], letters))
		count++;
	return count;
}

static int found(struct search *search, const char *rule, const char *at, size_t len,
		 struct og_err *err)
{
	struct og_secret secret = { .rule = rule, .line = 1, .text = { at, len } };

	if (search->found++ >= OG_SECRETS_EACH_MAX)
		return 0;
	for (const char *line = search->buf;
	     (line = memchr(line, '\n', (size_t)(at - line))) != NULL; line++)
		secret.line++;
	return search->fn(search->data, &secret, err);
}

/* Examples in documentation, and what a template leaves to be filled in. */
static bool is_example(struct og_span text)
{
	static const char *const words[] = { "EXAMPLE", "example",  "xxxxx",	       "XXXXX",
					     "*****",	"changeme", "1234567890123456" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (memmem(text.at, text.len, words[i], strlen(words[i])) != NULL)
			return true;
	return false;
}

struct token {
	const char *rule, *prefix;
	enum letters letters;
	size_t min, max; /* letters behind the prefix */
};

static const struct token tokens[] = {
	{ "aws-access-key", "AKIA", UPPER, 16, 16 },
	{ "aws-access-key", "ASIA", UPPER, 16, 16 },
	{ "github-token", "ghp_", ALNUM, 36, 251 },
	{ "github-token", "gho_", ALNUM, 36, 251 },
	{ "github-token", "ghu_", ALNUM, 36, 251 },
	{ "github-token", "ghs_", ALNUM, 36, 251 },
	{ "github-token", "ghr_", ALNUM, 36, 251 },
	{ "github-token", "github_pat_", WORD, 82, 251 },
	{ "gitlab-token", "glpat-", WORD, 20, 64 },
	{ "slack-token", "xoxb-", WORD, 24, 120 },
	{ "slack-token", "xoxp-", WORD, 24, 120 },
	{ "slack-token", "xoxa-", WORD, 24, 120 },
	{ "slack-token", "xoxr-", WORD, 24, 120 },
	{ "slack-token", "xoxs-", WORD, 24, 120 },
	{ "npm-token", "npm_", ALNUM, 36, 36 },
	{ "pypi-token", "pypi-AgEIcHlwaS5vcmc", WORD, 50, 1000 },
	{ "stripe-key", "sk_live_", ALNUM, 24, 99 },
	{ "google-api-key", "AIza", WORD, 35, 35 },
};

/* Does @token's text begin at @at? */
static int take_token(struct search *search, const struct token *token, const char *at,
		      struct og_err *err)
{
	const char *end = search->buf + search->len;
	size_t prefix = strlen(token->prefix), count;
	struct og_span text;

	if ((size_t)(end - at) < prefix || memcmp(at, token->prefix, prefix) != 0)
		return 0;
	count = count_letters(at + prefix, end, token->letters);
	text = (struct og_span){ at, prefix + count };
	if (count < token->min || count > token->max || is_example(text) ||
	    (at > search->buf && is_letter(at[-1], ALNUM)))
		return 0;
	return found(search, token->rule, at, text.len, err);
}

static unsigned int pair_of(const char *at)
{
	return (unsigned int)(unsigned char)at[0] << 8 | (unsigned char)at[1];
}

/* One pass for all of them: each place is looked at only where two letters begin some token. */
static int find_tokens(struct search *search, struct og_err *err)
{
	const size_t count = sizeof(tokens) / sizeof(tokens[0]);
	uint64_t pairs[65536 / 64] = {};
	int r = 0;

	for (size_t i = 0; i < count; i++)
		pairs[pair_of(tokens[i].prefix) / 64] |= (uint64_t)1
							 << pair_of(tokens[i].prefix) % 64;
	for (size_t at = 0; at + 1 < search->len && r == 0; at++) {
		unsigned int pair = pair_of(search->buf + at);

		if ((pairs[pair / 64] >> pair % 64 & 1) == 0)
			continue;
		for (size_t i = 0; i < count && r == 0; i++)
			r = take_token(search, &tokens[i], search->buf + at, err);
	}
	return r;
}

/* ---- private keys ---- */

/* A key's text is lines of base64; a manual that names the header has none behind it. */
static bool has_key(const char *at, const char *end)
{
	size_t count = 0;

	while (at < end && count < 64) {
		if (*at == '-')
			return false;
		if (*at == '\\' && at + 1 < end && at[1] == 'n') /* in JSON */
			at++;
		else if (is_letter(*at, BASE64))
			count++;
		else if (*at != '\n' && *at != '\r' && *at != ' ' && *at != ':' && *at != ',' &&
			 *at != '=' && *at != '.' && *at != '\t')
			return false;
		at++;
	}
	return count >= 64;
}

static int find_keys(struct search *search, struct og_err *err)
{
	static const char begin[] = "-----BEGIN ";
	const char *end = search->buf + search->len, *at = search->buf;
	int r = 0;

	while (r == 0 && (at = memmem(at, (size_t)(end - at), begin, sizeof(begin) - 1)) != NULL) {
		const char *label = at + sizeof(begin) - 1;
		const char *stop = label < end ? memchr(label, '-', (size_t)(end - label)) : NULL;
		size_t len = stop != NULL ? (size_t)(stop - label) : 0;

		if (len > 0 && len < 40 && end - stop > 5 && memcmp(stop, "-----", 5) == 0 &&
		    (memmem(label, len, "PRIVATE KEY", 11) != NULL) && has_key(stop + 5, end))
			r = found(search, "private-key", at, (size_t)(stop - at) + 5, err);
		at = label;
	}
	return r;
}

/* ---- values with a name ---- */

static struct og_span unquote(struct og_span text)
{
	text = og_span_trim(text);
	while (text.len > 0 && (text.at[text.len - 1] == ',' || text.at[text.len - 1] == ';'))
		text.len--;
	if (text.len >= 2 && (text.at[0] == '"' || text.at[0] == '\'') &&
	    text.at[text.len - 1] == text.at[0])
		text = (struct og_span){ text.at + 1, text.len - 2 };
	return text;
}

/* "name = value", "name: value", "export NAME=value", '"name": "value"'. */
static bool split(struct og_span line, struct og_span *name, struct og_span *value)
{
	struct og_span before, after;

	line = og_span_trim(line);
	if (line.len == 0 || line.at[0] == '#' || line.at[0] == ';')
		return false;
	if (!og_span_cut(line, '=', name, value) && !og_span_cut(line, ':', name, value))
		return false;
	if (og_span_cut(*name, ':', &before, &after) && memchr(name->at, '"', name->len) != NULL) {
		*name = before;
		value->len += (size_t)(value->at - after.at);
		value->at = after.at;
	}
	*name = unquote(*name);
	if (og_span_starts(*name, "export "))
		*name = (struct og_span){ name->at + 7, name->len - 7 };
	*value = unquote(*value);
	return true;
}

/* A value that is given by a variable or a template is not here. */
static bool is_given(struct og_span value)
{
	return value.len > 0 && value.at[0] != '$' && value.at[0] != '{' && value.at[0] != '<' &&
	       value.at[0] != '%' && !is_example(value);
}

/* Letters and digits, no blank, and at least 3.5 bits a letter: no word, no path, no address. */
static bool is_random(struct og_span value)
{
	unsigned int counts[256] = {}, digits = 0, kinds = 0, letters = 0;

	if (value.len < 16 || value.len > 256 || value.at[0] == '/')
		return false;
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.at[i];

		if (c <= ' ' || c >= 0x7f || c == ':' || c == '(' || c == '[')
			return false;
		kinds += counts[c]++ == 0;
		digits += isdigit(c) != 0;
		letters += isalpha(c) != 0;
	}
	/* As many kinds as 2^3.5 = 11.3 needs, in place of the logarithm: text repeats its letters. */
	return digits >= 2 && letters >= 4 && kinds >= 12 && kinds * 3 >= value.len;
}

static bool is_settings(const char *name)
{
	static const char *const ends[] = { ".env",  ".properties", ".ini",  ".cfg",
					    ".conf", ".yml",	    ".yaml", ".toml" };

	if (og_starts_with(name, ".env"))
		return true;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (og_ends_with(name, ends[i]))
			return true;
	return false;
}

static bool is_word(struct og_span name, const char *word)
{
	return name.len == strlen(word) && strncasecmp(name.at, word, name.len) == 0;
}

/* Which rule does this setting of this file fall under? NULL: none. */
static const char *rule_of(const struct search *search, struct og_span name, struct og_span value)
{
	if (is_word(name, "aws_secret_access_key") && value.len == 40 &&
	    count_letters(value.at, value.at + value.len, BASE64) == 40)
		return "aws-secret-key";
	if (og_streq(search->name, ".npmrc") &&
	    (og_span_ends(name, "_authToken") || og_span_ends(name, "_auth") ||
	     og_span_ends(name, "_password")))
		return "npmrc";
	if (og_streq(search->name, ".pypirc") && is_word(name, "password"))
		return "pypirc";
	if (is_settings(search->name) && og_secrets_is_name(name) && is_random(value))
		return "named-secret";
	return NULL;
}

/* Line by line only where some rule could hold. */
static bool may_have_settings(const struct search *search)
{
	return is_settings(search->name) || og_streq(search->name, ".npmrc") ||
	       og_streq(search->name, ".pypirc") ||
	       memmem(search->buf, search->len, "aws_secret_access_key", 21) != NULL ||
	       memmem(search->buf, search->len, "AWS_SECRET_ACCESS_KEY", 21) != NULL;
}

static int find_settings(struct search *search, struct og_err *err)
{
	struct og_span rest = { search->buf, search->len }, line, name, value;
	int r = 0;

	while (r == 0 && og_span_line(&rest, &line)) {
		const char *rule;

		if (line.len > 4096 || !split(line, &name, &value) || !is_given(value))
			continue;
		rule = rule_of(search, name, value);
		if (rule != NULL)
			r = found(search, rule, value.at, value.len, err);
	}
	return r;
}

/* ---- files of passwords ---- */

/* Docker's config.json, on one line or many: "auth": "BASE64". */
static int find_docker_auth(struct search *search, struct og_err *err)
{
	static const char key[] = "\"auth\"";
	const char *end = search->buf + search->len, *at = search->buf;
	int r = 0;

	while (r == 0 && (at = memmem(at, (size_t)(end - at), key, sizeof(key) - 1)) != NULL) {
		struct og_span rest, colon, value;

		at += sizeof(key) - 1;
		rest = (struct og_span){ at, (size_t)(end - at) };
		if (og_span_cut(rest, '"', &colon, &rest) && og_span_is(og_span_trim(colon), ":") &&
		    og_span_cut(rest, '"', &value, &rest) && value.len >= 8 &&
		    count_letters(value.at, value.at + value.len, BASE64) + 2 >= value.len)
			r = found(search, "docker-auth", value.at, value.len, err);
	}
	return r;
}

static bool is_docker_config(const struct search *search)
{
	return og_ends_with(search->path, ".docker/config.json") ||
	       og_streq(search->name, ".dockercfg") || og_streq(search->name, ".dockerconfigjson");
}

/* netrc(5): "machine H login L password P", on one line or several. */
static int find_netrc(struct search *search, struct og_err *err)
{
	struct og_span rest = { search->buf, search->len }, line, head, tail;
	int r = 0;

	while (r == 0 && og_span_line(&rest, &line)) {
		bool next = false;

		for (tail = og_span_trim(line); r == 0 && tail.len > 0; tail = og_span_trim(tail)) {
			if (!og_span_cut(tail, ' ', &head, &tail)) {
				head = tail;
				tail = (struct og_span){};
			}
			if (next && is_given(head))
				r = found(search, "netrc", head.at, head.len, err);
			next = og_span_is(head, "password");
		}
	}
	return r;
}

/* "https://user:password@host" */
static int find_git_credentials(struct search *search, struct og_err *err)
{
	struct og_span rest = { search->buf, search->len }, line, scheme, user, password, host;
	int r = 0;

	while (r == 0 && og_span_line(&rest, &line))
		if (og_span_cut(line, '/', &scheme, &line) && line.len > 1 &&
		    og_span_cut((struct og_span){ line.at + 1, line.len - 1 }, ':', &user,
				&password) &&
		    og_span_cut(password, '@', &password, &host) && is_given(password))
			r = found(search, "git-credentials", password.at, password.len, err);
	return r;
}

int og_secrets_read(const char *path, const char *buf, size_t len, og_secret_fn *fn, void *data,
		    struct og_err *err)
{
	const char *slash = strrchr(path, '/');
	struct search search = { path, slash != NULL ? slash + 1 : path, buf, len, fn, data, 0 };
	int r;

	if (len == 0 || memchr(buf, '\0', len < TEXT_HEAD ? len : TEXT_HEAD) != NULL)
		return 0;
	r = find_keys(&search, err);
	if (r == 0)
		r = find_tokens(&search, err);
	if (r == 0 && may_have_settings(&search))
		r = find_settings(&search, err);
	if (r == 0 && (og_streq(search.name, ".netrc") || og_streq(search.name, "_netrc")))
		r = find_netrc(&search, err);
	if (r == 0 && is_docker_config(&search))
		r = find_docker_auth(&search, err);
	if (r == 0 && og_streq(search.name, ".git-credentials"))
		r = find_git_credentials(&search, err);
	return r;
}
