/* SPDX-License-Identifier: Apache-2.0 */
#include "container/criu.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/grow.h"
#include "base/io.h"
#include "base/text.h"
#include "container/mount_options.h"
#include "container/mount_plan.h"

#define LOG_MAX_BYTES (64U << 20) /* a dump of 10,000 processes says 20 MB */

void og_criu_words_done(struct og_criu_words *words)
{
	og_strv_free(words->items);
	*words = (struct og_criu_words){};
}

void og_criu_add(struct og_criu_words *words, const char *fmt, ...)
{
	char *word;
	va_list list;

	if (words->failed || words->count == OG_CRIU_WORDS_MAX ||
	    og_grow(words->items, words->count + 1) < 0) {
		words->failed = true;
		return;
	}
	va_start(list, fmt);
	if (vasprintf(&word, fmt, list) < 0)
		words->failed = true;
	else
		words->items[words->count++] = word;
	words->items[words->count] = NULL;
	va_end(list);
}

struct flag {
	size_t offset; /* of a bool of the options */
	const char *word;
};

#define FLAG(member, word)                                       \
	{                                                        \
		offsetof(struct og_criu_options, member), (word) \
	}

static const struct flag flags[] = {
	FLAG(tcp_established, "--tcp-established"),
	FLAG(ext_unix_sk, "--ext-unix-sk"),
	FLAG(shell_job, "--shell-job"),
	FLAG(file_locks, "--file-locks"),
	FLAG(link_remap, "--link-remap"),
	FLAG(auto_dedup, "--auto-dedup"),
};

void og_criu_begin(struct og_criu_words *words, const char *action,
		   const struct og_criu_options *options, const char *work_path)
{
	og_criu_add(words, "%s", options->criu != NULL ? options->criu : "criu");
	og_criu_add(words, "%s", action);
	og_criu_add(words, "--images-dir=%s", options->image_path);
	og_criu_add(words, "--work-dir=%s", work_path);
	og_criu_add(words, "--log-file=%s.log", action);
	og_criu_add(words, "-v4");
	og_criu_add(words, "--manage-cgroups=%s",
		    options->manage_cgroups != NULL ? options->manage_cgroups : "ignore");
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (*(const bool *)((const char *)options + flags[i].offset))
			og_criu_add(words, "%s", flags[i].word);
	}
	if (options->empty_network)
		og_criu_add(words, "--empty-ns=net");
}

/* The last line with an error that is not about ending because of an earlier one. */
static const char *last_error(char *log)
{
	const char *found = NULL;
	char *rest = log;

	for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
		const char *error = strstr(line, "Error (");

		if (error != NULL && strstr(error, "FAILED") == NULL)
			found = strstr(error, "): ") != NULL ? strstr(error, "): ") + 3 : error;
	}
	return found;
}

int og_criu_failed(const char *action, const struct og_criu_options *options, const char *work_path,
		   int status, struct og_err *err)
{
	og_auto_free char *path = og_strdupf("%s/%s.log", work_path, action);
	og_auto_free char *log = NULL;
	const char *error = NULL;

	if (status == -ENOENT || status == 127)
		return og_fail(err, -ENOENT,
			       "there is no program '%s': install criu, or name it with --criu",
			       options->criu != NULL ? options->criu : "criu");
	if (path != NULL && og_read_file(AT_FDCWD, path, LOG_MAX_BYTES, &log, NULL, NULL) == 0)
		error = last_error(log);
	return og_fail(err, -EIO, "criu %s: %.200s (see '%s')", action,
		       error != NULL ? error : "it failed before it began a log", path);
}

static int check_namespaces(const struct og_oci_config *config, struct og_err *err)
{
	if (og_oci_namespace(config, OG_OCI_NS_MOUNT) == NULL)
		return og_fail(err, -ENOTSUP, "a workload in the host's mount namespace");
	for (size_t i = 0; i < config->linux_.namespaces.count; i++) {
		const struct og_oci_namespace *namespace = &config->linux_.namespaces.items[i];

		if (namespace->path != NULL && namespace->type != OG_OCI_NS_NETWORK &&
		    namespace->type != OG_OCI_NS_PID)
			return og_fail(err, -ENOTSUP,
				       "linux.namespaces[%zu]: joined by path (CRIU can take only "
				       "network and pid namespaces from outside)",
				       i);
	}
	return 0;
}

