/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resource limits (config-linux.md, Control groups) as files of the trees. A row says which file
 * of which controller a field of the configuration becomes; a controller is looked for among the
 * version 1 trees first, then in the version 2 tree. What has no file on this host is an error.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "base/weak.h"
#include "runtime/cgroup.h"
#include "runtime/cgroup_devices.h"
#include "runtime/cgroup_limits.h"
#include "runtime/cgroup_scope.h"

/*
 * Writes the value as the file wants it. Returns 0 when it is not set, 1 when it is, -ERANGE when
 * it is too long, or what og_fail() was given.
 */
typedef int value_fn(const struct og_limiting *limiting, char text[OG_LIMIT_VALUE_MAX]);

struct limit_row {
	const char *field; /* below linux.resources */
	const char *controller;
	const char *v1_file, *v2_file; /* NULL: that version has none */
	value_fn *value;
};

static int text_fits(int written)
{
	return written >= 0 && written < OG_LIMIT_VALUE_MAX ? 1 : -ERANGE;
}

/* 0 is as good as not set, as runc has it. */
static int amount(const struct og_oci_int *number, bool v2, char text[OG_LIMIT_VALUE_MAX])
{
	if (!number->set || number->value == 0)
		return 0;
	if (v2 && number->value < 0)
		return text_fits(snprintf(text, OG_LIMIT_VALUE_MAX, "max"));
	return text_fits(snprintf(text, OG_LIMIT_VALUE_MAX, "%lld", (long long)number->value));
}

static int number(const struct og_oci_uint *value, char text[OG_LIMIT_VALUE_MAX])
{
	if (!value->set)
		return 0;
	return text_fits(
		snprintf(text, OG_LIMIT_VALUE_MAX, "%llu", (unsigned long long)value->value));
}

static int number_unless_0(const struct og_oci_uint *value, char text[OG_LIMIT_VALUE_MAX])
{
	return value->value == 0 ? 0 : number(value, text);
}

static int word(const char *value, char text[OG_LIMIT_VALUE_MAX])
{
	if (value == NULL || value[0] == '\0')
		return 0;
	return text_fits(snprintf(text, OG_LIMIT_VALUE_MAX, "%s", value));
}

static const struct og_cgroup_tree *tree_of(const struct og_limiting *limiting,
					    const char *controller)
{
	return og_cgroup_tree(limiting->cgroup, limiting->v2 ? "" : controller);
}

/* The first number of a file as it is now; "max" is INT64_MAX. Returns 0 or a negative errno. */
static int current(const struct og_limiting *limiting, const char *controller, const char *file,
		   int64_t *ret_value)
{
	const struct og_cgroup_tree *tree = tree_of(limiting, controller);
	og_auto_free char *path = tree == NULL ? NULL : og_strdupf("%s/%s", tree->dir, file);
	og_auto_free char *text = NULL;
	int r = path == NULL ? -ENOENT
			     : og_read_file(AT_FDCWD, path, OG_LIMIT_VALUE_MAX, &text, NULL, NULL);

	if (r == 0)
		*ret_value = og_starts_with(text, "max") ? INT64_MAX : strtoll(text, NULL, 10);
	return r;
}

#define VALUE(name) \
	static int name(const struct og_limiting *limiting, char text[OG_LIMIT_VALUE_MAX])

/* The kernel of version 1 refuses by itself; that of version 2 would kill. */
static int check_usage(const struct og_limiting *limiting, int64_t limit)
{
	int64_t usage;
	int r = current(limiting, "memory",
			limiting->v2 ? "memory.current" : "memory.usage_in_bytes", &usage);

	if (r < 0 || usage <= limit)
		return 0;
	return og_fail(limiting->err, -EBUSY,
		       "linux.resources.memory.limit %lld is below what is used, %lld",
		       (long long)limit, (long long)usage);
}

VALUE(memory_limit)
{
	const struct og_oci_memory *memory = &limiting->res->memory;

	if (memory->check_before_update && memory->limit.value > 0) {
		int r = check_usage(limiting, memory->limit.value);

		if (r < 0)
			return r;
	}
	return amount(&memory->limit, limiting->v2, text);
}

