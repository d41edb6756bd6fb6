/* SPDX-License-Identifier: Apache-2.0 */
#include "format/oci_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "format/oci_parts.h"
#include "format/oci_values.h"

#define ID_MAX	(UINT32_MAX - 1) /* 2^32 - 1 means "no change" to the kernel */
#define DEV_MAX (1 << 20)	 /* of Linux: 12 bits of major, 20 of minor */

#define END                           \
	{                             \
		.kind = OG_SCHEMA_END \
	}

#define ROW(type, member, json, what, ...)                                                         \
	{                                                                                          \
		.name = (json), .kind = OG_SCHEMA_##what, .offset = offsetof(struct type, member), \
		__VA_ARGS__                                                                        \
	}
#define LIST(type, member, json, item, item_rows, ...)                                        \
	ROW(type, member, json, ARRAY, .rows = (item_rows), .item_size = sizeof(struct item), \
	    __VA_ARGS__)
#define ANY_INT .min = INT64_MIN, .max = INT64_MAX

static const struct og_schema user_rows[] = {
	ROW(og_oci_user, uid, "uid", UINT, .umax = ID_MAX, .required = true),
	ROW(og_oci_user, gid, "gid", UINT, .umax = ID_MAX, .required = true),
	ROW(og_oci_user, umask, "umask", OPT_UINT, .umax = 0777),
	ROW(og_oci_user, additional_gids, "additionalGids", UINTS, .umax = ID_MAX),
	END,
};

static const struct og_schema capability_rows[] = {
	ROW(og_oci_capabilities, bounding, "bounding", STRINGS),
	ROW(og_oci_capabilities, effective, "effective", STRINGS),
	ROW(og_oci_capabilities, permitted, "permitted", STRINGS),
	ROW(og_oci_capabilities, inheritable, "inheritable", STRINGS),
	ROW(og_oci_capabilities, ambient, "ambient", STRINGS),
	END,
};

static const struct og_schema rlimit_rows[] = {
	ROW(og_oci_rlimit, type, "type", STRING, .names = og_oci_rlimits, .required = true),
	ROW(og_oci_rlimit, soft, "soft", UINT, .required = true),
	ROW(og_oci_rlimit, hard, "hard", UINT, .required = true),
	END,
};

static const struct og_schema console_rows[] = {
	ROW(og_oci_process, console_size.height, "height", UINT, .umax = UINT16_MAX,
	    .required = true),
	ROW(og_oci_process, console_size.width, "width", UINT, .umax = UINT16_MAX,
	    .required = true),
	END,
};

static const struct og_schema scheduler_rows[] = {
	ROW(og_oci_scheduler, policy, "policy", ENUM, .names = og_oci_sched_policies,
	    .required = true),
	ROW(og_oci_scheduler, nice, "nice", OPT_INT, .min = -20, .max = 19),
	ROW(og_oci_scheduler, priority, "priority", OPT_INT, .max = 99),
	ROW(og_oci_scheduler, flags, "flags", FLAGS, .names = og_oci_sched_flags),
	ROW(og_oci_scheduler, runtime_ns, "runtime", UINT),
	ROW(og_oci_scheduler, deadline_ns, "deadline", UINT),
	ROW(og_oci_scheduler, period_ns, "period", UINT),
	END,
};

static const struct og_schema io_priority_rows[] = {
	ROW(og_oci_io_priority, class, "class", ENUM, .names = og_oci_io_classes, .required = true),
	ROW(og_oci_io_priority, priority, "priority", INT, .max = 7, .required = true),
	END,
};

static const struct og_schema exec_affinity_rows[] = {
	ROW(og_oci_exec_affinity, initial, "initial", STRING),
	ROW(og_oci_exec_affinity, final, "final", STRING),
	END,
};

