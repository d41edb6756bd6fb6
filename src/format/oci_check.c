/* SPDX-License-Identifier: Apache-2.0 */
/* What the specification asks of several members together. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "format/number_list.h"
#include "format/oci_parts.h"
#include "format/seccomp_names.h"

#define CPUS_MAX    8192 /* of Linux (NR_CPUS) */
#define NODES_MAX   1024 /* likewise (MAX_NUMNODES) */
#define RLIMITS_MAX 16	 /* there are no more, and each once */

static const char *const no_strings[] = { NULL };

static void no_list(struct og_oci_strings *strings)
{
	if (strings->items == NULL)
		strings->items = (const char **)(uintptr_t)no_strings;
}

static int check_list(const char *list, size_t max, const char *path, struct og_err *err)
{
	struct og_number_list numbers;
	int r = list != NULL ? og_number_list_read(list, max, &numbers) : 0;

	if (r == -ERANGE)
		return og_fail(err, r, "%s '%.40s' has a number of %zu or above", path, list, max);
	return r < 0 ? og_fail(err, r, "%s is '%.40s', not a list like 0-3,7", path, list) : 0;
}

static int check_rlimits(const struct og_oci_process *process, struct og_err *err)
{
	for (size_t i = 0; i < process->rlimits.count; i++) {
		const struct og_oci_rlimit *limit = &process->rlimits.items[i];

		if (i >= RLIMITS_MAX)
			return og_fail(err, -ERANGE, "process.rlimits has too many elements");
		if (limit->soft > limit->hard)
			return og_fail_plain(err, -EINVAL,
					     "process.rlimits[%zu].soft is above hard", i);
		for (size_t j = 0; j < i; j++) {
			if (og_streq(limit->type, process->rlimits.items[j].type))
				return og_fail_plain(err, -EINVAL,
						     "process.rlimits[%zu].type %s is there twice",
						     i, limit->type);
		}
	}
	return 0;
}

int og_oci_check_process(struct og_oci_process *process, struct og_err *err)
{
	const struct og_oci_exec_affinity *affinity = &process->exec_affinity;
	int r;

	no_list(&process->env);
	if (process->args.count == 0)
		return og_fail_plain(err, -EINVAL,
				     "process.args is empty: name the program to run");
	process->console_size.set = process->console_size.height != 0 ||
				    process->console_size.width != 0;
	r = check_rlimits(process, err);
	if (r == 0)
		r = check_list(affinity->initial, CPUS_MAX, "process.execCPUAffinity.initial", err);
	if (r == 0)
		r = check_list(affinity->final, CPUS_MAX, "process.execCPUAffinity.final", err);
	return r;
}

static int check_namespaces(const struct og_oci_linux *lin, struct og_err *err)
{
	bool seen[OG_OCI_NS_COUNT] = {};

	for (size_t i = 0; i < lin->namespaces.count; i++) {
		int type = lin->namespaces.items[i].type;

		if (seen[type])
			return og_fail_plain(err, -EINVAL, "linux.namespaces[%zu] is there twice",
					     i);
		seen[type] = true;
	}
	return 0;
}

static int check_clocks(const struct og_oci_linux *lin, struct og_err *err)
{
	for (size_t i = 0; i < lin->time_offsets.count; i++) {
		const char *clock = lin->time_offsets.items[i].clock;

		if (!og_streq(clock, "monotonic") && !og_streq(clock, "boottime"))
			return og_fail_plain(
				err, -EINVAL,
				"linux.timeOffsets.%.40s is no clock: monotonic, boottime", clock);
	}
	return 0;
}

static int check_word(const struct og_seccomp_name *table, const char *word, const char *path,
		      struct og_err *err)
{
	if (og_seccomp_find(table, word) == NULL)
		return og_fail_plain(err, -EINVAL,
				     "linux.seccomp.%s is '%.40s', which is not known", path, word);
	return 0;
}