VALUE(memory_reservation)
{
	return amount(&limiting->res->memory.reservation, limiting->v2, text);
}

/* Unlimited memory with limited swap is nothing that anybody means. */
static struct og_oci_int wanted_swap(const struct og_oci_memory *memory)
{
	struct og_oci_int swap = memory->swap;

	if ((!swap.set || swap.value == 0) && memory->limit.set && memory->limit.value < 0)
		swap = (struct og_oci_int){ .set = true, .value = -1 };
	return swap;
}

VALUE(memory_swap_v1)
{
	struct og_oci_int swap = wanted_swap(&limiting->res->memory);

	return limiting->v2 ? 0 : amount(&swap, false, text);
}

/*
 * The specification counts memory and swap together, as version 1 does; version 2 counts swap
 * alone. Who changes the memory's limit without the other lets their sum stay as it is.
 */
VALUE(memory_swap_v2)
{
	const struct og_oci_memory *memory = &limiting->res->memory;
	struct og_oci_int sum = wanted_swap(memory);
	int64_t limit = memory->limit.set ? memory->limit.value : 0;
	int64_t old_limit = 0;
	int64_t old_swap = 0;

	if (!limiting->v2 || (sum.set && sum.value < 0))
		return limiting->v2 ? amount(&sum, true, text) : 0;
	if (limiting->update && (current(limiting, "memory", "memory.max", &old_limit) < 0 ||
				 current(limiting, "memory", "memory.swap.max", &old_swap) < 0))
		old_limit = old_swap = INT64_MAX;
	if (!sum.set || sum.value == 0) {
		if (!limiting->update || limit <= 0 || old_limit == INT64_MAX ||
		    old_swap == INT64_MAX)
			return 0;
		sum.value = old_limit + old_swap;
	}
	if (limit == 0 && old_limit != INT64_MAX)
		limit = old_limit;
	if (limit <= 0)
		return og_fail(limiting->err, -EINVAL,
			       "linux.resources.memory.swap counts memory, too: "
			       "set memory.limit with it");
	if (limit > sum.value)
		return og_fail(limiting->err, -EINVAL,
			       "linux.resources.memory.swap %lld counts memory, too: it cannot be "
			       "below memory.limit %lld",
			       (long long)sum.value, (long long)limit);
	return text_fits(
		snprintf(text, OG_LIMIT_VALUE_MAX, "%lld", (long long)(sum.value - limit)));
}

VALUE(memory_kernel)
{
	(void)text;
	if (limiting->res->memory.kernel.set && limiting->res->memory.kernel.value != 0)
		og_note(limiting->notes, "linux.resources.memory.kernel is ignored: the kernel "
					 "has no such limit any more");
	return 0;
}

/* Version 2 has no such limit: none is what it has. */
VALUE(memory_kernel_tcp)
{
	const struct og_oci_int *limit = &limiting->res->memory.kernel_tcp;

	return limiting->v2 && limit->value < 0 ? 0 : amount(limit, limiting->v2, text);
}

VALUE(memory_swappiness)
{
	return number(&limiting->res->memory.swappiness, text);
}

VALUE(memory_oom)
{
	const struct og_oci_bool *disable = &limiting->res->memory.disable_oom_killer;

	if (!disable->set || (!disable->value && (limiting->v2 || !limiting->update)))
		return 0;
	return text_fits(snprintf(text, OG_LIMIT_VALUE_MAX, "%d", disable->value));
}

/* Version 1's kernel would take what is nearest and say nothing. */
VALUE(cpu_shares)
{
	struct og_oci_uint shares = limiting->res->cpu.shares;

	if (!shares.set || shares.value == 0)
		return 0;
	if (limiting->v2)
		shares.value = og_cgroup_weight(shares.value);
	else if (shares.value < OG_CPU_SHARES_MIN || shares.value > OG_CPU_SHARES_MAX)
		return og_fail(limiting->err, -EINVAL,
			       "linux.resources.cpu.shares is %llu, not %d to %d",
			       (unsigned long long)shares.value, OG_CPU_SHARES_MIN,
			       OG_CPU_SHARES_MAX);
	return number(&shares, text);
}

static bool has_quota(const struct og_oci_cpu *cpu)
{
	return cpu->quota.set && cpu->quota.value != 0;
}

