/* SPDX-License-Identifier: Apache-2.0 */
#include "format/imageconfig.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* The members of "config" that workloads are made from, and what they must be. */
static const struct {
	const char *key;
	enum og_json_kind kind;
} members[] = {
	{ "User", OG_JSON_STRING },	  { "WorkingDir", OG_JSON_STRING },
	{ "StopSignal", OG_JSON_STRING }, { "Env", OG_JSON_ARRAY },
	{ "Cmd", OG_JSON_ARRAY },	  { "Entrypoint", OG_JSON_ARRAY },
	{ "OnBuild", OG_JSON_ARRAY },	  { "Shell", OG_JSON_ARRAY },
	{ "Labels", OG_JSON_OBJECT },	  { "ExposedPorts", OG_JSON_OBJECT },
	{ "Volumes", OG_JSON_OBJECT },	  { "Healthcheck", OG_JSON_OBJECT },
};

static int check_member(const struct og_json *config, const char *key, enum og_json_kind kind,
			struct og_err *err)
{
	const struct og_json *value = og_json_get(config, key);

	if (value == NULL)
		return 0;
	if (og_json_kind(value) != kind)
		return og_fail_plain(err, -EBADMSG, "'%s' is of the wrong kind", key);
	for (size_t i = 0; kind == OG_JSON_ARRAY && i < og_json_count(value); i++)
		if (og_json_kind(og_json_at(value, i)) != OG_JSON_STRING)
			return og_fail_plain(err, -EBADMSG, "'%s' holds more than text", key);
	return 0;
}

static int check_config(const struct og_json *root, struct og_err *err)
{
	struct og_json *config = NULL;
	int r = 0;

	if (og_json_opt_object(root, "config", &config, err) < 0)
		return -EBADMSG;
	for (size_t i = 0; i < COUNT_OF(members) && r == 0; i++)
		r = check_member(config, members[i].key, members[i].kind, err);
	return r;
}