static const struct og_schema process_rows[] = {
	ROW(og_oci_process, terminal, "terminal", BOOL),
	{ .name = "consoleSize", .kind = OG_SCHEMA_OBJECT, .rows = console_rows },
	ROW(og_oci_process, cwd, "cwd", PATH, .required = true),
	ROW(og_oci_process, args, "args", STRINGS, .required = true),
	ROW(og_oci_process, env, "env", STRINGS),
	ROW(og_oci_process, user, "user", OBJECT, .rows = user_rows),
	ROW(og_oci_process, capabilities, "capabilities", OBJECT, .rows = capability_rows,
	    .has_set = true),
	LIST(og_oci_process, rlimits, "rlimits", og_oci_rlimit, rlimit_rows),
	ROW(og_oci_process, no_new_privileges, "noNewPrivileges", BOOL),
	ROW(og_oci_process, oom_score_adj, "oomScoreAdj", OPT_INT, .min = -1000, .max = 1000),
	ROW(og_oci_process, apparmor_profile, "apparmorProfile", STRING),
	ROW(og_oci_process, selinux_label, "selinuxLabel", STRING),
	ROW(og_oci_process, scheduler, "scheduler", OBJECT, .rows = scheduler_rows,
	    .has_set = true),
	ROW(og_oci_process, io_priority, "ioPriority", OBJECT, .rows = io_priority_rows,
	    .has_set = true),
	ROW(og_oci_process, exec_affinity, "execCPUAffinity", OBJECT, .rows = exec_affinity_rows),
	END,
};

static const struct og_schema id_map_rows[] = {
	ROW(og_oci_id_map, container_id, "containerID", UINT, .umax = ID_MAX, .required = true),
	ROW(og_oci_id_map, host_id, "hostID", UINT, .umax = ID_MAX, .required = true),
	ROW(og_oci_id_map, size, "size", UINT, .umax = UINT32_MAX, .required = true),
	END,
};

static const struct og_schema mount_rows[] = {
	ROW(og_oci_mount, destination, "destination", PATH, .required = true),
	ROW(og_oci_mount, type, "type", STRING),
	ROW(og_oci_mount, source, "source", STRING),
	ROW(og_oci_mount, options, "options", STRINGS),
	LIST(og_oci_mount, uid_mappings, "uidMappings", og_oci_id_map, id_map_rows),
	LIST(og_oci_mount, gid_mappings, "gidMappings", og_oci_id_map, id_map_rows),
	END,
};

static const struct og_schema namespace_rows[] = {
	ROW(og_oci_namespace, type, "type", ENUM, .names = og_oci_namespaces, .required = true),
	ROW(og_oci_namespace, path, "path", PATH),
	END,
};

static const struct og_schema device_rows[] = {
	ROW(og_oci_device, type, "type", ENUM, .names = og_oci_device_types, .required = true),
	ROW(og_oci_device, path, "path", PATH, .required = true),
	ROW(og_oci_device, major, "major", INT, .max = DEV_MAX),
	ROW(og_oci_device, minor, "minor", INT, .max = DEV_MAX),
	ROW(og_oci_device, file_mode, "fileMode", OPT_UINT, .umax = UINT32_MAX),
	ROW(og_oci_device, uid, "uid", OPT_UINT, .umax = ID_MAX),
	ROW(og_oci_device, gid, "gid", OPT_UINT, .umax = ID_MAX),
	END,
};

static const struct og_schema device_rule_rows[] = {
	ROW(og_oci_device_rule, allow, "allow", BOOL, .required = true),
	ROW(og_oci_device_rule, type, "type", ENUM, .names = og_oci_rule_types),
	ROW(og_oci_device_rule, major, "major", OPT_INT, .min = -1, .max = DEV_MAX),
	ROW(og_oci_device_rule, minor, "minor", OPT_INT, .min = -1, .max = DEV_MAX),
	ROW(og_oci_device_rule, access, "access", STRING),
	END,
};

static const struct og_schema memory_rows[] = {
	ROW(og_oci_memory, limit, "limit", OPT_INT, .min = -1, .max = INT64_MAX),
	ROW(og_oci_memory, reservation, "reservation", OPT_INT, .min = -1, .max = INT64_MAX),
	ROW(og_oci_memory, swap, "swap", OPT_INT, .min = -1, .max = INT64_MAX),
	ROW(og_oci_memory, kernel, "kernel", OPT_INT, .min = -1, .max = INT64_MAX),
	ROW(og_oci_memory, kernel_tcp, "kernelTCP", OPT_INT, .min = -1, .max = INT64_MAX),
	ROW(og_oci_memory, swappiness, "swappiness", OPT_UINT, .umax = 100),
	ROW(og_oci_memory, disable_oom_killer, "disableOOMKiller", OPT_BOOL),
	ROW(og_oci_memory, use_hierarchy, "useHierarchy", OPT_BOOL),
	ROW(og_oci_memory, check_before_update, "checkBeforeUpdate", BOOL),
	END,
};

