/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resource limits (config-linux.md, Control groups) as files of the trees. A row says which file
 * of which controller a field of the configuration becomes; a controller is looked for among the
 * version 1 trees first, then in the version 2 tree. What has no file on this host is an error.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "base/weak.h"
#include "runtime/cgroup.h"
#include "runtime/cgroup_devices.h"

#define VALUE_MAX 256 /* "8:16 rbps=18446744073709551615" and processor lists; longer is refused */

typedef struct og_oci_resources resources_t;

/* Writes the value as the file wants it. Returns 0 when it is not set, else 1, or -ERANGE. */
typedef int value_fn(const resources_t *resources, bool v2, char text[VALUE_MAX]);

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

static int word(const char *value, char text[VALUE_MAX])
{
	if (value == NULL || value[0] == '\0')
		return 0;
	return text_fits(snprintf(text, VALUE_MAX, "%s", value));
}

#define VALUE(name) static int name(const resources_t *res, bool v2, char text[VALUE_MAX])

VALUE(memory_limit)
{
	return amount(&res->memory.limit, v2, text);
}

VALUE(memory_reservation)
{
	return amount(&res->memory.reservation, v2, text);
}

/* The specification counts memory and swap together, version 2 swap alone. */
VALUE(memory_swap)
{
	struct og_oci_int swap = res->memory.swap;

	if (!v2 || !swap.set || swap.value <= 0)
		return amount(&swap, v2, text);
	if (!res->memory.limit.set || res->memory.limit.value <= 0 ||
	    res->memory.limit.value > swap.value)
		return -ERANGE;
	return text_fits(snprintf(text, VALUE_MAX, "%lld",
				  (long long)(swap.value - res->memory.limit.value)));
}

VALUE(memory_kernel_tcp)
{
	return amount(&res->memory.kernel_tcp, v2, text);
}

VALUE(memory_swappiness)
{
	(void)v2;
	return number(&res->memory.swappiness, text);
}

VALUE(memory_oom)
{
	(void)v2;
	return res->memory.disable_oom_killer.value ? text_fits(snprintf(text, VALUE_MAX, "1")) : 0;
}

/* 2 to 262144 shares are 1 to 10000 weight. */
VALUE(cpu_shares)
{
	struct og_oci_uint shares = res->cpu.shares;

	if (!shares.set || shares.value == 0)
		return 0;
	if (v2) {
		uint64_t value = shares.value < 2	 ? 2
				 : shares.value > 262144 ? 262144
							 : shares.value;

		shares.value = 1 + (value - 2) * 9999 / 262142;
	}
	return number(&shares, text);
}

VALUE(cpu_period)
{
	const struct og_oci_uint *period = &res->cpu.period;

	return v2 || period->value == 0 ? 0 : number(period, text);
}

/* Version 2 has quota and period in one file. */
VALUE(cpu_quota)
{
	const struct og_oci_cpu *cpu = &res->cpu;
	unsigned long long period = cpu->period.set ? cpu->period.value : 0;

	if (!v2)
		return amount(&cpu->quota, false, text);
	if (period == 0 && (!cpu->quota.set || cpu->quota.value == 0))
		return 0;
	period = period == 0 ? 100000 : period;
	if (!cpu->quota.set || cpu->quota.value <= 0)
		return text_fits(snprintf(text, VALUE_MAX, "max %llu", period));
	return text_fits(
		snprintf(text, VALUE_MAX, "%lld %llu", (long long)cpu->quota.value, period));
}

VALUE(cpu_burst)
{
	(void)v2;
	return number(&res->cpu.burst, text);
}

VALUE(cpu_rt_period)
{
	(void)v2;
	return res->cpu.realtime_period.value == 0 ? 0 : number(&res->cpu.realtime_period, text);
}

VALUE(cpu_rt_runtime)
{
	return amount(&res->cpu.realtime_runtime, v2, text);
}

VALUE(cpu_idle)
{
	return amount(&res->cpu.idle, v2, text);
}

VALUE(cpuset_cpus)
{
	(void)v2;
	return word(res->cpu.cpus, text);
}

VALUE(cpuset_mems)
{
	(void)v2;
	return word(res->cpu.mems, text);
}

VALUE(pids_limit)
{
	(void)v2;
	return amount(&res->pids.limit, true, text);
}

/* 10 to 1000 of version 1 are 1 to 10000 of version 2. */
VALUE(io_weight)
{
	struct og_oci_uint weight = res->block_io.weight;

	if (!weight.set || weight.value == 0)
		return 0;
	if (v2)
		weight.value = weight.value < 10 ? 1 : 1 + (weight.value - 10) * 9999 / 990;
	return number(&weight, text);
}

VALUE(io_leaf_weight)
{
	(void)v2;
	return res->block_io.leaf_weight.value == 0 ? 0 : number(&res->block_io.leaf_weight, text);
}

VALUE(net_class)
{
	(void)v2;
	return res->network.class_id.value == 0 ? 0 : number(&res->network.class_id, text);
}

