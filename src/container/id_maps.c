/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/PID/uid_map and gid_map (user_namespaces(7)). Root writes them. An ordinary user may map
 * his own number alone, and gives up setgroups(2) for that; ranges that root granted him in
 * /etc/subuid and /etc/subgid are mapped by newuidmap(1) and newgidmap(1).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/spawn.h"
#include "base/text.h"
#include "container/idmap.h"
#include "container/namespaces.h"

#define OUTPUT_MAX 1024 /* bytes of what a helper has to say */

struct map_kind {
	const char *file;    /* in /proc/PID */
	const char *program; /* that maps granted ranges */
	const char *grants;
};

static const struct map_kind uid_kind = { "uid_map", "newuidmap", "/etc/subuid" };
static const struct map_kind gid_kind = { "gid_map", "newgidmap", "/etc/subgid" };

/* "newuidmap PID INSIDE OUTSIDE SIZE ..." */
static char **helper_words(pid_t pid, const struct map_kind *kind,
			   const struct og_oci_id_maps *maps)
{
	og_cleanup(og_strv_freep) char **words = calloc(3 * maps->count + 3, sizeof(char *));
	size_t count = 0;

	if (words == NULL)
		return NULL;
	words[count++] = strdup(kind->program);
	words[count++] = og_strdupf("%d", (int)pid);
	for (size_t i = 0; i < maps->count; i++) {
		const uint64_t numbers[] = { maps->items[i].container_id, maps->items[i].host_id,
					     maps->items[i].size };

		for (size_t j = 0; j < 3; j++)
			words[count++] = og_strdupf("%llu", (unsigned long long)numbers[j]);
	}
	for (size_t i = 0; i < count; i++) {
		if (words[i] == NULL)
			return NULL;
	}
	return og_take_ptr(words);
}

static int run_helper(pid_t pid, const struct map_kind *kind, const struct og_oci_id_maps *maps,
		      struct og_err *err)
{
	og_cleanup(og_strv_freep) char **words = helper_words(pid, kind, maps);
	struct og_spawn spawn = { .path = kind->program, .argv = words };
	og_auto_free char *output = NULL;
	int r;

	if (words == NULL)
		return og_fail(err, -ENOMEM, "%s", kind->program);
	r = og_spawn_wait(&spawn, OUTPUT_MAX, &output, NULL);
	if (r == 0)
		return 0;
	if (r == -ENOENT || r == 127)
		return og_fail(err, -ENOENT,
			       "more than the user's own number takes %s (Debian: uidmap)",
			       kind->program);
	if (output != NULL)
		output[strcspn(output, "\n")] = '\0';
	return og_fail_plain(err, -EPERM, "%s (does %s grant that to user %u?)",
			     output != NULL && output[0] != '\0' ? output : kind->program,
			     kind->grants, getuid());
}

static bool is_alone(const struct og_oci_id_maps *maps, uint64_t own)
{
	return maps->count == 1 && maps->items[0].size == 1 && maps->items[0].host_id == own;
}

static int deny_setgroups(pid_t pid, struct og_err *err)
{
	char path[48];

	(void)snprintf(path, sizeof(path), "/proc/%d/setgroups", (int)pid);
	return og_write_file(AT_FDCWD, path, "deny", err);
}

int og_namespaces_map(pid_t pid, const struct og_oci_linux *config, struct og_err *err)
{
	bool ordinary = geteuid() != 0;
	bool uid_alone = is_alone(&config->uid_mappings, geteuid());
	bool gid_alone = is_alone(&config->gid_mappings, getegid());
	int r = ordinary && !uid_alone
			? run_helper(pid, &uid_kind, &config->uid_mappings, err)
			: og_id_map_write(pid, uid_kind.file, &config->uid_mappings, err);

	if (r < 0)
		return og_fail_in(err, r, "linux.uidMappings");
	if (ordinary && gid_alone)
		r = deny_setgroups(pid, err);
	if (r == 0)
		r = ordinary && !gid_alone
			    ? run_helper(pid, &gid_kind, &config->gid_mappings, err)
			    : og_id_map_write(pid, gid_kind.file, &config->gid_mappings, err);
	return r < 0 ? og_fail_in(err, r, "linux.gidMappings") : 0;
}