static int parse_diff_ids(struct og_imageconfig *config, struct og_err *err)
{
	struct og_json *rootfs = NULL, *diff_ids = NULL;
	const char *type = "layers";
	size_t count;

	if (og_json_opt_object(config->root, "rootfs", &rootfs, err) < 0 ||
	    og_json_opt_string(rootfs, "type", &type, err) < 0 ||
	    og_json_opt_array(rootfs, "diff_ids", &diff_ids, err) < 0)
		return -EBADMSG;
	if (rootfs == NULL)
		return og_fail_plain(err, -EBADMSG, "it has no 'rootfs'");
	if (!og_streq(type, "layers"))
		return og_fail_plain(err, -ENOTSUP, "its rootfs is of type '%.40s', not layers",
				     type);
	count = og_json_count(diff_ids);
	if (count > OG_MANIFEST_LAYERS_MAX)
		return og_fail_plain(err, -E2BIG, "%zu layers, the limit is %d", count,
				     OG_MANIFEST_LAYERS_MAX);
	config->diff_ids = calloc(count > 0 ? count : 1, sizeof(*config->diff_ids));
	if (config->diff_ids == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	for (size_t i = 0; i < count; i++) {
		const char *text = og_json_string(og_json_at(diff_ids, i), "");

		if (og_digest_parse(text, &config->diff_ids[i]) < 0)
			return og_fail_plain(err, -EBADMSG, "bad diff_id '%.80s'", text);
	}
	config->layer_count = count;
	return 0;
}

static int check_history(const struct og_json *root, struct og_err *err)
{
	struct og_json *history = NULL;

	if (og_json_opt_array(root, "history", &history, err) < 0)
		return -EBADMSG;
	for (size_t i = 0; i < og_json_count(history); i++)
		if (og_json_kind(og_json_at(history, i)) != OG_JSON_OBJECT)
			return og_fail_plain(err, -EBADMSG, "'history' holds more than objects");
	return 0;
}

static int parse_root(struct og_imageconfig *config, struct og_err *err)
{
	struct timespec moment = {};
	int r;

	if (og_json_kind(config->root) != OG_JSON_OBJECT)
		return og_fail_plain(err, -EBADMSG, "it is no JSON object");
	config->os = config->architecture = config->variant = config->created = "";
	if (og_json_opt_string(config->root, "os", &config->os, err) < 0 ||
	    og_json_opt_string(config->root, "architecture", &config->architecture, err) < 0 ||
	    og_json_opt_string(config->root, "variant", &config->variant, err) < 0 ||
	    og_json_opt_string(config->root, "created", &config->created, err) < 0)
		return -EBADMSG;
	if (config->os[0] != '\0' && !og_streq(config->os, "linux"))
		return og_fail_plain(err, -ENOTSUP, "the image is for '%.40s', not linux",
				     config->os);
	if (og_clock_parse(config->created, &moment) == 0)
		config->created_s = moment.tv_sec;
	r = parse_diff_ids(config, err);
	if (r == 0)
		r = check_history(config->root, err);
	return r < 0 ? r : check_config(config->root, err);
}

int og_imageconfig_parse(const char *buf, size_t len, struct og_imageconfig **ret_config,
			 struct og_err *err)
{
	og_cleanup(og_imageconfig_freep) struct og_imageconfig *config = NULL;
	int r;

	if (len > OG_IMAGECONFIG_BYTES_MAX)
		return og_fail_plain(err, -E2BIG, "image configuration: over %u bytes",
				     OG_IMAGECONFIG_BYTES_MAX);
	config = calloc(1, sizeof(*config));
	if (config == NULL)
		return og_fail(err, -ENOMEM, "image configuration: no memory");
	r = og_json_parse(buf, len, &config->root, err);
	if (r == -EINVAL)
		r = -EBADMSG;
	if (r == 0)
		r = parse_root(config, err);
	if (r < 0)
		return og_fail_in(err, r, "image configuration");
	*ret_config = og_take_ptr(config);
	return 0;
}

struct og_imageconfig *og_imageconfig_free(struct og_imageconfig *config)
{
	if (config == NULL)
		return NULL;
	free(config->diff_ids);
	og_json_free(config->root);
	free(config);
	return NULL;
}

/* ---- changes ---- */

typedef int change_fn(struct og_json *config, const char *key, const char *rest,
		      struct og_err *err);

/* The member @key of @config, made when missing. */
static struct og_json *member(struct og_json *config, const char *key, bool array)
{
	struct og_json *value = og_json_get(config, key);

	if (value == NULL) {
		value = array ? og_json_new_array() : og_json_new_object();
		og_json_set(config, key, value);
	}
	return value;
}

/*
 * Takes the next word off *@at, quotes and backslashes as in a Dockerfile. Returns NULL at the end;
 * else the caller frees it.
 */
static char *next_word(const char **at)
{
	og_auto_text word = {};
	const char *p = *at + strspn(*at, " \t");
	char quote = '\0';

	if (*p == '\0')
		return NULL;
	for (; *p != '\0' && (quote != '\0' || (*p != ' ' && *p != '\t')); p++) {
		if (quote == '\0' && (*p == '"' || *p == '\'')) {
			quote = *p;
		} else if (*p == quote) {
			quote = '\0';
		} else {
			if (*p == '\\' && quote != '\'' && p[1] != '\0')
				p++;
			og_text_add_bytes(&word, p, 1);
		}
	}
	*at = p;
	return og_text_take(&word);
}

/* A JSON list of text, or NULL when @text is none. The caller frees it. */
static struct og_json *text_list(const char *text)
{
	og_cleanup(og_json_freep) struct og_json *list = NULL;

	if (text[0] != '[' || og_json_parse(text, strlen(text), &list, NULL) < 0)
		return NULL;
	if (og_json_kind(list) != OG_JSON_ARRAY)
		return NULL;
	for (size_t i = 0; i < og_json_count(list); i++)
		if (og_json_kind(og_json_at(list, i)) != OG_JSON_STRING)
			return NULL;
	return og_take_ptr(list);
}

static int change_command(struct og_json *config, const char *key, const char *rest,
			  struct og_err *err)
{
	struct og_json *list = text_list(rest);

	(void)err;
	if (list == NULL) {
		list = og_json_new_array();
		og_json_push(list, og_json_new_string("/bin/sh"));
		og_json_push(list, og_json_new_string("-c"));
		og_json_push(list, og_json_new_string(rest));
	}
	og_json_set(config, key, list);
	return 0;
}

static int change_text(struct og_json *config, const char *key, const char *rest,
		       struct og_err *err)
{
	(void)err;
	og_json_set_string(config, key, rest);
	return 0;
}

static int change_workdir(struct og_json *config, const char *key, const char *rest,
			  struct og_err *err)
{
	const char *old = og_json_string(og_json_get(config, key), "/");
	og_auto_free char *joined = NULL;

	if (rest[0] == '/')
		return change_text(config, key, rest, err);
	joined = og_strdupf("%s%s%s", old, og_ends_with(old, "/") ? "" : "/", rest);
	if (joined == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	og_json_set_string(config, key, joined);
	return 0;
}

/* "NAME=VALUE" joins or replaces in the list of those. */
static void set_env(struct og_json *config, const char *key, const char *pair)
{
	struct og_json *old = og_json_get(config, key);
	struct og_json *list = og_json_new_array();
	size_t name_len = strcspn(pair, "=") + 1;

	for (size_t i = 0; i < og_json_count(old); i++) {
		const char *text = og_json_string(og_json_at(old, i), "");

		if (strncmp(text, pair, name_len) != 0)
			og_json_push(list, og_json_new_string(text));
	}
	og_json_push(list, og_json_new_string(pair));
	og_json_set(config, key, list);
}

static void set_label(struct og_json *config, const char *key, const char *pair)
{
	size_t name_len = strcspn(pair, "=");
	og_auto_free char *name = og_strdupf("%.*s", (int)name_len, pair);

	if (name != NULL)
		og_json_set_string(member(config, key, false), name, pair + name_len + 1);
}

/* "A=B C=D", or "A the rest" as Docker still takes it. */
static int change_pairs(struct og_json *config, const char *key, const char *rest,
			struct og_err *err)
{
	const char *at = rest;
	bool old_form = true;

	for (;;) {
		og_auto_free char *word = next_word(&at);
		og_auto_free char *pair = NULL;

		if (word == NULL)
			return 0;
		if (strchr(word, '=') != NULL) {
			pair = og_take_ptr(word);
		} else if (old_form && *at != '\0') {
			pair = og_strdupf("%s=%s", word, at + strspn(at, " \t"));
			at += strlen(at);
		}
		if (pair == NULL || pair[0] == '=')
			return og_fail_plain(err, -EINVAL, "wanted NAME=VALUE");
		old_form = false;
		if (og_streq(key, "Env"))
			set_env(config, key, pair);
		else
			set_label(config, key, pair);
	}
}

static int change_set(struct og_json *config, const char *key, const char *rest, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *list = text_list(rest);
	struct og_json *set = member(config, key, false);
	bool ports = og_streq(key, "ExposedPorts");

	(void)err;
	for (size_t i = 0; i < og_json_count(list); i++)
		og_json_set(set, og_json_string(og_json_at(list, i), ""), og_json_new_object());
	while (list == NULL) {
		og_auto_free char *word = next_word(&rest);
		og_auto_free char *name = NULL;

		if (word == NULL)
			break;
		name = og_strdupf("%s%s", word, ports && strchr(word, '/') == NULL ? "/tcp" : "");
		if (name != NULL)
			og_json_set(set, name, og_json_new_object());
	}
	return 0;
}

static int change_onbuild(struct og_json *config, const char *key, const char *rest,
			  struct og_err *err)
{
	(void)err;
	og_json_push(member(config, key, true), og_json_new_string(rest));
	return 0;
}

static const struct {
	const char *word, *key;
	change_fn *fn;
} changes[] = {
	{ "CMD", "Cmd", change_command },
	{ "ENTRYPOINT", "Entrypoint", change_command },
	{ "ENV", "Env", change_pairs },
	{ "EXPOSE", "ExposedPorts", change_set },
	{ "LABEL", "Labels", change_pairs },
	{ "ONBUILD", "OnBuild", change_onbuild },
	{ "STOPSIGNAL", "StopSignal", change_text },
	{ "USER", "User", change_text },
	{ "VOLUME", "Volumes", change_set },
	{ "WORKDIR", "WorkingDir", change_workdir },
};

int og_imageconfig_change(struct og_json *config, const char *change, struct og_err *err)
{
	size_t word_len = strcspn(change, " \t");
	const char *rest = change + word_len + strspn(change + word_len, " \t");
	int r;

	for (size_t i = 0; i < COUNT_OF(changes); i++) {
		if (strlen(changes[i].word) != word_len ||
		    strncasecmp(changes[i].word, change, word_len) != 0)
			continue;
		if (*rest == '\0')
			return og_fail_plain(err, -EINVAL, "change '%.80s': nothing follows",
					     change);
		r = changes[i].fn(config, changes[i].key, rest, err);
		return r < 0 ? og_fail_in(err, r, "change '%.80s'", change) : 0;
	}
	return og_fail_plain(err, -EINVAL,
			     "change '%.80s': only CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, "
			     "STOPSIGNAL, USER, VOLUME and WORKDIR",
			     change);
}