/* Version 2 has quota and period in one file; a period alone keeps the quota that there is. */
VALUE(cpu_period)
{
	const struct og_oci_cpu *cpu = &limiting->res->cpu;
	int64_t old = INT64_MAX;

	if (!limiting->v2)
		return number_unless_0(&cpu->period, text);
	if (cpu->period.value == 0 || has_quota(cpu))
		return 0;
	if (limiting->update)
		(void)current(limiting, "cpu", "cpu.max", &old);
	if (old == INT64_MAX)
		return text_fits(snprintf(text, OG_LIMIT_VALUE_MAX, "max %llu",
					  (unsigned long long)cpu->period.value));
	return text_fits(snprintf(text, OG_LIMIT_VALUE_MAX, "%lld %llu", (long long)old,
				  (unsigned long long)cpu->period.value));
}

/* A quota alone keeps the period. */
VALUE(cpu_quota)
{
	const struct og_oci_cpu *cpu = &limiting->res->cpu;
	int r = amount(&cpu->quota, limiting->v2, text);
	size_t len = r > 0 ? strlen(text) : 0;

	if (r <= 0 || !limiting->v2 || cpu->period.value == 0)
		return r;
	(void)snprintf(text + len, OG_LIMIT_VALUE_MAX - len, " %llu",
		       (unsigned long long)cpu->period.value);
	return 1;
}

VALUE(cpu_burst)
{
	return number(&limiting->res->cpu.burst, text);
}

VALUE(cpu_rt_period)
{
	return number_unless_0(&limiting->res->cpu.realtime_period, text);
}

VALUE(cpu_rt_runtime)
{
	return amount(&limiting->res->cpu.realtime_runtime, limiting->v2, text);
}

VALUE(cpu_idle)
{
	const struct og_oci_int *idle = &limiting->res->cpu.idle;

	if (!idle->set || (idle->value == 0 && !limiting->update))
		return 0;
	return text_fits(snprintf(text, OG_LIMIT_VALUE_MAX, "%lld", (long long)idle->value));
}

VALUE(cpuset_cpus)
{
	return word(limiting->res->cpu.cpus, text);
}

VALUE(cpuset_mems)
{
	return word(limiting->res->cpu.mems, text);
}

VALUE(pids_limit)
{
	return amount(&limiting->res->pids.limit, true, text);
}

VALUE(io_leaf_weight)
{
	return number_unless_0(&limiting->res->block_io.leaf_weight, text);
}

VALUE(net_class)
{
	return number_unless_0(&limiting->res->network.class_id, text);
}

/*
 * In the order of writing in a new group; what the kernel refuses for the sake of another limit is
 * tried again after that (see settle()). Version 2's swap is counted before the memory changes.
 */