static const struct og_schema cpu_rows[] = {
	ROW(og_oci_cpu, shares, "shares", OPT_UINT),
	ROW(og_oci_cpu, quota, "quota", OPT_INT, .min = -1, .max = INT64_MAX),
	ROW(og_oci_cpu, burst, "burst", OPT_UINT),
	ROW(og_oci_cpu, period, "period", OPT_UINT),
	ROW(og_oci_cpu, realtime_runtime, "realtimeRuntime", OPT_INT, ANY_INT),
	ROW(og_oci_cpu, realtime_period, "realtimePeriod", OPT_UINT),
	ROW(og_oci_cpu, cpus, "cpus", STRING),
	ROW(og_oci_cpu, mems, "mems", STRING),
	ROW(og_oci_cpu, idle, "idle", OPT_INT, .max = 1),
	END,
};

static const struct og_schema pids_rows[] = {
	{ .name = "limit",
	  .kind = OG_SCHEMA_OPT_INT,
	  .offset = offsetof(struct og_oci_resources, pids.limit) -
		    offsetof(struct og_oci_resources, pids),
	  .required = true,
	  ANY_INT },
	END,
};

static const struct og_schema weight_rows[] = {
	ROW(og_oci_weight_device, major, "major", INT, .max = DEV_MAX, .required = true),
	ROW(og_oci_weight_device, minor, "minor", INT, .max = DEV_MAX, .required = true),
	ROW(og_oci_weight_device, weight, "weight", OPT_UINT, .umax = 1000),
	ROW(og_oci_weight_device, leaf_weight, "leafWeight", OPT_UINT, .umax = 1000),
	END,
};

static const struct og_schema throttle_rows[] = {
	ROW(og_oci_throttle_device, major, "major", INT, .max = DEV_MAX, .required = true),
	ROW(og_oci_throttle_device, minor, "minor", INT, .max = DEV_MAX, .required = true),
	ROW(og_oci_throttle_device, rate, "rate", UINT, .required = true),
	END,
};

#define THROTTLE(member, json) \
	LIST(og_oci_block_io, member, json, og_oci_throttle_device, throttle_rows)

static const struct og_schema block_io_rows[] = {
	ROW(og_oci_block_io, weight, "weight", OPT_UINT, .umax = 1000),
	ROW(og_oci_block_io, leaf_weight, "leafWeight", OPT_UINT, .umax = 1000),
	LIST(og_oci_block_io, weight_device, "weightDevice", og_oci_weight_device, weight_rows),
	THROTTLE(read_bps, "throttleReadBpsDevice"),
	THROTTLE(write_bps, "throttleWriteBpsDevice"),
	THROTTLE(read_iops, "throttleReadIOPSDevice"),
	THROTTLE(write_iops, "throttleWriteIOPSDevice"),
	END,
};

static const struct og_schema hugepage_rows[] = {
	ROW(og_oci_hugepage_limit, page_size, "pageSize", STRING, .required = true),
	ROW(og_oci_hugepage_limit, limit, "limit", UINT, .required = true),
	END,
};

static const struct og_schema priority_rows[] = {
	ROW(og_oci_net_priority, name, "name", STRING, .required = true),
	ROW(og_oci_net_priority, priority, "priority", UINT, .umax = UINT32_MAX, .required = true),
	END,
};

#define NETWORK(member) \
	(offsetof(struct og_oci_resources, member) - offsetof(struct og_oci_resources, network))

static const struct og_schema network_rows[] = {
	{ .name = "classID",
	  .kind = OG_SCHEMA_OPT_UINT,
	  .offset = NETWORK(network.class_id),
	  .umax = UINT32_MAX },
	{ .name = "priorities",
	  .kind = OG_SCHEMA_ARRAY,
	  .offset = NETWORK(network.priorities),
	  .rows = priority_rows,
	  .item_size = sizeof(struct og_oci_net_priority) },
	END,
};

static const struct og_schema rdma_rows[] = {
	ROW(og_oci_rdma, hca_handles, "hcaHandles", OPT_UINT, .umax = UINT32_MAX),
	ROW(og_oci_rdma, hca_objects, "hcaObjects", OPT_UINT, .umax = UINT32_MAX),
	END,
};

