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

#define VALUE_MAX 256 /* "8:16 rbps=18446744073709551615" and processor lists; longer is refused */

typedef struct og_oci_resources resources_t;

/* What the rows' functions look at. */
struct limiting {
	const struct og_cgroup *cgroup;
	const resources_t *res;
	bool update; /* there may be other limits already */
	bool v2;     /* of the field's controller */
	const char *field;
	struct og_notes *notes;
	struct og_err *err;
};

/*
 * Writes the value as the file wants it. Returns 0 when it is not set, 1 when it is, -ERANGE when
 * it is too long, or what og_fail() was given.
 */
typedef int value_fn(const struct limiting *limiting, char text[VALUE_MAX]);

struct limit_row {
	const char *field; /* below linux.resources */
	const char *controller;
	const char *v1_file, *v2_file; /* NULL: that version has none */
	value_fn *value;
};

static int text_fits(int written)
{
	return written >= 0 && written < VALUE_MAX ? 1 : -ERANGE;
}

/* 0 is as good as not set, as runc has it. */
static int amount(const struct og_oci_int *number, bool v2, char text[VALUE_MAX])
{
	if (!number->set || number->value == 0)
		return 0;
	if (v2 && number->value < 0)
		return text_fits(snprintf(text, VALUE_MAX, "max"));
	return text_fits(snprintf(text, VALUE_MAX, "%lld", (long long)number->value));
}

static int number(const struct og_oci_uint *value, char text[VALUE_MAX])
{
	if (!value->set)
		return 0;
	return text_fits(snprintf(text, VALUE_MAX, "%llu", (unsigned long long)value->value));
}

static int number_unless_0(const struct og_oci_uint *value, char text[VALUE_MAX])
{
	return value->value == 0 ? 0 : number(value, text);
}

static int word(const char *value, char text[VALUE_MAX])
{
	if (value == NULL || value[0] == '\0')
		return 0;
	return text_fits(snprintf(text, VALUE_MAX, "%s", value));
}

static const struct og_cgroup_tree *tree_of(const struct limiting *limiting, const char *controller)
{
	return og_cgroup_tree(limiting->cgroup, limiting->v2 ? "" : controller);
}

/* The first number of a file as it is now; "max" is INT64_MAX. Returns 0 or a negative errno. */
static int current(const struct limiting *limiting, const char *controller, const char *file,
		   int64_t *ret_value)
{
	const struct og_cgroup_tree *tree = tree_of(limiting, controller);
	og_auto_free char *path = tree == NULL ? NULL : og_strdupf("%s/%s", tree->dir, file);
	og_auto_free char *text = NULL;
	int r = path == NULL ? -ENOENT : og_read_file(AT_FDCWD, path, VALUE_MAX, &text, NULL, NULL);

	if (r == 0)
		*ret_value = og_starts_with(text, "max") ? INT64_MAX : strtoll(text, NULL, 10);
	return r;
}

#define VALUE(name) static int name(const struct limiting *limiting, char text[VALUE_MAX])

/* The kernel of version 1 refuses by itself; that of version 2 would kill. */
static int check_usage(const struct limiting *limiting, int64_t limit)
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
	return text_fits(snprintf(text, VALUE_MAX, "%lld", (long long)(sum.value - limit)));
}

VALUE(memory_kernel)
{
	(void)text;
	if (limiting->res->memory.kernel.set && limiting->res->memory.kernel.value != 0)
		og_note(limiting->notes, "linux.resources.memory.kernel is ignored: the kernel "
					 "has no such limit any more");
	return 0;
}

VALUE(memory_kernel_tcp)
{
	return amount(&limiting->res->memory.kernel_tcp, limiting->v2, text);
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
	return text_fits(snprintf(text, VALUE_MAX, "%d", disable->value));
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
		return og_fail(limiting->err, -ERANGE,
			       "linux.resources.cpu.shares is %llu, not %d to %d",
			       (unsigned long long)shares.value, OG_CPU_SHARES_MIN,
			       OG_CPU_SHARES_MAX);
	return number(&shares, text);
}

VALUE(cpu_period)
{
	return limiting->v2 ? 0 : number_unless_0(&limiting->res->cpu.period, text);
}