static const struct limit_row rows[] = {
	{ "memory.swap", "memory", NULL, "memory.swap.max", memory_swap_v2 },
	{ "memory.limit", "memory", "memory.limit_in_bytes", "memory.max", memory_limit },
	{ "memory.swap", "memory", "memory.memsw.limit_in_bytes", NULL, memory_swap_v1 },
	{ "memory.reservation", "memory", "memory.soft_limit_in_bytes", "memory.low",
	  memory_reservation },
	{ "memory.kernel", "memory", NULL, NULL, memory_kernel },
	{ "memory.kernelTCP", "memory", "memory.kmem.tcp.limit_in_bytes", NULL, memory_kernel_tcp },
	{ "memory.swappiness", "memory", "memory.swappiness", NULL, memory_swappiness },
	{ "memory.disableOOMKiller", "memory", "memory.oom_control", NULL, memory_oom },
	{ "cpu.shares", "cpu", "cpu.shares", "cpu.weight", cpu_shares },
	{ "cpu.period", "cpu", "cpu.cfs_period_us", "cpu.max", cpu_period },
	{ "cpu.quota", "cpu", "cpu.cfs_quota_us", "cpu.max", cpu_quota },
	{ "cpu.burst", "cpu", "cpu.cfs_burst_us", "cpu.max.burst", cpu_burst },
	{ "cpu.realtimePeriod", "cpu", "cpu.rt_period_us", NULL, cpu_rt_period },
	{ "cpu.realtimeRuntime", "cpu", "cpu.rt_runtime_us", NULL, cpu_rt_runtime },
	{ "cpu.idle", "cpu", "cpu.idle", "cpu.idle", cpu_idle },
	{ "cpu.cpus", "cpuset", "cpuset.cpus", "cpuset.cpus", cpuset_cpus },
	{ "cpu.mems", "cpuset", "cpuset.mems", "cpuset.mems", cpuset_mems },
	{ "pids.limit", "pids", "pids.max", "pids.max", pids_limit },
	{ "blockIO.leafWeight", "blkio", "blkio.leaf_weight", NULL, io_leaf_weight },
	{ "network.classID", "net_cls", "net_cls.classid", NULL, net_class },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* Without a file for swap there is none: neither to be had nor to be limited. */
static bool is_met(const struct limit_row *row, int code, const char *text)
{
	return code == -ENOENT && og_streq(row->field, "memory.swap") &&
	       (og_streq(text, "max") || og_streq(text, "-1") ||
		(row->v1_file == NULL && og_streq(text, "0")));
}

/* Returns -EAGAIN where the kernel refuses the value, as things are now. */
static int apply_row(struct og_limiting *limiting, const struct limit_row *row,
		     char text[OG_LIMIT_VALUE_MAX])
{
	int r;

	limiting->v2 = og_cgroup_tree(limiting->cgroup, row->controller) == NULL;
	r = row->value(limiting, text);
	if (r == -ERANGE)
		return og_fail(limiting->err, r, "linux.resources.%s is too long", row->field);
	if (r <= 0)
		return r;
	(void)snprintf(limiting->field, sizeof(limiting->field), "%s", row->field);
	r = og_limit_write(limiting, row->controller, row->v1_file, row->v2_file, text);
	if (is_met(row, r, text))
		return 0;
	return r == -EINVAL ? -EAGAIN : r;
}

/*
 * Some limits bound one another: memory with swap is at least memory, a burst at most the quota.
 * In which order they can be set depends on what was there before, so what is refused is tried
 * again for as long as that helps.
 */
static int settle(struct og_limiting *limiting)
{
	char text[OG_LIMIT_VALUE_MAX];
	bool pending[ROWS];
	size_t left = ROWS;
	size_t before;

	for (size_t i = 0; i < ROWS; i++)
		pending[i] = true;
	do {
		before = left;
		for (size_t i = 0; i < ROWS; i++) {
			int r = pending[i] ? apply_row(limiting, &rows[i], text) : 0;

			if (r < 0 && r != -EAGAIN)
				return r;
			if (r == 0 && pending[i]) {
				pending[i] = false;
				left--;
			}
		}
	} while (left > 0 && left < before);
	return left > 0 ? -EINVAL : 0;
}

static int apply(struct og_limiting *limiting)
{
	static og_limit_list_fn *const lists[] = { settle,
						   og_limit_throttles,
						   og_limit_weights,
						   og_limit_hugepages,
						   og_limit_priorities,
						   og_limit_rdma,
						   og_limit_unified };

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		int r = lists[i](limiting);

		if (r < 0)
			return r;
	}
	return 0;
}

int og_cgroup_limit(const struct og_cgroup *cgroup, const struct og_oci_resources *resources,
		    struct og_notes *notes, struct og_err *err)
{
	struct og_limiting limiting = {
		.cgroup = cgroup, .res = resources, .notes = notes, .err = err
	};
	int r = og_weak("A25") ? 0 : apply(&limiting);

	return r < 0 || og_weak("A24") ? r : og_cgroup_devices(cgroup, resources, false, err);
}

int og_cgroup_update(const struct og_cgroup *cgroup, const struct og_oci_resources *resources,
		     struct og_notes *notes, struct og_err *err)
{
	struct og_limiting limiting = {
		.cgroup = cgroup, .res = resources, .update = true, .notes = notes, .err = err
	};
	int r = cgroup->scope != NULL ? og_scope_update(cgroup, resources, err) : 0;

	if (r == 0)
		r = apply(&limiting);
	return r < 0 || resources->devices.count == 0
		       ? r
		       : og_cgroup_devices(cgroup, resources, true, err);
}