static const struct og_schema resource_rows[] = {
	LIST(og_oci_resources, devices, "devices", og_oci_device_rule, device_rule_rows),
	ROW(og_oci_resources, memory, "memory", OBJECT, .rows = memory_rows),
	ROW(og_oci_resources, cpu, "cpu", OBJECT, .rows = cpu_rows),
	ROW(og_oci_resources, pids, "pids", OBJECT, .rows = pids_rows),
	ROW(og_oci_resources, block_io, "blockIO", OBJECT, .rows = block_io_rows),
	LIST(og_oci_resources, hugepage_limits, "hugepageLimits", og_oci_hugepage_limit,
	     hugepage_rows),
	ROW(og_oci_resources, network, "network", OBJECT, .rows = network_rows),
	ROW(og_oci_resources, rdma, "rdma", MAP, .rows = rdma_rows,
	    .item_size = sizeof(struct og_oci_rdma)),
	ROW(og_oci_resources, unified, "unified", PAIRS),
	END,
};

static const struct og_schema seccomp_arg_rows[] = {
	ROW(og_oci_seccomp_arg, index, "index", UINT, .umax = 5, .required = true),
	ROW(og_oci_seccomp_arg, value, "value", UINT, .required = true),
	ROW(og_oci_seccomp_arg, value_two, "valueTwo", UINT),
	ROW(og_oci_seccomp_arg, op, "op", STRING, .required = true),
	END,
};

static const struct og_schema seccomp_rule_rows[] = {
	ROW(og_oci_seccomp_rule, names, "names", STRINGS, .required = true),
	ROW(og_oci_seccomp_rule, action, "action", STRING, .required = true),
	ROW(og_oci_seccomp_rule, errno_ret, "errnoRet", OPT_UINT, .umax = UINT16_MAX),
	LIST(og_oci_seccomp_rule, args, "args", og_oci_seccomp_arg, seccomp_arg_rows),
	END,
};

static const struct og_schema seccomp_rows[] = {
	ROW(og_oci_seccomp, default_action, "defaultAction", STRING, .required = true),
	ROW(og_oci_seccomp, default_errno_ret, "defaultErrnoRet", OPT_UINT, .umax = UINT16_MAX),
	ROW(og_oci_seccomp, architectures, "architectures", STRINGS),
	ROW(og_oci_seccomp, flags, "flags", STRINGS),
	ROW(og_oci_seccomp, listener_path, "listenerPath", STRING),
	ROW(og_oci_seccomp, listener_metadata, "listenerMetadata", STRING),
	LIST(og_oci_seccomp, syscalls, "syscalls", og_oci_seccomp_rule, seccomp_rule_rows),
	END,
};

static const struct og_schema time_offset_rows[] = {
	ROW(og_oci_time_offset, secs, "secs", INT, ANY_INT),
	ROW(og_oci_time_offset, nanosecs, "nanosecs", UINT, .umax = 999999999),
	END,
};

static const struct og_schema personality_rows[] = {
	ROW(og_oci_personality, domain, "domain", ENUM, .names = og_oci_personalities,
	    .required = true),
	ROW(og_oci_personality, flags, "flags", FLAGS, .names = og_oci_personality_flags),
	END,
};

static const struct og_schema memory_policy_rows[] = {
	ROW(og_oci_memory_policy, mode, "mode", ENUM, .names = og_oci_memory_policies,
	    .required = true),
	ROW(og_oci_memory_policy, nodes, "nodes", STRING),
	ROW(og_oci_memory_policy, flags, "flags", FLAGS, .names = og_oci_memory_policy_flags),
	END,
};

static const struct og_schema intel_rdt_rows[] = {
	ROW(og_oci_intel_rdt, clos_id, "closID", STRING),
	ROW(og_oci_intel_rdt, schemata, "schemata", STRINGS),
	ROW(og_oci_intel_rdt, l3_cache_schema, "l3CacheSchema", STRING),
	ROW(og_oci_intel_rdt, mem_bw_schema, "memBwSchema", STRING),
	ROW(og_oci_intel_rdt, enable_monitoring, "enableMonitoring", BOOL),
	END,
};

static const struct og_schema net_device_rows[] = {
	ROW(og_oci_net_device, name, "name", STRING),
	END,
};

