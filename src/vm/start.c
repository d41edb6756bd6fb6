/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/start.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "format/landlock.h"
#include "format/oci_names.h"

#define RLIMITS_MAX 16
#define HOSTS_TEXT               \
	"127.0.0.1\tlocalhost\n" \
	"::1\tlocalhost ip6-localhost ip6-loopback\n"

/* A growing list of texts that end with NULL; each is owned. */
struct list {
	char **items;
	size_t count;
	bool failed;
};

static void list_add(struct list *list, const char *text)
{
	char **moved = realloc(list->items, (list->count + 2) * sizeof(*moved));
	char *copy = strdup(text);

	if (moved != NULL)
		list->items = moved;
	if (moved == NULL || copy == NULL) {
		free(copy);
		list->failed = true;
		return;
	}
	list->items[list->count++] = copy;
	list->items[list->count] = NULL;
}

static void list_done(struct list *list)
{
	list->items = og_strv_free(list->items);
}

static const char *const *texts(const struct list *list)
{
	return (const char *const *)list->items;
}

/* What a start frame is made of beside what config.json has as it is needed. */
struct parts {
	struct list mounts, sysctls, files;
	struct og_guest_rlimit rlimits[RLIMITS_MAX];
	uint32_t *groups;
};

static void parts_done(struct parts *parts)
{
	list_done(&parts->mounts);
	list_done(&parts->sysctls);
	list_done(&parts->files);
	free(parts->groups);
}

/* The host's kernel does not run the processes: what asks it for something about them. */
struct unable {
	bool asked;
	const char *field;
};

static int refuse(const struct unable *fields, size_t count, struct og_err *err)
{
	for (size_t i = 0; i < count; i++) {
		if (fields[i].asked)
			return og_fail(
				err, -EOPNOTSUPP,
				"%s: isolation vm cannot do that; leave it out, or use isolation container",
				fields[i].field);
	}
	return 0;
}

static int check_process(const struct og_oci_process *process, struct og_err *err)
{
	const struct og_oci_exec_affinity *affinity = &process->exec_affinity;
	const struct unable fields[] = {
		{ process->scheduler.set, "process.scheduler" },
		{ process->io_priority.set, "process.ioPriority" },
		{ affinity->initial != NULL || affinity->final != NULL, "process.execCPUAffinity" },
	};

	return refuse(fields, sizeof(fields) / sizeof(fields[0]), err);
}

static int check_linux(const struct og_oci_config *config, struct og_err *err)
{
	const struct unable fields[] = {
		{ config->linux_.memory_policy.set, "linux.memoryPolicy" },
		{ config->linux_.personality.set, "linux.personality" },
		{ config->linux_.net_devices.count > 0, "linux.netDevices" },
		{ config->linux_.intel_rdt.set, "linux.intelRdt" },
		{ og_oci_annotation(config, OG_LANDLOCK_ANNOTATION) != NULL,
		  "annotations." OG_LANDLOCK_ANNOTATION },
	};

	return refuse(fields, sizeof(fields) / sizeof(fields[0]), err);
}

int og_vm_config_check(const struct og_oci_config *config, struct og_err *err)
{
	const struct og_oci_hooks *hooks = &config->hooks;

	if (!config->process.set)
		return og_fail(err, -EINVAL, "config.json has no process");
	if (config->linux_.devices.count > 0)
		return og_fail(err, -EOPNOTSUPP,
			       "device '%s': isolation vm gives no devices of the host",
			       config->linux_.devices.items[0].path);
	if (hooks->create_container.count > 0 || hooks->start_container.count > 0)
		return og_fail(err, -EOPNOTSUPP,
			       "hooks createContainer and startContainer cannot run in a VM");
	return check_linux(config, err);
}

static int take_caps(const struct og_oci_strings *names, uint64_t *ret_caps, struct og_err *err)
{
	for (size_t i = 0; i < names->count; i++) {
		int number = og_cap_number(names->items[i]);

		if (number < 0)
			return og_fail(err, number, "'%s' is no capability", names->items[i]);
		*ret_caps |= 1ULL << number;
	}
	return 0;
}

static int take_all_caps(const struct og_oci_capabilities *from, uint64_t caps[5],
			 struct og_err *err)
{
	const struct og_oci_strings *const sets[5] = { &from->bounding, &from->effective,
						       &from->inheritable, &from->permitted,
						       &from->ambient };
	int r = 0;

	for (size_t i = 0; r == 0 && i < 5; i++)
		r = take_caps(sets[i], &caps[i], err);
	return r;
}

static int take_rlimits(const struct og_oci_process *process, struct parts *parts,
			struct og_guest_start *start, struct og_err *err)
{
	if (process->rlimits.count > RLIMITS_MAX)
		return og_fail(err, -EINVAL, "%zu limits", process->rlimits.count);
	for (size_t i = 0; i < process->rlimits.count; i++) {
		const struct og_oci_rlimit *limit = &process->rlimits.items[i];
		int number = og_rlimit_number(limit->type);

		if (number < 0)
			return og_fail(err, number, "'%s' is no limit", limit->type);
		parts->rlimits[i] =
			(struct og_guest_rlimit){ (uint32_t)number, limit->soft, limit->hard };
	}
	start->rlimits = parts->rlimits;
	start->rlimit_count = process->rlimits.count;
	return 0;
}

static int take_user(const struct og_vm_start *from, struct parts *parts,
		     struct og_guest_start *start, struct og_err *err)
{
	const struct og_oci_user *user = &from->process->user;

