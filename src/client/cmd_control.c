/* SPDX-License-Identifier: Apache-2.0 */
/* update: other limits for workloads that exist. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/command.h"
#include "client/create.h"

struct update_options {
	int64_t blkio_weight, cpu_period, cpu_quota, cpu_shares;
	int64_t memory, memory_reservation, memory_swap, pids_limit;
	const char *cpus, *cpuset_cpus, *cpuset_mems, *restart;
};

#define UPDATE_OPTION(member, name, letter, kind, help) \
	OG_OPTION(struct update_options, member, name, letter, kind, help)

static const struct og_option update_options[] = {
	UPDATE_OPTION(blkio_weight, "blkio-weight", 0, OG_OPTION_INT,
		      "WEIGHT of its disk access, 10 to 1000"),
	UPDATE_OPTION(cpu_period, "cpu-period", 0, OG_OPTION_INT,
		      "MICROSECONDS of a period of the CPU limit"),
	UPDATE_OPTION(cpu_quota, "cpu-quota", 0, OG_OPTION_INT, "MICROSECONDS of CPU in a period"),
	UPDATE_OPTION(cpu_shares, "cpu-shares", 'c', OG_OPTION_INT,
		      "WEIGHT against other workloads"),
	UPDATE_OPTION(cpus, "cpus", 0, OG_OPTION_TEXT, "NUMBER of CPUs, 1.5 for one and a half"),
	UPDATE_OPTION(cpuset_cpus, "cpuset-cpus", 0, OG_OPTION_TEXT, "CPUS to run on: 0-2,5"),
	UPDATE_OPTION(cpuset_mems, "cpuset-mems", 0, OG_OPTION_TEXT, "NODES of memory to use"),
	UPDATE_OPTION(memory, "memory", 'm', OG_OPTION_SIZE, "BYTES of memory at most: 512m"),
	UPDATE_OPTION(memory_reservation, "memory-reservation", 0, OG_OPTION_SIZE,
		      "BYTES it keeps when memory is short"),
	UPDATE_OPTION(memory_swap, "memory-swap", 0, OG_OPTION_SIZE,
		      "BYTES of memory and swap together; -1: any"),
	UPDATE_OPTION(pids_limit, "pids-limit", 0, OG_OPTION_INT,
		      "NUMBER of processes at most; -1: any"),
	UPDATE_OPTION(restart, "restart", 0, OG_OPTION_TEXT,
		      "POLICY: no, always, unless-stopped, on-failure[:N]"),
};

static int update_body(const struct update_options *options, struct og_json *body,
		       struct og_err *err)
{
	const struct {
		const char *key;
		int64_t value;
	} numbers[] = {
		{ "BlkioWeight", options->blkio_weight },
		{ "CpuPeriod", options->cpu_period },
		{ "CpuQuota", options->cpu_quota },
		{ "CpuShares", options->cpu_shares },
		{ "Memory", options->memory },
		{ "MemoryReservation", options->memory_reservation },
		{ "MemorySwap", options->memory_swap },
		{ "PidsLimit", options->pids_limit },
	};

	int r = og_set_cpus(body, options->cpus, err);

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (numbers[i].value != 0)
			og_json_set_int(body, numbers[i].key, numbers[i].value);
	}
	if (options->cpuset_cpus != NULL)
		og_json_set_string(body, "CpusetCpus", options->cpuset_cpus);
	if (options->cpuset_mems != NULL)
		og_json_set_string(body, "CpusetMems", options->cpuset_mems);
	if (r == 0 && options->restart != NULL)
		r = og_set_restart(body, options->restart, err);
	if (r == 0 && og_json_count(body) == 0)
		r = og_fail_plain(err, -EINVAL,
				  "update: say what to change; see 'onggi update --help'");
	return r;
}

static int update_one(struct og_session *session, const struct og_json *body, const char *word,
		      struct og_err *err)
{
	og_auto_free char *name = og_url_name(word);
	og_auto_free char *path = og_strdupf("/containers/%s/update", name == NULL ? "" : name);
	struct og_call call = { .method = "POST", .path = path };

	if (name == NULL || path == NULL)
		return og_fail(err, -ENOMEM, "update");
	call.body = og_json_copy(body);
	return og_session_call(session, &call, NULL, err);
}

static int run_update(struct og_session *session, const void *values, int argc, char **argv,
		      struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *body = og_json_new_object();
	int status = EXIT_SUCCESS;
	int r = update_body(values, body, err);

	for (int i = 0; r == 0 && i < argc; i++) {
		if (update_one(session, body, argv[i], err) == 0) {
			(void)puts(argv[i]);
			continue;
		}
		(void)fprintf(stderr, "onggi: update '%s': %s\n", argv[i], err->text);
		status = EXIT_FAILURE;
	}
	return r < 0 ? r : status;
}

const struct og_command og_control_commands[] = {
	{ .name = "update",
	  .arguments = "WORKLOAD...",
	  .summary = "Give workloads other limits",
	  .options = update_options,
	  .option_count = sizeof(update_options) / sizeof(update_options[0]),
	  .values_size = sizeof(struct update_options),
	  .least = 1,
	  .most = -1,
	  .run = run_update },
	{},
};