/* In the order of writing: memory before memory and swap, period before quota. */
static const struct limit_row rows[] = {
	{ "memory.limit", "memory", "memory.limit_in_bytes", "memory.max", memory_limit },
	{ "memory.swap", "memory", "memory.memsw.limit_in_bytes", "memory.swap.max", memory_swap },
	{ "memory.reservation", "memory", "memory.soft_limit_in_bytes", "memory.low",
	  memory_reservation },
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

struct limiting {
	const struct og_cgroup *cgroup;
	const char *field;
	struct og_err *err;
};

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
		return og_fail(limiting->err, -ENOTSUP,
			       "linux.resources.%s: this host has no control group file %s",
			       limiting->field, v1_file != NULL ? v1_file : v2_file);
	path = og_strdupf("%s/%s", tree->dir, file);
	if (path == NULL)
		return og_fail(limiting->err, -ENOMEM, "limit");
	r = og_write_file(AT_FDCWD, path, text, limiting->err);
	return r < 0 ? og_fail_in(limiting->err, r, "linux.resources.%s", limiting->field) : 0;
}

static int apply_row(const struct limiting *limiting, const struct limit_row *row,
		     const resources_t *resources)
{
	bool v2 = og_cgroup_tree(limiting->cgroup, row->controller) == NULL;
	char text[VALUE_MAX];
	int r = row->value(resources, v2, text);

	if (r < 0)
		return og_fail(limiting->err, r, "linux.resources.%s does not fit", row->field);
	return r == 0 ? 0
		      : write_limit(limiting, row->controller, row->v1_file, row->v2_file, text);
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

static int apply_throttles(struct limiting *limiting, const resources_t *resources)
{
	bool v2 = og_cgroup_tree(limiting->cgroup, "blkio") == NULL;

	for (size_t i = 0; i < sizeof(throttles) / sizeof(throttles[0]); i++) {
		const struct throttle_row *row = &throttles[i];
		const struct og_oci_throttle *list =
			(const void *)((const char *)&resources->block_io + row->offset);

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

static int apply_weights(struct limiting *limiting, const resources_t *resources)
{
	limiting->field = "blockIO.weightDevice";
	for (size_t i = 0; i < resources->block_io.weight_device.count; i++) {
		const struct og_oci_weight_device *device =
			&resources->block_io.weight_device.items[i];
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

static int apply_hugepages(struct limiting *limiting, const resources_t *resources)
{
	limiting->field = "hugepageLimits";
	for (size_t i = 0; i < resources->hugepage_limits.count; i++) {
		const char *size = resources->hugepage_limits.items[i].page_size;
		og_auto_free char *v1_file = og_strdupf("hugetlb.%s.limit_in_bytes", size);
		og_auto_free char *v2_file = og_strdupf("hugetlb.%s.max", size);
		char text[VALUE_MAX];
		int r;

		if (v1_file == NULL || v2_file == NULL || !is_file_name(size))
			return og_fail(limiting->err, -EINVAL,
				       "linux.resources.hugepageLimits[%zu].pageSize is '%.20s'", i,
				       size);
		(void)snprintf(text, sizeof(text), "%llu",
			       (unsigned long long)resources->hugepage_limits.items[i].limit);
		r = write_limit(limiting, "hugetlb", v1_file, v2_file, text);
		if (r < 0)
			return r;
	}
	return 0;
}

static int apply_priorities(struct limiting *limiting, const resources_t *resources)
{
	limiting->field = "network.priorities";
	for (size_t i = 0; i < resources->network.priorities.count; i++) {
		const struct og_oci_net_priority *priority =
			&resources->network.priorities.items[i];
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

static int apply_rdma(struct limiting *limiting, const resources_t *resources)
{
	limiting->field = "rdma";
	for (size_t i = 0; i < resources->rdma.count; i++) {
		const struct og_oci_rdma *rdma = &resources->rdma.items[i];
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

static int apply_unified(struct limiting *limiting, const resources_t *resources)
{
	const struct og_cgroup_tree *tree = og_cgroup_tree(limiting->cgroup, "");

	for (size_t i = 0; i < resources->unified.count; i++) {
		const struct og_oci_pair *pair = &resources->unified.items[i];
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

int og_cgroup_limit(const struct og_cgroup *cgroup, const struct og_oci_resources *resources,
		    struct og_err *err)
{
	typedef int apply_fn(struct limiting * limiting, const resources_t *resources);
	static apply_fn *const lists[] = { apply_throttles,  apply_weights, apply_hugepages,
					   apply_priorities, apply_rdma,    apply_unified };
	struct limiting limiting = { .cgroup = cgroup, .err = err };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && !og_weak("A25"); i++) {
		int r;

		limiting.field = rows[i].field;
		r = apply_row(&limiting, &rows[i], resources);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		int r = lists[i](&limiting, resources);

		if (r < 0)
			return r;
	}
	return og_weak("A24") ? 0 : og_cgroup_devices(cgroup, resources, err);
}
