/* SPDX-License-Identifier: Apache-2.0 */
/* The image checks of CIS Docker Benchmark, chapter 4, as far as a configuration tells. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "format/secrets.h"
#include "trust/inspect_image.h"

const char *og_history_of_layer(const struct og_imageconfig *config, size_t index)
{
	const struct og_json *history = og_json_get(config->root, "history");
	size_t layer = 0;

	for (size_t i = 0; i < og_json_count(history); i++) {
		const struct og_json *item = og_json_at(history, i);

		if (og_json_bool(og_json_get(item, "empty_layer"), false))
			continue;
		if (layer++ == index)
			return og_json_string(og_json_get(item, "created_by"), "");
	}
	return "";
}

static int check_user(struct og_builder *builder, const struct og_json *settings,
		      struct og_err *err)
{
	const char *user = og_json_string(og_json_get(settings, "User"), "");
	size_t len = strcspn(user, ":");

	if (len > 0 && !(len == 1 && user[0] == '0') && !(len == 4 && memcmp(user, "root", 4) == 0))
		return 0;
	return og_builder_config_finding(
		builder, OG_FINDING_ROOT_USER, "CIS-DI-0001", "User",
		len == 0 ? "no user is set: it runs as root" : "it runs as root", err);
}

static int check_health(struct og_builder *builder, const struct og_json *settings,
			struct og_err *err)
{
	const struct og_json *test = og_json_get(og_json_get(settings, "Healthcheck"), "Test");

	if (og_json_count(test) > 0 && !og_streq(og_json_string(og_json_at(test, 0), ""), "NONE"))
		return 0;
	return og_builder_config_finding(builder, OG_FINDING_NO_HEALTHCHECK, "CIS-DI-0006",
					 "Healthcheck", "no health check is set", err);
}

/* A value that names a file or another variable is no secret. */
static int check_variable(struct og_builder *builder, const char *variable, struct og_err *err)
{
	struct og_span name, value;
	og_auto_free char *text = NULL;

	if (!og_span_cut(og_span_of(variable), '=', &name, &value) || value.len < 4 ||
	    value.at[0] == '/' || value.at[0] == '$' || !og_secrets_is_name(name))
		return 0;
	text = strndup(name.at, name.len);
	if (text == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	return og_builder_config_finding(builder, OG_FINDING_ENV_SECRET, "CIS-DI-0010", text,
					 "its value is in the image for everyone to read", err);
}

static int check_environment(struct og_builder *builder, const struct og_json *settings,
			     struct og_err *err)
{
	const struct og_json *env = og_json_get(settings, "Env");
	int r = 0;

	for (size_t i = 0; i < og_json_count(env) && r == 0; i++)
		r = check_variable(builder, og_json_string(og_json_at(env, i), ""), err);
	return r;
}

/*
 * "ADD x /y" (BuildKit) or "/bin/sh -c #(nop) ADD file:HASH in /y": but not a root file system, which
 * goes to "/", nor an address, which COPY does not take, nor an archive, which ADD unpacks.
 */
static bool is_needless_add(const char *instruction)
{
	static const char nop[] = "#(nop) ";
	const char *at = strstr(instruction, nop);
	size_t len;

	at = at != NULL ? at + sizeof(nop) - 1 : instruction;
	if (!og_starts_with(at, "ADD "))
		return false;
	if (strstr(at, "://") != NULL || strstr(at, ".tar") != NULL || strstr(at, ".tgz") != NULL)
		return false;
	len = strlen(at);
	if (og_ends_with(at, " # buildkit"))
		len -= strlen(" # buildkit");
	while (len > 0 && at[len - 1] == ' ')
		len--;
	return !(len >= 2 && at[len - 1] == '/' && at[len - 2] == ' ');
}

/* A list of packages that a layer keeps while later ones install from it is an old one. */
static bool is_update_alone(const char *instruction)
{
	static const char *const updates[] = { "apt-get update", "apt update", "apk update",
					       "apt-get -y update", "apt-get update -y" };
	static const char *const uses[] = { " install", " upgrade", "-upgrade", " add ",
					    " build-dep" };
	bool update = false;

	for (size_t i = 0; i < sizeof(updates) / sizeof(updates[0]); i++)
		update = update || strstr(instruction, updates[i]) != NULL;
	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++)
		update = update && strstr(instruction, uses[i]) == NULL;
	return update;
}

static int check_history(struct og_builder *builder, const struct og_json *history,
			 struct og_err *err)
{
	int r = 0;

	for (size_t i = 0; i < og_json_count(history) && r == 0; i++) {
		const char *instruction =
			og_json_string(og_json_get(og_json_at(history, i), "created_by"), "");

		if (is_needless_add(instruction))
			r = og_builder_config_finding(builder, OG_FINDING_ADD, "CIS-DI-0009",
						      "history", instruction, err);
		if (r == 0 && is_update_alone(instruction))
			r = og_builder_config_finding(builder, OG_FINDING_UPDATE_ALONE,
						      "CIS-DI-0007", "history", instruction, err);
	}
	return r;
}

int og_inspect_config(struct og_builder *builder, const struct og_imageconfig *config,
		      struct og_err *err)
{
	const struct og_json *settings = og_json_get(config->root, "config");
	int r = check_user(builder, settings, err);

	if (r == 0)
		r = check_health(builder, settings, err);
	if (r == 0)
		r = check_environment(builder, settings, err);
	return r < 0 ? r : check_history(builder, og_json_get(config->root, "history"), err);
}