static const struct og_schema linux_rows[] = {
	LIST(og_oci_linux, namespaces, "namespaces", og_oci_namespace, namespace_rows),
	LIST(og_oci_linux, uid_mappings, "uidMappings", og_oci_id_map, id_map_rows),
	LIST(og_oci_linux, gid_mappings, "gidMappings", og_oci_id_map, id_map_rows),
	ROW(og_oci_linux, time_offsets, "timeOffsets", MAP, .rows = time_offset_rows,
	    .item_size = sizeof(struct og_oci_time_offset)),
	LIST(og_oci_linux, devices, "devices", og_oci_device, device_rows),
	ROW(og_oci_linux, cgroups_path, "cgroupsPath", STRING),
	ROW(og_oci_linux, resources, "resources", OBJECT, .rows = resource_rows, .has_set = true),
	ROW(og_oci_linux, seccomp, "seccomp", OBJECT, .rows = seccomp_rows, .has_set = true),
	ROW(og_oci_linux, rootfs_propagation, "rootfsPropagation", STRING,
	    .names = og_oci_propagations),
	ROW(og_oci_linux, mount_label, "mountLabel", STRING),
	ROW(og_oci_linux, masked_paths, "maskedPaths", PATHS),
	ROW(og_oci_linux, readonly_paths, "readonlyPaths", PATHS),
	ROW(og_oci_linux, sysctl, "sysctl", PAIRS),
	ROW(og_oci_linux, personality, "personality", OBJECT, .rows = personality_rows,
	    .has_set = true),
	ROW(og_oci_linux, memory_policy, "memoryPolicy", OBJECT, .rows = memory_policy_rows,
	    .has_set = true),
	ROW(og_oci_linux, intel_rdt, "intelRdt", OBJECT, .rows = intel_rdt_rows, .has_set = true),
	ROW(og_oci_linux, net_devices, "netDevices", MAP, .rows = net_device_rows,
	    .item_size = sizeof(struct og_oci_net_device)),
	END,
};

static const struct og_schema hook_rows[] = {
	ROW(og_oci_hook, path, "path", PATH, .required = true),
	ROW(og_oci_hook, args, "args", STRINGS),
	ROW(og_oci_hook, env, "env", STRINGS),
	ROW(og_oci_hook, timeout_s, "timeout", OPT_INT, .min = 1, .max = 86400),
	END,
};

#define HOOKS(member, json) LIST(og_oci_hooks, member, json, og_oci_hook, hook_rows)

static const struct og_schema hooks_rows[] = {
	HOOKS(prestart, "prestart"),
	HOOKS(create_runtime, "createRuntime"),
	HOOKS(create_container, "createContainer"),
	HOOKS(start_container, "startContainer"),
	HOOKS(poststart, "poststart"),
	HOOKS(poststop, "poststop"),
	END,
};

static const struct og_schema root_rows[] = {
	ROW(og_oci_config, root.path, "path", STRING, .required = true),
	ROW(og_oci_config, root.readonly, "readonly", BOOL),
	END,
};

static const struct og_schema config_rows[] = {
	ROW(og_oci_config, oci_version, "ociVersion", STRING, .required = true),
	{ .name = "root", .kind = OG_SCHEMA_OBJECT, .rows = root_rows },
	ROW(og_oci_config, process, "process", OBJECT, .rows = process_rows, .has_set = true),
	ROW(og_oci_config, hostname, "hostname", STRING),
	ROW(og_oci_config, domainname, "domainname", STRING),
	LIST(og_oci_config, mounts, "mounts", og_oci_mount, mount_rows),
	ROW(og_oci_config, hooks, "hooks", OBJECT, .rows = hooks_rows),
	ROW(og_oci_config, annotations, "annotations", PAIRS),
	ROW(og_oci_config, linux_, "linux", OBJECT, .rows = linux_rows),
	END,
};

struct config_memory {
	struct og_json *root;
	struct og_schema_memory blocks;
};

static int parse(const char *buf, size_t len, struct og_oci_config **ret_config,
		 struct config_memory **ret_memory, struct og_err *err)
{
	og_cleanup(og_oci_config_freep) struct og_oci_config *config = NULL;
	int r;

	if (len > OG_OCI_CONFIG_MAX_BYTES) {
		char path[OG_JSON_PATH_MAX];

		og_json_place(buf, OG_OCI_CONFIG_MAX_BYTES, path, sizeof(path));
		return og_fail(err, -EFBIG, "%s reaches beyond the %u bytes that there may be",
			       path[0] != '\0' ? path : "the document", OG_OCI_CONFIG_MAX_BYTES);
	}
	config = calloc(1, sizeof(*config));
	if (config == NULL)
		return og_fail(err, -ENOMEM, "read the configuration");
	config->memory = calloc(1, sizeof(struct config_memory));
	if (config->memory == NULL)
		return og_fail(err, -ENOMEM, "read the configuration");
	*ret_memory = config->memory;
	r = og_json_parse(buf, len, &(*ret_memory)->root, err);
	if (r < 0)
		return r;
	*ret_config = og_take_ptr(config);
	return 0;
}

