/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/text.h"
#include "runtime/defaults.h"

/* Container root is the user, and there is nobody else. */
static struct og_json *one_map(uint64_t id)
{
	struct og_json *maps = og_json_new_array();
	struct og_json *map = og_json_new_object();

	og_json_set_int(map, "containerID", 0);
	og_json_set_int(map, "hostID", (int64_t)id);
	og_json_set_int(map, "size", 1);
	og_json_push(maps, map);
	return maps;
}

/* Without the network's: an ordinary user has nothing to connect a new one with. */
static struct og_json *namespaces_of_user(void)
{
	og_cleanup(og_json_freep) struct og_json *all = og_defaults_namespaces();
	struct og_json *chosen = og_json_new_array();
	struct og_json *user = og_json_new_object();

	og_json_set_string(user, "type", "user");
	og_json_push(chosen, user);
	for (size_t i = 0; i < og_json_count(all); i++) {
		const struct og_json *one = og_json_at(all, i);

		if (!og_streq(og_json_string(og_json_get(one, "type"), ""), "network"))
			og_json_push(chosen, og_json_copy(one));
	}
	return chosen;
}

static struct og_json *without_ids(const struct og_json *options)
{
	struct og_json *kept = og_json_new_array();

	for (size_t i = 0; i < og_json_count(options); i++) {
		const char *word = og_json_string(og_json_at(options, i), "");

		if (!og_starts_with(word, "gid=") && !og_starts_with(word, "uid="))
			og_json_push(kept, og_json_new_string(word));
	}
	return kept;
}

/* sysfs shows the network namespace: the host's is bound. */
static struct og_json *sys_of_host(void)
{
	static const char *const words[] = { "rbind", "nosuid", "noexec", "nodev", "rro" };
	struct og_json *mount = og_json_new_object();
	struct og_json *options = og_json_new_array();

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		og_json_push(options, og_json_new_string(words[i]));
	og_json_set_string(mount, "destination", "/sys");
	og_json_set_string(mount, "type", "none");
	og_json_set_string(mount, "source", "/sys");
	og_json_set(mount, "options", options);
	return mount;
}

static struct og_json *mounts_of_user(void)
{
	og_cleanup(og_json_freep) struct og_json *all = og_defaults_mounts();
	struct og_json *chosen = og_json_new_array();

	for (size_t i = 0; i < og_json_count(all); i++) {
		struct og_json *mount;

		if (og_streq(og_json_string(og_json_get(og_json_at(all, i), "type"), ""),
			     "sysfs")) {
			og_json_push(chosen, sys_of_host());
			continue;
		}
		mount = og_json_copy(og_json_at(all, i));
		og_json_set(mount, "options", without_ids(og_json_get(mount, "options")));
		og_json_push(chosen, mount);
	}
	return chosen;
}

struct og_json *og_defaults_rootless_config(uint64_t uid, uint64_t gid)
{
	struct og_json *config = og_defaults_config();
	struct og_json *lin = og_json_get(config, "linux");

	og_json_set(config, "mounts", mounts_of_user());
	og_json_set(lin, "namespaces", namespaces_of_user());
	og_json_set(lin, "uidMappings", one_map(uid));
	og_json_set(lin, "gidMappings", one_map(gid));
	og_json_unset(lin, "resources");
	return config;
}
