/* SPDX-License-Identifier: Apache-2.0 */
/* What a container's configuration takes from its image, and signals' names. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "format/docker_create.h"

static void take_if_empty(struct og_json *body, const struct og_json *config, const char *key)
{
	const char *own = og_json_string(og_json_get(body, key), "");
	const char *given = og_json_string(og_json_get(config, key), NULL);

	if (*own == '\0' && given != NULL)
		og_json_set_string(body, key, given);
}

static bool has_name(const struct og_json *env, const char *entry)
{
	size_t len = strcspn(entry, "=");

	for (size_t i = 0; i < og_json_count(env); i++) {
		const char *other = og_json_string(og_json_at(env, i), "");

		if (strncmp(other, entry, len) == 0 && (other[len] == '=' || other[len] == '\0'))
			return true;
	}
	return false;
}

static void join_env(struct og_json *body, const struct og_json *config)
{
	const struct og_json *given = og_json_get(config, "Env");
	const struct og_json *own = og_json_get(body, "Env");
	struct og_json *env = own == NULL ? og_json_new_array() : og_json_copy(own);

	for (size_t i = 0; i < og_json_count(given); i++) {
		const char *entry = og_json_string(og_json_at(given, i), NULL);

		if (entry != NULL && !has_name(own, entry))
			og_json_push(env, og_json_new_string(entry));
	}
	og_json_set(body, "Env", env);
}

static void join_map(struct og_json *body, const struct og_json *config, const char *key)
{
	const struct og_json *given = og_json_get(config, key);
	const struct og_json *own = og_json_get(body, key);
	struct og_json *map = own == NULL ? og_json_new_object() : og_json_copy(own);
	struct og_json_member member = {};

	while (og_json_next(given, &member)) {
		if (og_json_get(map, member.key) == NULL)
			og_json_set(map, member.key, og_json_copy(member.value));
	}
	og_json_set(body, key, map);
}

static void take_command(struct og_json *body, const struct og_json *config)
{
	const struct og_json *entrypoint = og_json_get(body, "Entrypoint");

	if (og_json_count(entrypoint) > 0)
		return;
	if (og_json_count(og_json_get(body, "Cmd")) == 0)
		og_json_set(body, "Cmd", og_json_copy(og_json_get(config, "Cmd")));
	if (entrypoint == NULL)
		og_json_set(body, "Entrypoint", og_json_copy(og_json_get(config, "Entrypoint")));
}

struct og_json *og_create_complete(const struct og_json *body, const struct og_json *image_config)
{
	struct og_json *whole = og_json_copy(body);
	const struct og_json *config = og_json_get(image_config, "config");

	if (config == NULL) /* a Docker image of old */
		config = og_json_get(image_config, "container_config");
	take_command(whole, config);
	join_env(whole, config);
	join_map(whole, config, "Labels");
	join_map(whole, config, "Volumes");
	join_map(whole, config, "ExposedPorts");
	take_if_empty(whole, config, "WorkingDir");
	take_if_empty(whole, config, "User");
	take_if_empty(whole, config, "StopSignal");
	return whole;
}

int og_signal_parse(const char *text)
{
	const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
	uint64_t number;

	if (og_parse_u64(text, 1, 64, &number) == 0)
		return (int)number;
	for (int i = 1; i < 32; i++) {
		const char *abbreviation = sigabbrev_np(i);

		if (abbreviation != NULL && strcasecmp(name, abbreviation) == 0)
			return i;
	}
	if (strncasecmp(name, "RTMIN+", 6) == 0 && og_parse_u64(name + 6, 0, 30, &number) == 0)
		return 34 + (int)number;
	if (strcasecmp(name, "RTMIN") == 0)
		return 34;
	if (strcasecmp(name, "RTMAX") == 0)
		return 64;
	return 0;
}
