/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.json of the OCI runtime specification 1.3 (config.md, config-linux.md) as plain structs.
 *
 * Reading is strict where the specification leaves no choice: a member of the wrong kind, out of
 * range, missing though required, or given twice is refused, and the error names its path
 * ("linux.resources.memory.limit"). Members that the specification does not know are skipped, as
 * it demands. What cannot be applied on a host is found out by who applies it, not here.
 *
 * Strings and lists are owned by the config and live as long as it does. A string that was not
 * given is NULL, a list has count 0. Numbers that may be absent carry @set.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

/* Arguments and environment reach 2 MiB, id mappings and seccomp rules some hundred KiB. */
#define OG_OCI_CONFIG_MAX_BYTES (8U << 20)

struct og_oci_int {
	bool set;
	int64_t value;
};

struct og_oci_uint {
	bool set;
	uint64_t value;
};

struct og_oci_bool {
	bool set;
	bool value;
};

/* @items is NULL-terminated even when empty, as execve() likes it. */
struct og_oci_strings {
	const char **items;
	size_t count;
};

struct og_oci_pair {
	const char *key;
	const char *value;
};

struct og_oci_pairs {
	struct og_oci_pair *items;
	size_t count;
};

struct og_oci_user {
	uint64_t uid, gid; /* at most 2^32 - 2 */
	struct og_oci_uint umask;

	struct og_oci_ids {
		uint64_t *items;
		size_t count;
	} additional_gids;
};

struct og_oci_capabilities {
	bool set;
	struct og_oci_strings bounding, effective, permitted, inheritable, ambient;
};

struct og_oci_rlimit {
	const char *type; /* "RLIMIT_NOFILE" */
	uint64_t soft, hard;
};

/* process.scheduler: sched_setattr(2) */
struct og_oci_scheduler {
	bool set;
	int policy; /* SCHED_* */
	struct og_oci_int nice, priority;
	uint64_t flags; /* SCHED_FLAG_* */
	uint64_t runtime_ns, deadline_ns, period_ns;
};

/* process.ioPriority: ioprio_set(2) */
struct og_oci_io_priority {
	bool set;
	int class; /* IOPRIO_CLASS_* */
	int64_t priority;
};

/* process.execCPUAffinity: lists of processors (format/number_list.h), NULL: none given */
struct og_oci_exec_affinity {
	const char *initial, *final;
};

struct og_oci_process {
	bool set;
	bool terminal;

	struct {
		bool set;
		uint64_t height, width;
	} console_size;

	const char *cwd;
	struct og_oci_strings args, env;
	struct og_oci_user user;
	struct og_oci_capabilities capabilities;

	struct {
		struct og_oci_rlimit *items;
		size_t count;
	} rlimits;

	bool no_new_privileges;
	struct og_oci_int oom_score_adj;
	const char *apparmor_profile, *selinux_label;
	struct og_oci_scheduler scheduler;
	struct og_oci_io_priority io_priority;
	struct og_oci_exec_affinity exec_affinity;
};

struct og_oci_id_map {
	uint64_t container_id, host_id, size;
};

struct og_oci_id_maps {
	struct og_oci_id_map *items;
	size_t count;
};

struct og_oci_mount {
	const char *destination; /* absolute */
	const char *type;
	const char *source;
	struct og_oci_strings options;
	struct og_oci_id_maps uid_mappings, gid_mappings;
};

enum og_oci_namespace_type {
	OG_OCI_NS_PID,
	OG_OCI_NS_NETWORK,
	OG_OCI_NS_MOUNT,
	OG_OCI_NS_IPC,
	OG_OCI_NS_UTS,
	OG_OCI_NS_USER,
	OG_OCI_NS_CGROUP,
	OG_OCI_NS_TIME,
	OG_OCI_NS_COUNT,
};

struct og_oci_namespace {
	int type;	  /* enum og_oci_namespace_type */
	const char *path; /* NULL: a new one */
};

struct og_oci_device {
	int type; /* 'c', 'b', 'p'; "u" is 'c' */
	const char *path;
	int64_t major, minor;
	struct og_oci_uint file_mode, uid, gid;
};

struct og_oci_device_rule {
	bool allow;
	int type; /* 'a', 'c', 'b' */
	struct og_oci_int major, minor;
	const char *access; /* of "rwm"; NULL: all */
};

struct og_oci_weight_device {
	int64_t major, minor;
	struct og_oci_uint weight, leaf_weight;
};

struct og_oci_throttle {
	struct og_oci_throttle_device {
		int64_t major, minor;
		uint64_t rate;
	} * items;

	size_t count;
};

struct og_oci_resources {
	bool set;

	struct {
		struct og_oci_device_rule *items;
		size_t count;
	} devices;

	struct og_oci_memory {
		struct og_oci_int limit, reservation, swap, kernel, kernel_tcp;
		struct og_oci_uint swappiness;
		struct og_oci_bool disable_oom_killer, use_hierarchy;
		bool check_before_update;
	} memory;

	struct og_oci_cpu {
		struct og_oci_uint shares, burst, period, realtime_period;
		struct og_oci_int quota, realtime_runtime, idle;
		const char *cpus, *mems;
	} cpu;

	struct {
		struct og_oci_int limit;
	} pids;

	struct og_oci_block_io {
		struct og_oci_uint weight, leaf_weight;

		struct {
			struct og_oci_weight_device *items;
			size_t count;
		} weight_device;
		struct og_oci_throttle read_bps, write_bps, read_iops, write_iops;
	} block_io;

	struct {
		struct og_oci_hugepage_limit {
			const char *page_size; /* "2MB" */
			uint64_t limit;
		} * items;

