/* SPDX-License-Identifier: Apache-2.0 */
/* `update`: new limits for a workload, from flags or from a document. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "runtime/commands.h"

enum flag_kind {
	SIZE,	/* struct og_oci_int: bytes, "512m", or -1 */
	NUMBER, /* struct og_oci_int */
	COUNT,	/* struct og_oci_uint */
	WORD,	/* const char * */
};

struct flag_row {
	const char *name;
	enum flag_kind kind;
	size_t argument, target;
	int64_t min, max; /* of NUMBER and COUNT */
};

#define FLAG(name, kind, argument, target, min, max)                        \
	{                                                                   \
		name, kind, offsetof(struct og_args, update.argument),      \
			offsetof(struct og_oci_resources, target), min, max \
	}

static const struct flag_row flags[] = {
	FLAG("memory", SIZE, memory, memory.limit, 0, 0),
	FLAG("memory-reservation", SIZE, memory_reservation, memory.reservation, 0, 0),
	FLAG("memory-swap", SIZE, memory_swap, memory.swap, 0, 0),
	FLAG("cpu-share", COUNT, cpu_share, cpu.shares, 0, INT64_MAX),
	FLAG("cpu-period", COUNT, cpu_period, cpu.period, 0, INT64_MAX),
	FLAG("cpu-quota", NUMBER, cpu_quota, cpu.quota, -1, INT64_MAX),
	FLAG("cpu-burst", COUNT, cpu_burst, cpu.burst, 0, INT64_MAX),
	FLAG("cpu-rt-period", COUNT, cpu_rt_period, cpu.realtime_period, 0, INT64_MAX),
	FLAG("cpu-rt-runtime", NUMBER, cpu_rt_runtime, cpu.realtime_runtime, -1, INT64_MAX),
	FLAG("cpu-idle", NUMBER, cpu_idle, cpu.idle, 0, 1),
	FLAG("cpuset-cpus", WORD, cpuset_cpus, cpu.cpus, 0, 0),
	FLAG("cpuset-mems", WORD, cpuset_mems, cpu.mems, 0, 0),
	FLAG("pids-limit", NUMBER, pids_limit, pids.limit, -1, INT64_MAX),
	FLAG("blkio-weight", COUNT, blkio_weight, block_io.weight, 0, 1000),
};

/* "64m", "1.5 GiB", "1000": powers of 1024, as docker's flags have them. */
static int read_size(const char *text, int64_t *ret_value)
{
	static const char units[] = "kmgtp";
	const char *unit;
	char *end;
	double value = strtod(text, &end);
	int shift = 0;

	if (og_streq(text, "-1")) {
		*ret_value = -1;
		return 0;
	}
	if (!isdigit((unsigned char)text[0]) || strspn(text, "0123456789.") != (size_t)(end - text))
		return -EINVAL;
	end += *end == ' ';
	unit = *end == '\0' ? NULL : strchr(units, tolower((unsigned char)*end));
	if (unit != NULL) {
		shift = 10 * (int)(unit - units + 1);
		end++;
		end += tolower((unsigned char)*end) == 'i';
	}
	end += tolower((unsigned char)*end) == 'b';
	value *= (double)(1ULL << shift);
	if (*end != '\0' || value >= 0x1p63)
		return -EINVAL;
	*ret_value = (int64_t)value;
	return 0;
}

static int read_flag(const struct flag_row *row, const char *text,
		     struct og_oci_resources *resources, struct og_err *err)
{
	void *target = (char *)resources + row->target;
	int64_t value = 0;
	int r = 0;

	if (row->kind == SIZE)
		r = read_size(text, &value);
	else if (row->kind != WORD)
		r = og_parse_i64(text, row->min, row->max, &value);
	if (r < 0)
		return og_fail(err, r, "--%s '%.40s' is not a value that it may have", row->name,
			       text);
	if (row->kind == WORD)
		*(const char **)target = text;
	else if (row->kind == COUNT)
		*(struct og_oci_uint *)target =
			(struct og_oci_uint){ .set = true, .value = (uint64_t)value };
	else
		*(struct og_oci_int *)target = (struct og_oci_int){ .set = true, .value = value };
	return 0;
}

static int read_flags(const struct og_args *args, struct og_oci_resources *resources,
		      struct og_notes *notes, struct og_err *err)
{
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		const void *argument = (const char *)args + flags[i].argument;
		const char *text = *(const char *const *)argument;
		int r = text == NULL ? 0 : read_flag(&flags[i], text, resources, err);

		if (r < 0)
			return r;
	}
	if (args->update.kernel_memory != NULL)
		og_note(notes, "--kernel-memory and --kernel-memory-tcp are ignored: "
			       "the kernel has no such limit any more");
	return 0;
}

static int read_document(const char *path, struct og_oci_config **ret_config, struct og_err *err)
{
	og_auto_free char *text = NULL;
	size_t len;
	int r = og_streq(path, "-")
			? og_read_all(STDIN_FILENO, OG_OCI_CONFIG_MAX_BYTES, &text, &len, err)
			: og_read_head(AT_FDCWD, path, OG_OCI_CONFIG_MAX_BYTES, &text, &len, err);

	if (r == 0)
		r = og_oci_resources_parse(text, len, ret_config, err);
	return r < 0 ? og_fail_in(err, r, "--resources '%s'", path) : 0;
}

int og_command_update(const struct og_context *context, struct og_err *err)
{
	const struct og_args *args = context->args;
	og_cleanup(og_workload_freep) struct og_workload *workload = NULL;
	og_cleanup(og_oci_config_freep) struct og_oci_config *document = NULL;
	struct og_oci_resources resources = {};
	const struct og_isolation *isolation;
	int r = og_workload_open(context, &workload, &isolation, err);

	if (r < 0)
		return r;
	if (isolation->update == NULL)
		return og_fail(err, -ENOTSUP, "update '%s': cannot be done with isolation %s",
			       workload->id, workload->isolation);
	if (og_workload_status(workload, NULL) == OG_STATUS_STOPPED)
		return og_fail(err, -ESRCH, "update '%s': container not running", workload->id);
	if (args->update.rdt != NULL)
		return og_fail(err, -ENOTSUP,
			       "--l3-cache-schema and --mem-bw-schema are not supported yet");
	if (args->update.resources != NULL)
		r = read_document(args->update.resources, &document, err);
	else
		r = read_flags(args, &resources, &workload->notes, err);
	if (r == 0)
		r = isolation->update(
			workload, document != NULL ? &document->linux_.resources : &resources, err);
	og_args_log_notes(args, &workload->notes);
	return r < 0 ? og_fail_in(err, r, "update '%s'", workload->id) : 0;
}