int og_criu_check(const struct og_oci_config *config, struct og_err *err)
{
	if (config->process.terminal)
		return og_fail(err, -ENOTSUP,
			       "process.terminal: a terminal's other side is outside of it");
	return check_namespaces(config, err);
}

bool og_criu_is_masked(const struct og_oci_config *config, const char *destination)
{
	for (size_t i = 0; i < config->linux_.masked_paths.count; i++) {
		if (og_streq(config->linux_.masked_paths.items[i], destination))
			return true;
	}
	return false;
}

/* How much of @path is @destination, which may have slashes more; 0: none of it. */
static size_t matches(const char *destination, const char *path)
{
	const char *at = path;

	while (*destination != '\0') {
		while (destination[0] == '/' && (destination[1] == '/' || destination[1] == '\0'))
			destination++;
		if (*destination == '\0')
			break;
		if (*destination++ != *at++)
			return 0;
	}
	return *at == '\0' || *at == '/' ? (size_t)(at - path) : 0;
}

/* Of several mounts over one place the last is seen. */
static const struct og_oci_mount *find_mount(const struct og_oci_config *config, const char *path,
					     size_t *ret_len)
{
	const struct og_oci_mount *found = NULL;

	*ret_len = 0;
	for (size_t i = 0; i < config->mounts.count; i++) {
		size_t len = matches(config->mounts.items[i].destination, path);

		if (len > 0 && len >= *ret_len) {
			*ret_len = len;
			found = &config->mounts.items[i];
		}
	}
	return found;
}

/* @rest: "" is the mount of all groups, "/cpu" that of one tree. */
static char *group_folder(const struct og_cgroup *cgroup, const char *rest)
{
	for (size_t i = 0; i < cgroup->count; i++) {
		const struct og_cgroup_tree *tree = &cgroup->trees[i];
		const char *name = strrchr(tree->mount_point, '/');

		if (rest[0] == '\0' ? cgroup->count == 1 && tree->v2
				    : name != NULL && og_streq(name, rest))
			return tree->dir;
	}
	return NULL;
}

static bool is_bind(const struct og_oci_mount *mount)
{
	struct og_mount_options options;

	return (mount->type != NULL && og_streq(mount->type, "bind")) ||
	       (og_mount_options_read(&mount->options, &options, NULL) == 0 && options.bind);
}

static bool is_cgroup(const struct og_oci_mount *mount)
{
	return mount->type != NULL &&
	       (og_streq(mount->type, "cgroup") || og_streq(mount->type, "cgroup2"));
}

static bool is_default_device(const char *path)
{
	for (size_t i = 0; i < sizeof(og_default_devices) / sizeof(og_default_devices[0]); i++) {
		if (og_starts_with(path, "/dev/") && og_streq(og_default_devices[i].name, path + 5))
			return true;
	}
	return false;
}

int og_criu_source(const struct og_criu_world *world, const char *destination, char **ret_source,
		   struct og_err *err)
{
	const struct og_oci_config *config = world->config;
	const struct og_oci_mount *mount;
	const char *folder;
	size_t len;

	*ret_source = NULL;
	mount = find_mount(config, destination, &len);
	if (og_criu_is_masked(config, destination)) {
		*ret_source = strdup("/dev/null");
	} else if (mount != NULL && is_bind(mount) && mount->source != NULL) {
		*ret_source = mount->source[0] == '/'
				      ? og_strdupf("%s%s", mount->source, destination + len)
				      : og_strdupf("%s/%s%s", world->bundle, mount->source,
						   destination + len);
	} else if (mount != NULL && is_cgroup(mount)) {
		folder = group_folder(world->cgroup, destination + len);
		if (folder == NULL)
			return 0;
		*ret_source = strdup(folder);
	} else if (og_oci_namespace(config, OG_OCI_NS_USER) != NULL &&
		   is_default_device(destination)) {
		*ret_source = strdup(destination);
	} else {
		return 0;
	}
	return *ret_source == NULL ? og_fail(err, -ENOMEM, "find mounts") : 0;
}