		size_t count;
	} hugepage_limits;

	struct {
		struct og_oci_uint class_id;

		struct {
			struct og_oci_net_priority {
				const char *name;
				uint64_t priority;
			} * items;

			size_t count;
		} priorities;
	} network;

	struct {
		struct og_oci_rdma {
			const char *device;
			struct og_oci_uint hca_handles, hca_objects;
		} * items;

		size_t count;
	} rdma;
	struct og_oci_pairs unified;
};

struct og_oci_seccomp_arg {
	uint64_t index, value, value_two;
	const char *op; /* "SCMP_CMP_EQ" */
};

struct og_oci_seccomp_rule {
	struct og_oci_strings names;
	const char *action; /* "SCMP_ACT_ALLOW" */
	struct og_oci_uint errno_ret;

	struct {
		struct og_oci_seccomp_arg *items;
		size_t count;
	} args;
};

struct og_oci_seccomp {
	bool set;
	const char *default_action;
	struct og_oci_uint default_errno_ret;
	struct og_oci_strings architectures, flags;
	const char *listener_path, *listener_metadata;

	struct {
		struct og_oci_seccomp_rule *items;
		size_t count;
	} syscalls;
};

struct og_oci_time_offset {
	const char *clock; /* "monotonic", "boottime" */
	int64_t secs;
	uint64_t nanosecs;
};

/* linux.personality: personality(2) */
struct og_oci_personality {
	bool set;
	int domain;	/* PER_LINUX, PER_LINUX32 */
	uint64_t flags; /* none yet */
};

/* linux.memoryPolicy: set_mempolicy(2) */
struct og_oci_memory_policy {
	bool set;
	int mode;	   /* MPOL_* */
	const char *nodes; /* a list: format/number_list.h; NULL: none */
	uint64_t flags;	   /* MPOL_F_* */
};

/* linux.intelRdt: the resctrl file system */
struct og_oci_intel_rdt {
	bool set;
	const char *clos_id, *l3_cache_schema, *mem_bw_schema;
	struct og_oci_strings schemata;
	bool enable_monitoring;
};

/* linux.netDevices: an interface of the host's, and its name inside (NULL: the same) */
struct og_oci_net_device {
	const char *host_name;
	const char *name;
};

struct og_oci_linux {
	struct {
		struct og_oci_namespace *items;
		size_t count;
	} namespaces;
	struct og_oci_id_maps uid_mappings, gid_mappings;

	struct {
		struct og_oci_time_offset *items;
		size_t count;
	} time_offsets;

	struct {
		struct og_oci_device *items;
		size_t count;
	} devices;

	const char *cgroups_path;
	struct og_oci_resources resources;
	struct og_oci_seccomp seccomp;
	const char *rootfs_propagation, *mount_label;
	struct og_oci_strings masked_paths, readonly_paths;
	struct og_oci_pairs sysctl;
	struct og_oci_personality personality;
	struct og_oci_memory_policy memory_policy;
	struct og_oci_intel_rdt intel_rdt;

	struct {
		struct og_oci_net_device *items;
		size_t count;
	} net_devices;
};

struct og_oci_hook {
	const char *path; /* absolute */
	struct og_oci_strings args, env;
	struct og_oci_int timeout_s;
};

struct og_oci_hook_list {
	struct og_oci_hook *items;
	size_t count;
};

struct og_oci_hooks {
	struct og_oci_hook_list prestart, create_runtime, create_container, start_container,
		poststart, poststop;
};

struct og_oci_config {
	const char *oci_version;

	struct {
		bool set;
		const char *path; /* absolute, or relative to the bundle */
		bool readonly;
	} root;
	struct og_oci_process process; /* @set is false where the document has none */
	const char *hostname, *domainname;

	struct {
		struct og_oci_mount *items;
		size_t count;
	} mounts;
	struct og_oci_hooks hooks;
	struct og_oci_pairs annotations;
	struct og_oci_linux linux_;
	void *memory; /* private */
};

/*
 * Reads a whole config.json. On success *@ret_config is the caller's to free.
 * Of a longer document the first OG_OCI_CONFIG_MAX_BYTES + 1 bytes are enough to be told what is
 * too long.
 * Errors: -EINVAL, -ERANGE, -EFBIG, -ENOMEM; the text names the member's path.
 */
int og_oci_config_parse(const char *buf, size_t len, struct og_oci_config **ret_config,
			struct og_err *err);

/*
 * Reads a `process` object alone, as `exec --process` takes it; the result is a config of which
 * only @process is set.
 */
int og_oci_process_parse(const char *buf, size_t len, struct og_oci_config **ret_config,
			 struct og_err *err);

/*
 * Reads linux.resources alone, as `update --resources` takes it; the result is a config of which
 * only @linux_.resources is set.
 */
int og_oci_resources_parse(const char *buf, size_t len, struct og_oci_config **ret_config,
			   struct og_err *err);

/*
 * Reads an array of mounts alone, as `mounts add` takes it; the result is a config of which only
 * @mounts is set.
 */
int og_oci_mounts_parse(const char *buf, size_t len, struct og_oci_config **ret_config,
			struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_oci_config *og_oci_config_free(struct og_oci_config *config);
OG_DEFINE_CLEANUP(struct og_oci_config, og_oci_config_free)

/* The value of an annotation, or NULL. */
const char *og_oci_annotation(const struct og_oci_config *config, const char *key);

/* The namespace of @type, or NULL where the workload shares the host's. */
const struct og_oci_namespace *og_oci_namespace(const struct og_oci_config *config,
						enum og_oci_namespace_type type);