/* Version 2 has quota and period in one file, where the quota may stand alone. */
VALUE(cpu_quota)
{
	const struct og_oci_cpu *cpu = &limiting->res->cpu;
	struct og_oci_int quota = cpu->quota;
	char quota_text[VALUE_MAX] = "max";
	int64_t old;

	if (!limiting->v2 || cpu->period.value == 0)
		return amount(&quota, limiting->v2, text);
	if ((!quota.set || quota.value == 0) && limiting->update &&
	    current(limiting, "cpu", "cpu.max", &old) == 0 && old != INT64_MAX)
		quota = (struct og_oci_int){ .set = true, .value = old };
	(void)amount(&quota, true, quota_text);
	return text_fits(snprintf(text, VALUE_MAX, "%.24s %llu", quota_text,
				  (unsigned long long)cpu->period.value));
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
	return text_fits(snprintf(text, VALUE_MAX, "%lld", (long long)idle->value));
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

/* 10 to 1000 of version 1 are 1 to 10000 of version 2. */
VALUE(io_weight)
{
	struct og_oci_uint weight = limiting->res->block_io.weight;

	if (!weight.set || weight.value == 0)
		return 0;
	if (limiting->v2)
		weight.value = weight.value < 10 ? 1 : 1 + (weight.value - 10) * 9999 / 990;
	return number(&weight, text);
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
	{ "blockIO.weight", "blkio", "blkio.weight", "io.weight", io_weight },
	{ "blockIO.leafWeight", "blkio", "blkio.leaf_weight", NULL, io_leaf_weight },
	{ "network.classID", "net_cls", "net_cls.classid", NULL, net_class },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* Where a controller's file is: the folder, and which of the two names. */
static int write_limit(const struct limiting *limiting, const char *controller, const char *v1_file,
		       const char *v2_file, const char *text)
{
	const struct og_cgroup_tree *tree = og_cgroup_tree(limiting->cgroup, controller);
	bool v2 = tree == NULL;
	const char *file = v2 ? v2_file : v1_file;
	og_auto_free char *path = NULL;
	int r;

	if (v2)
		tree = og_cgroup_tree(limiting->cgroup, "");
	if (tree == NULL || file == NULL)
		return og_fail(
			limiting->err, -ENOTSUP,
			limiting->cgroup->lenient
				? "linux.resources.%s: no control group with %s was given to this user"
				: "linux.resources.%s: this host has no control group file %s",
			limiting->field, v1_file != NULL ? v1_file : v2_file);
	path = og_strdupf("%s/%s", tree->dir, file);
	if (path == NULL)
		return og_fail(limiting->err, -ENOMEM, "limit");
	r = og_write_file(AT_FDCWD, path, text, limiting->err);
	return r < 0 ? og_fail_in(limiting->err, r, "linux.resources.%s", limiting->field) : 0;
}

/* Without a file for swap there is none: neither to be had nor to be limited. */
static bool is_met(const struct limit_row *row, int code, const char *text)
{
	return code == -ENOENT && og_streq(row->field, "memory.swap") &&
	       (og_streq(text, "max") || og_streq(text, "-1") ||
		(row->v1_file == NULL && og_streq(text, "0")));
}

/* Returns -EAGAIN where the kernel refuses the value, as things are now. */
static int apply_row(struct limiting *limiting, const struct limit_row *row)
{
	char text[VALUE_MAX];
	int r;

	limiting->field = row->field;
	limiting->v2 = og_cgroup_tree(limiting->cgroup, row->controller) == NULL;
	r = row->value(limiting, text);
	if (r == -ERANGE)
		return og_fail(limiting->err, r, "linux.resources.%s is too long", row->field);
	if (r <= 0)
		return r;
	r = write_limit(limiting, row->controller, row->v1_file, row->v2_file, text);
	if (is_met(row, r, text))
		return 0;
	return r == -EINVAL ? -EAGAIN : r;
}

/*
 * Some limits bound one another: memory with swap is at least memory, a burst at most the quota.
 * In which order they can be set depends on what was there before, so what is refused is tried
 * again for as long as that helps.
 */
static int settle(struct limiting *limiting)
{
	bool pending[ROWS];
	size_t left = ROWS;
	size_t before;

	for (size_t i = 0; i < ROWS; i++)
		pending[i] = true;
	do {
		before = left;
		for (size_t i = 0; i < ROWS; i++) {
			int r = pending[i] ? apply_row(limiting, &rows[i]) : 0;

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

struct throttle_row {
	const char *field, *v1_file, *v2_key;
	size_t offset;
};

#define THROTTLE(field, file, key, member)                                            \
	{                                                                             \
		"blockIO." field, file, key, offsetof(struct og_oci_block_io, member) \
	}

static const struct throttle_row throttles[] = {
	THROTTLE("throttleReadBpsDevice", "blkio.throttle.read_bps_device", "rbps", read_bps),
	THROTTLE("throttleWriteBpsDevice", "blkio.throttle.write_bps_device", "wbps", write_bps),
	THROTTLE("throttleReadIOPSDevice", "blkio.throttle.read_iops_device", "riops", read_iops),
	THROTTLE("throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", "wiops",
		 write_iops),
};

static int apply_throttles(struct limiting *limiting)
{
	bool v2 = og_cgroup_tree(limiting->cgroup, "blkio") == NULL;

	for (size_t i = 0; i < sizeof(throttles) / sizeof(throttles[0]); i++) {
		const struct throttle_row *row = &throttles[i];
		const struct og_oci_throttle *list =
			(const void *)((const char *)&limiting->res->block_io + row->offset);

		limiting->field = row->field;
		for (size_t j = 0; j < list->count; j++) {
			const struct og_oci_throttle_device *device = &list->items[j];
			char text[VALUE_MAX];
			int r;

			(void)snprintf(text, sizeof(text), "%lld:%lld %s%s%llu",
				       (long long)device->major, (long long)device->minor,
				       v2 ? row->v2_key : "", v2 ? "=" : "",
				       (unsigned long long)device->rate);
			r = write_limit(limiting, "blkio", row->v1_file, "io.max", text);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int apply_weights(struct limiting *limiting)
{
	limiting->field = "blockIO.weightDevice";
	for (size_t i = 0; i < limiting->res->block_io.weight_device.count; i++) {
		const struct og_oci_weight_device *device =
			&limiting->res->block_io.weight_device.items[i];
		char text[VALUE_MAX];
		int r;

		if (!device->weight.set)
			continue;
		(void)snprintf(text, sizeof(text), "%lld:%lld %llu", (long long)device->major,
			       (long long)device->minor, (unsigned long long)device->weight.value);
		r = write_limit(limiting, "blkio", "blkio.weight_device", "io.weight", text);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_file_name(const char *name)
{
	return strchr(name, '/') == NULL && name[0] != '.' && name[0] != '\0';
}

static int apply_hugepages(struct limiting *limiting)
{
	limiting->field = "hugepageLimits";
	for (size_t i = 0; i < limiting->res->hugepage_limits.count; i++) {
		const char *size = limiting->res->hugepage_limits.items[i].page_size;
		og_auto_free char *v1_file = og_strdupf("hugetlb.%s.limit_in_bytes", size);
		og_auto_free char *v2_file = og_strdupf("hugetlb.%s.max", size);
		char text[VALUE_MAX];
		int r;

		if (v1_file == NULL || v2_file == NULL || !is_file_name(size))
			return og_fail(limiting->err, -EINVAL,
				       "linux.resources.hugepageLimits[%zu].pageSize is '%.20s'", i,
				       size);
		(void)snprintf(text, sizeof(text), "%llu",
			       (unsigned long long)limiting->res->hugepage_limits.items[i].limit);
		r = write_limit(limiting, "hugetlb", v1_file, v2_file, text);
		if (r < 0)
			return r;
	}
	return 0;
}

static int apply_priorities(struct limiting *limiting)
{
	limiting->field = "network.priorities";
	for (size_t i = 0; i < limiting->res->network.priorities.count; i++) {
		const struct og_oci_net_priority *priority =
			&limiting->res->network.priorities.items[i];
		char text[VALUE_MAX];
		int r;

		(void)snprintf(text, sizeof(text), "%.64s %llu", priority->name,
			       (unsigned long long)priority->priority);
		r = write_limit(limiting, "net_prio", "net_prio.ifpriomap", NULL, text);
		if (r < 0)
			return r;
	}
	return 0;
}

static int apply_rdma(struct limiting *limiting)
{
	limiting->field = "rdma";
	for (size_t i = 0; i < limiting->res->rdma.count; i++) {
		const struct og_oci_rdma *rdma = &limiting->res->rdma.items[i];
		char handles[VALUE_MAX] = "max";
		char objects[VALUE_MAX] = "max";
		char text[VALUE_MAX];
		int r;

		(void)number(&rdma->hca_handles, handles);
		(void)number(&rdma->hca_objects, objects);
		(void)snprintf(text, sizeof(text), "%.64s hca_handle=%.20s hca_object=%.20s",
			       rdma->device, handles, objects);
		r = write_limit(limiting, "rdma", "rdma.max", "rdma.max", text);
		if (r < 0)
			return r;
	}
	return 0;
}

static int apply_unified(struct limiting *limiting)
{
	const struct og_cgroup_tree *tree = og_cgroup_tree(limiting->cgroup, "");

	for (size_t i = 0; i < limiting->res->unified.count; i++) {
		const struct og_oci_pair *pair = &limiting->res->unified.items[i];
		og_auto_free char *path = NULL;
		int r;

		if (tree == NULL || !is_file_name(pair->key))
			return og_fail(
				limiting->err, -ENOTSUP,
				"linux.resources.unified: this host has no control group file %.60s",
				pair->key);
		path = og_strdupf("%s/%s", tree->dir, pair->key);
		r = path == NULL ? -ENOMEM
				 : og_write_file(AT_FDCWD, path, pair->value, limiting->err);
		if (r < 0)
			return og_fail_in(limiting->err, r, "linux.resources.unified");
	}
	return 0;
}

static int apply(struct limiting *limiting)
{
	typedef int apply_fn(struct limiting * limiting);
	static apply_fn *const lists[] = { settle,	    apply_throttles,  apply_weights,
					   apply_hugepages, apply_priorities, apply_rdma,
					   apply_unified };

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
	struct limiting limiting = {
		.cgroup = cgroup, .res = resources, .notes = notes, .err = err
	};
	int r = og_weak("A25") ? 0 : apply(&limiting);

	return r < 0 || og_weak("A24") ? r : og_cgroup_devices(cgroup, resources, err);
}

int og_cgroup_update(const struct og_cgroup *cgroup, const struct og_oci_resources *resources,
		     struct og_notes *notes, struct og_err *err)
{
	struct limiting limiting = {
		.cgroup = cgroup, .res = resources, .update = true, .notes = notes, .err = err
	};
	int r = apply(&limiting);

	return r < 0 || resources->devices.count == 0 ? r
						      : og_cgroup_devices(cgroup, resources, err);
}