static int check_rule(const struct og_oci_seccomp_rule *rule, size_t index, struct og_err *err)
{
	char path[64];
	int r;

	if (rule->names.count == 0)
		return og_fail_plain(err, -EINVAL, "linux.seccomp.syscalls[%zu].names is empty",
				     index);
	(void)snprintf(path, sizeof(path), "syscalls[%zu].action", index);
	r = check_word(og_seccomp_actions, rule->action, path, err);
	for (size_t i = 0; r == 0 && i < rule->args.count; i++) {
		(void)snprintf(path, sizeof(path), "syscalls[%zu].args[%zu].op", index, i);
		r = check_word(og_seccomp_comparisons, rule->args.items[i].op, path, err);
	}
	return r;
}

static int check_seccomp_words(const struct og_oci_seccomp *seccomp, struct og_err *err)
{
	char path[64];
	int r = check_word(og_seccomp_actions, seccomp->default_action, "defaultAction", err);

	for (size_t i = 0; r == 0 && i < seccomp->flags.count; i++) {
		(void)snprintf(path, sizeof(path), "flags[%zu]", i);
		r = check_word(og_seccomp_flags, seccomp->flags.items[i], path, err);
	}
	for (size_t i = 0; r == 0 && i < seccomp->architectures.count; i++) {
		const char *name = seccomp->architectures.items[i];

		if (!og_seccomp_is_architecture(name))
			r = og_fail(
				err, -EINVAL,
				"linux.seccomp.architectures[%zu] is '%.40s', which is not known",
				i, name);
	}
	return r;
}

static int check_seccomp(const struct og_oci_seccomp *seccomp, struct og_err *err)
{
	int r = seccomp->set ? check_seccomp_words(seccomp, err) : 0;

	if (r < 0)
		return r;
	if (seccomp->listener_metadata != NULL && seccomp->listener_path == NULL)
		return og_fail_plain(err, -EINVAL,
				     "linux.seccomp.listenerMetadata needs a listenerPath");
	for (size_t i = 0; r == 0 && i < seccomp->syscalls.count; i++)
		r = check_rule(&seccomp->syscalls.items[i], i, err);
	return r;
}

static int check_linux(const struct og_oci_linux *lin, struct og_err *err)
{
	int r = check_namespaces(lin, err);

	if (r == 0)
		r = check_clocks(lin, err);
	if (r == 0)
		r = check_seccomp(&lin->seccomp, err);
	if (r == 0)
		r = check_list(lin->memory_policy.nodes, NODES_MAX, "linux.memoryPolicy.nodes",
			       err);
	return r < 0 ? r : og_oci_check_resources(&lin->resources, err);
}

int og_oci_check_resources(const struct og_oci_resources *resources, struct og_err *err)
{
	const struct og_oci_bool *hierarchy = &resources->memory.use_hierarchy;

	if (hierarchy->set && !hierarchy->value)
		return og_fail(
			err, -EINVAL,
			"linux.resources.memory.useHierarchy is false: Linux has no such accounting any more");
	for (size_t i = 0; i < resources->devices.count; i++) {
		struct og_oci_device_rule *rule = &resources->devices.items[i];

		if (rule->type == 0)
			rule->type = 'a';
		if (rule->access != NULL && strspn(rule->access, "rwm") != strlen(rule->access))
			return og_fail(
				err, -EINVAL,
				"linux.resources.devices[%zu].access is '%.20s', not of r, w, m", i,
				rule->access);
	}
	return 0;
}

int og_oci_check_config(struct og_oci_config *config, struct og_err *err)
{
	int r;

	config->root.set = config->root.path != NULL;
	if (!og_starts_with(config->oci_version, "1."))
		return og_fail_plain(err, -EINVAL, "ociVersion is '%.20s': only 1.x is understood",
				     config->oci_version);
	if (config->process.set) {
		r = og_oci_check_process(&config->process, err);
		if (r < 0)
			return r;
	}
	return check_linux(&config->linux_, err);
}
