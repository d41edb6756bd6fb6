/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever is taken for a config.json holds what the rest of the runtime relies on. */
#include "format/oci_config.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "format/number_list.h"
#include "format/oci_names.h"
#include "replay.h"

static void check_strings(const struct og_oci_strings *list)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i] == NULL)
			abort();
	}
	if (list->items != NULL && list->items[list->count] != NULL)
		abort();
}

static void check_list(const char *list)
{
	struct og_number_list numbers;

	if (list != NULL && og_number_list_read(list, OG_NUMBER_LIST_WORDS * 64, &numbers) < 0)
		abort();
}

static void check_process(const struct og_oci_process *process)
{
	if (process->args.count == 0 || process->cwd[0] != '/')
		abort();
	check_strings(&process->args);
	check_strings(&process->env);
	check_strings(&process->capabilities.bounding);
	check_strings(&process->capabilities.ambient);
	for (size_t i = 0; i < process->rlimits.count; i++) {
		const struct og_oci_rlimit *limit = &process->rlimits.items[i];

		if (og_rlimit_number(limit->type) < 0 || limit->soft > limit->hard)
			abort();
	}
	check_list(process->exec_affinity.initial);
	check_list(process->exec_affinity.final);
	if (process->scheduler.set && (process->scheduler.flags & ~UINT64_C(0x7f)) != 0)
		abort();
}

static void check_linux(const struct og_oci_linux *lin)
{
	for (size_t i = 0; i < lin->masked_paths.count; i++) {
		if (lin->masked_paths.items[i][0] != '/')
			abort();
	}
	check_list(lin->memory_policy.nodes);
	if (lin->personality.flags != 0)
		abort();
	for (size_t i = 0; i < lin->seccomp.syscalls.count; i++) {
		if (lin->seccomp.syscalls.items[i].names.count == 0)
			abort();
		check_strings(&lin->seccomp.syscalls.items[i].names);
	}
	for (size_t i = 0; i < lin->net_devices.count; i++) {
		if (lin->net_devices.items[i].host_name == NULL)
			abort();
	}
	for (size_t i = 0; i < lin->sysctl.count; i++) {
		if (lin->sysctl.items[i].value == NULL)
			abort();
	}
}

/* A failure says something, in one line. */
static void check_error(const struct og_err *err)
{
	if (err->text[0] == '\0' || strchr(err->text, '\n') != NULL)
		abort();
}

/* Any text has places, whatever is in it. */
static void check_place(const char *text, size_t size)
{
	char path[40];

	og_json_place(text, size > 0 ? (uint8_t)text[0] % size : 0, path, sizeof(path));
	if (strlen(path) >= sizeof(path))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	og_cleanup(og_oci_config_freep) struct og_oci_config *config = NULL;
	og_cleanup(og_oci_config_freep) struct og_oci_config *process = NULL;
	og_cleanup(og_oci_config_freep) struct og_oci_config *resources = NULL;
	struct og_err err = {};

	check_place((const char *)data, size);
	if (og_oci_process_parse((const char *)data, size, &process, &err) < 0)
		check_error(&err);
	else
		check_process(&process->process);
	err = (struct og_err){};
	if (og_oci_resources_parse((const char *)data, size, &resources, &err) < 0)
		check_error(&err);
	err = (struct og_err){};
	if (og_oci_config_parse((const char *)data, size, &config, &err) < 0) {
		check_error(&err);
		return 0;
	}
	for (size_t i = 0; i < config->mounts.count; i++) {
		if (config->mounts.items[i].destination[0] != '/')
			abort();
		check_strings(&config->mounts.items[i].options);
	}
	if (config->process.set)
		check_process(&config->process);
	check_linux(&config->linux_);
	return 0;
}