	start->user = from->user;
	start->uid = (uint32_t)user->uid;
	start->gid = (uint32_t)user->gid;
	start->umask = user->umask.set ? (uint32_t)user->umask.value & 0777 : 022;
	start->group_count = user->additional_gids.count;
	if (start->group_count == 0)
		return 0;
	parts->groups = calloc(start->group_count, sizeof(*parts->groups));
	if (parts->groups == NULL)
		return og_fail(err, -ENOMEM, "allocate groups");
	for (size_t i = 0; i < start->group_count; i++)
		parts->groups[i] = (uint32_t)user->additional_gids.items[i];
	start->groups = parts->groups;
	return 0;
}

static void list_take(struct list *list, struct og_text *text)
{
	char *joined = og_text_take(text);

	list_add(list, joined != NULL ? joined : "");
	free(joined);
}

static void take_share(const struct og_vm_share *share, struct list *mounts)
{
	og_auto_text options = {};

	og_vm_share_options(share, &options);
	list_add(mounts, OG_VM_SHARE_TYPE);
	list_add(mounts, share->mount->destination);
	list_add(mounts, share->tag);
	list_take(mounts, &options);
}

static void take_mount(const struct og_oci_mount *mount, struct list *mounts)
{
	const char *type = mount->type != NULL ? mount->type : "none";
	og_auto_text options = {};

	for (size_t o = 0; o < mount->options.count; o++)
		og_text_addf(&options, "%s%s", o > 0 ? "," : "", mount->options.items[o]);
	list_add(mounts, type);
	list_add(mounts, mount->destination);
	list_add(mounts, mount->source != NULL ? mount->source : type);
	list_take(mounts, &options);
}

static void take_mounts(const struct og_vm_start *from, struct list *mounts)
{
	for (size_t i = 0; i < from->config->mounts.count; i++) {
		const struct og_oci_mount *mount = &from->config->mounts.items[i];
		const struct og_vm_share *share = og_vm_shares_find(from->shares, mount);

		if (share != NULL)
			take_share(share, mounts);
		else
			take_mount(mount, mounts);
	}
}

/* What a container gets from its engine as files mounted over the image. */
static void take_files(const struct og_oci_config *config, struct list *files)
{
	og_auto_text hosts = {};
	og_auto_text name = {};

	og_text_add(&hosts, HOSTS_TEXT);
	if (config->hostname != NULL) {
		og_text_addf(&hosts, "127.0.1.1\t%s\n", config->hostname);
		og_text_addf(&name, "%s\n", config->hostname);
		list_add(files, "/etc/hostname");
		list_add(files, name.buf != NULL ? name.buf : "");
	}
	list_add(files, "/etc/hosts");
	list_add(files, hosts.buf != NULL ? hosts.buf : "");
}

static int take_world(const struct og_vm_start *from, struct parts *parts,
		      struct og_guest_start *start, struct og_err *err)
{
	const struct og_oci_config *config = from->config;
	const struct og_oci_linux *linux_ = &config->linux_;
	const struct og_oci_int *pids = &linux_->resources.pids.limit;

	take_mounts(from, &parts->mounts);
	take_files(config, &parts->files);
	for (size_t i = 0; i < linux_->sysctl.count; i++) {
		list_add(&parts->sysctls, linux_->sysctl.items[i].key);
		list_add(&parts->sysctls, linux_->sysctl.items[i].value);
	}
	if (parts->mounts.failed || parts->files.failed || parts->sysctls.failed)
		return og_fail(err, -ENOMEM, "allocate mounts");
	start->hostname = config->hostname;
	start->mounts = texts(&parts->mounts);
	start->files = texts(&parts->files);
	start->sysctls = texts(&parts->sysctls);
	start->masked = (const char *const *)linux_->masked_paths.items;
	start->readonly = (const char *const *)linux_->readonly_paths.items;
	start->flags |= config->root.readonly ? OG_GUEST_F_READONLY : 0;
	if (pids->set && pids->value > 0 && pids->value < UINT32_MAX)
		start->pids_limit = (uint32_t)pids->value;
	return 0;
}

static int put(const struct og_vm_start *from, struct parts *parts, struct og_text *out,
	       struct og_err *err)
{
	const struct og_oci_process *process = from->process;
	struct og_guest_start start = {
		.argv = (const char *const *)process->args.items,
		.env = (const char *const *)process->env.items,
		.cwd = process->cwd,
		.rows = from->rows,
		.columns = from->columns,
		.flags = (process->terminal ? OG_GUEST_F_TERMINAL : 0) |
			 (process->no_new_privileges ? OG_GUEST_F_NO_NEW_PRIVS : 0) |
			 (from->has_stdin ? OG_GUEST_F_STDIN : 0),
	};
	int r;

	if (process->args.count == 0)
		return og_fail(err, -EINVAL, "process.args is empty");
	r = check_process(process, err);
	if (r < 0)
		return r;
	if (process->oom_score_adj.set)
		start.oom_score = (uint32_t)(process->oom_score_adj.value + 1000);
	r = take_user(from, parts, &start, err);
	if (r == 0)
		r = take_all_caps(&process->capabilities, start.caps, err);
	if (r == 0)
		r = take_rlimits(process, parts, &start, err);
	if (r == 0 && from->config != NULL)
		r = take_world(from, parts, &start, err);
	return r < 0 ? r : og_guest_put_start(out, from->number, &start, err);
}

int og_vm_start_put(const struct og_vm_start *from, struct og_text *out, struct og_err *err)
{
	struct parts parts = {};
	int r = put(from, &parts, out, err);

	parts_done(&parts);
	return r;
}