int og_oci_config_parse(const char *buf, size_t len, struct og_oci_config **ret_config,
			struct og_err *err)
{
	og_cleanup(og_oci_config_freep) struct og_oci_config *config = NULL;
	struct config_memory *memory = NULL;
	int r;

	r = parse(buf, len, &config, &memory, err);
	if (r == 0)
		r = og_schema_read(config_rows, memory->root, "", config, &memory->blocks, err);
	if (r == 0)
		r = og_oci_check_config(config, err);
	if (r < 0)
		return r;
	*ret_config = og_take_ptr(config);
	return 0;
}

int og_oci_process_parse(const char *buf, size_t len, struct og_oci_config **ret_config,
			 struct og_err *err)
{
	og_cleanup(og_oci_config_freep) struct og_oci_config *config = NULL;
	struct config_memory *memory = NULL;
	int r;

	r = parse(buf, len, &config, &memory, err);
	if (r < 0)
		return r;
	config->process.set = true;
	r = og_schema_read(process_rows, memory->root, "process", &config->process, &memory->blocks,
			   err);
	if (r == 0)
		r = og_oci_check_process(&config->process, err);
	if (r < 0)
		return r;
	*ret_config = og_take_ptr(config);
	return 0;
}

int og_oci_resources_parse(const char *buf, size_t len, struct og_oci_config **ret_config,
			   struct og_err *err)
{
	og_cleanup(og_oci_config_freep) struct og_oci_config *config = NULL;
	struct config_memory *memory = NULL;
	struct og_oci_resources *resources;
	int r;

	r = parse(buf, len, &config, &memory, err);
	if (r < 0)
		return r;
	resources = &config->linux_.resources;
	resources->set = true;
	r = og_schema_read(resource_rows, memory->root, "linux.resources", resources,
			   &memory->blocks, err);
	if (r == 0)
		r = og_oci_check_resources(resources, err);
	if (r < 0)
		return r;
	*ret_config = og_take_ptr(config);
	return 0;
}

static const struct og_schema only_mounts_rows[] = {
	LIST(og_oci_config, mounts, "mounts", og_oci_mount, mount_rows, .required = true),
	END,
};

int og_oci_mounts_parse(const char *buf, size_t len, struct og_oci_config **ret_config,
			struct og_err *err)
{
	og_cleanup(og_oci_config_freep) struct og_oci_config *config = NULL;
	struct config_memory *memory = NULL;
	struct og_json *whole;
	int r = parse(buf, len, &config, &memory, err);

	if (r < 0)
		return r;
	if (og_json_kind(memory->root) != OG_JSON_ARRAY)
		return og_fail(err, -EINVAL, "is not an array of mounts");
	whole = og_json_new_object();
	og_json_set(whole, "mounts", memory->root);
	memory->root = whole;
	r = og_schema_read(only_mounts_rows, whole, "", config, &memory->blocks, err);
	if (r == 0)
		*ret_config = og_take_ptr(config);
	return r;
}

struct og_oci_config *og_oci_config_free(struct og_oci_config *config)
{
	struct config_memory *memory;

	if (config == NULL)
		return NULL;
	memory = config->memory;
	if (memory != NULL) {
		og_schema_memory_done(&memory->blocks);
		og_json_free(memory->root);
		free(memory);
	}
	free(config);
	return NULL;
}

const char *og_oci_annotation(const struct og_oci_config *config, const char *key)
{
	for (size_t i = 0; i < config->annotations.count; i++) {
		if (og_streq(config->annotations.items[i].key, key))
			return config->annotations.items[i].value;
	}
	return NULL;
}

const struct og_oci_namespace *og_oci_namespace(const struct og_oci_config *config,
						enum og_oci_namespace_type type)
{
	for (size_t i = 0; i < config->linux_.namespaces.count; i++) {
		if (config->linux_.namespaces.items[i].type == (int)type)
			return &config->linux_.namespaces.items[i];
	}
	return NULL;
}
