/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the API's bodies hold, as plain data; their tables are in bodies.c. The names, ranges and
 * defaults are those of Firecracker's API; what is ours alone is said.
 *
 * Each struct begins with @given: bit n is set where field n of its table came.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

#include "vmm/limits.h"
#include "vmmapi/body.h"

#define OG_API_PATH_MAX	    4096 /* PATH_MAX, NUL included */
#define OG_API_SOCKET_MAX   sizeof(((struct sockaddr_un *)0)->sun_path)
#define OG_API_CMDLINE_MAX  4096 /* Linux takes 2048 */
#define OG_API_PARTUUID_MAX 64
#define OG_API_MAC_MAX	    18
#define OG_API_BITMAP_MAX   72 /* "0b", 64 bits, some underscores */
#define OG_API_NUMBER_MAX   24

enum og_api_huge_pages {
	OG_HUGE_NONE,
	OG_HUGE_TRANSPARENT,
	OG_HUGE_2M,
};

enum og_api_level {
	OG_LEVEL_OFF,
	OG_LEVEL_ERROR,
	OG_LEVEL_WARNING,
	OG_LEVEL_INFO,
	OG_LEVEL_DEBUG,
	OG_LEVEL_TRACE,
	OG_LEVEL_WARN, /* the same as Warning */
};

struct og_api_bucket {
	uint32_t given;
	uint64_t size, one_time_burst, refill_time; /* tokens, tokens, milliseconds */
};

#define OG_LIMITER_BANDWIDTH 1U /* of @given: the fields in their order */
#define OG_LIMITER_OPS	     2U

struct og_api_limiter {
	uint32_t given;
	struct og_api_bucket bandwidth, ops;
};

struct og_api_machine {
	uint32_t given;
	uint64_t vcpu_count, mem_size_mib;
	bool smt, track_dirty_pages;
	unsigned cpu_template; /* a place in og_api_templates */
	unsigned huge_pages;   /* enum og_api_huge_pages */
};

struct og_api_boot {
	uint32_t given;
	char kernel_image_path[OG_API_PATH_MAX], initrd_path[OG_API_PATH_MAX];
	char boot_args[OG_API_CMDLINE_MAX];
};

struct og_api_drive {
	uint32_t given;
	char drive_id[OG_VMM_ID_MAX], partuuid[OG_API_PARTUUID_MAX];
	bool is_root_device, is_read_only;
	unsigned cache_type; /* 0 Unsafe, 1 Writeback */
	unsigned io_engine;  /* 0 Sync, 1 Async */
	char path_on_host[OG_API_PATH_MAX], socket[OG_API_SOCKET_MAX];
	struct og_api_limiter rate_limiter;
};

struct og_api_drive_update {
	uint32_t given;
	char drive_id[OG_VMM_ID_MAX], path_on_host[OG_API_PATH_MAX];
	struct og_api_limiter rate_limiter;
};

struct og_api_pmem {
	uint32_t given;
	char id[OG_VMM_ID_MAX], path_on_host[OG_API_PATH_MAX];
	bool root_device, read_only;
	struct og_api_limiter rate_limiter;
};

struct og_api_pmem_update {
	uint32_t given;
	char id[OG_VMM_ID_MAX];
	struct og_api_limiter rate_limiter;
};

struct og_api_net {
	uint32_t given;
	char iface_id[OG_VMM_ID_MAX], host_dev_name[IFNAMSIZ], guest_mac[OG_API_MAC_MAX];
	uint64_t mtu;
	struct og_api_limiter rx_rate_limiter, tx_rate_limiter;
};

struct og_api_net_update {
	uint32_t given;
	char iface_id[OG_VMM_ID_MAX];
	struct og_api_limiter rx_rate_limiter, tx_rate_limiter;
};

struct og_api_vsock {
	uint32_t given;
	char vsock_id[OG_VMM_ID_MAX];
	uint64_t guest_cid;
	char uds_path[OG_API_SOCKET_MAX];
};

struct og_api_balloon {
	uint32_t given;
	uint64_t amount_mib, stats_polling_interval_s;
	bool deflate_on_oom, free_page_hinting, free_page_reporting;
};

struct og_api_balloon_update {
	uint32_t given;
	uint64_t amount_mib;
};

struct og_api_balloon_stats_update {
	uint32_t given;
	uint64_t stats_polling_interval_s;
};

struct og_api_hinting {
	uint32_t given;
	bool acknowledge_on_stop;
};

struct og_api_entropy {
	uint32_t given;
	struct og_api_limiter rate_limiter;
};

struct og_api_serial {
	uint32_t given;
	char serial_out_path[OG_API_PATH_MAX];
	struct og_api_bucket rate_limiter;
};

struct og_api_hotplug {
	uint32_t given;
	uint64_t total_size_mib, slot_size_mib, block_size_mib;
};

struct og_api_hotplug_update {
	uint32_t given;
	uint64_t requested_size_mib;
};

struct og_api_logger {
	uint32_t given;
	char log_path[OG_API_PATH_MAX], module[64];
	unsigned level; /* enum og_api_level */
	bool show_level, show_log_origin;
};

#define OG_API_PROPERTIES_MAX 16

struct og_api_metrics {
	uint32_t given;
	char metrics_path[OG_API_PATH_MAX];
	bool emit_id;
	struct og_pair properties[OG_API_PROPERTIES_MAX];
	unsigned n_properties;
};

struct og_api_mmds_config {
	uint32_t given;
	unsigned version; /* 0 V1, 1 V2 */
	char network_interfaces[OG_VMM_NETS_MAX][OG_VMM_ID_MAX];
	unsigned n_network_interfaces;
	char ipv4_address[16];
	bool imds_compat;
};

struct og_api_snapshot_create {
	uint32_t given;
	char snapshot_path[OG_API_PATH_MAX], mem_file_path[OG_API_PATH_MAX];
	unsigned snapshot_type; /* 0 Full, 1 Diff */
};

struct og_api_mem_backend {
	uint32_t given;
	unsigned backend_type; /* 0 File, 1 Uffd */
	char backend_path[OG_API_PATH_MAX];
};

struct og_api_net_override {
	uint32_t given;
	char iface_id[OG_VMM_ID_MAX], host_dev_name[IFNAMSIZ];
};

struct og_api_vsock_override {
	uint32_t given;
	char uds_path[OG_API_SOCKET_MAX];
};

struct og_api_snapshot_load {
	uint32_t given;
	char snapshot_path[OG_API_PATH_MAX], mem_file_path[OG_API_PATH_MAX];
	struct og_api_mem_backend mem_backend;
	bool enable_diff_snapshots, track_dirty_pages, resume_vm, clock_realtime;
	struct og_api_net_override network_overrides[OG_VMM_NETS_MAX];
	unsigned n_network_overrides;
	struct og_api_vsock_override vsock_override;
	unsigned huge_pages; /* 0 Snapshot, else enum og_api_huge_pages + 1 */
};

struct og_api_vm_state {
	uint32_t given;
	unsigned state; /* 0 Paused, 1 Resumed */
};

struct og_api_action {
	uint32_t given;
	unsigned action_type; /* enum og_api_action_type */
};

enum og_api_action_type {
	OG_ACTION_FLUSH_METRICS,
	OG_ACTION_INSTANCE_START,
	OG_ACTION_CTRL_ALT_DEL,
};

#define OG_API_LEAVES_MAX	64 /* as vmm/x86/cpu_template.h */
#define OG_API_MSRS_MAX		64
#define OG_API_CAPABILITIES_MAX 32

struct og_api_cpuid_register {
	uint32_t given;
	unsigned register_; /* eax, ebx, ecx, edx */
	char bitmap[OG_API_BITMAP_MAX];
};

struct og_api_cpuid_leaf {
	uint32_t given;
	char leaf[OG_API_NUMBER_MAX], subleaf[OG_API_NUMBER_MAX];
	uint64_t flags;
	struct og_api_cpuid_register modifiers[4];
	unsigned n_modifiers;
};

struct og_api_msr {
	uint32_t given;
	char addr[OG_API_NUMBER_MAX], bitmap[OG_API_BITMAP_MAX];
};

struct og_api_cpu_config {
	uint32_t given;
	char kvm_capabilities[OG_API_CAPABILITIES_MAX][8];
	unsigned n_kvm_capabilities;
	struct og_api_cpuid_leaf cpuid_modifiers[OG_API_LEAVES_MAX];
	unsigned n_cpuid_modifiers;
	struct og_api_msr msr_modifiers[OG_API_MSRS_MAX];
	unsigned n_msr_modifiers;
};

/* Ours: a folder shared with the guest (virtio-fs). */
struct og_api_fs {
	uint32_t given;
	char id[OG_VMM_ID_MAX], tag[37], path_on_host[OG_API_PATH_MAX];
	bool read_only;
};

/* Ours: which of the host's processors a vCPU runs on. */
#define OG_API_PIN_CPUS_MAX 1024

struct og_api_pin {
	uint32_t given;
	uint64_t vcpu;
	uint64_t cpus[OG_API_PIN_CPUS_MAX];
	unsigned n_cpus;
};

/* Ours: the clone's own file for a drive. */
struct og_api_drive_override {
	uint32_t given;
	char drive_id[OG_VMM_ID_MAX], path_on_host[OG_API_PATH_MAX];
};

/* Ours: a running machine's clone, which listens at @api_sock. */
struct og_api_fork {
	uint32_t given;
	char id[OG_VMM_ID_MAX], api_sock[OG_API_SOCKET_MAX], metrics_path[OG_API_PATH_MAX];
	struct og_api_drive_override drive_overrides[OG_VMM_DISKS_MAX];
	unsigned n_drive_overrides;
	struct og_api_net_override network_overrides[OG_VMM_NETS_MAX];
	unsigned n_network_overrides;
	struct og_api_vsock_override vsock_override;
	bool resume_vm;
};

extern const struct og_body og_body_action, og_body_balloon, og_body_balloon_stats_update,
	og_body_balloon_update, og_body_boot, og_body_cpu_config, og_body_drive,
	og_body_drive_update, og_body_entropy, og_body_fork, og_body_fs, og_body_hinting,
	og_body_hotplug, og_body_hotplug_update, og_body_logger, og_body_machine,
	og_body_machine_update, og_body_metrics, og_body_mmds_config, og_body_net,
	og_body_net_update, og_body_pin, og_body_pmem, og_body_pmem_update, og_body_serial,
	og_body_snapshot_create, og_body_snapshot_load, og_body_vm_state, og_body_vsock;

/* "None", "T2", ... */
extern const char *const og_api_templates[];
extern const char *const og_api_levels[];

/* The largest of all structs, for a buffer that any body fits. */
union og_api_body {
	struct og_api_snapshot_load load;
	struct og_api_cpu_config cpu_config;
	struct og_api_boot boot;
	struct og_api_metrics metrics;
	struct og_api_pin pin;
	struct og_api_fork fork;
	struct og_api_drive drive;
};

/* The id of a resource: letters, digits and '_', at least one. */
og_check_fn og_api_check_id;
og_check_fn og_api_check_mac, og_api_check_ipv4, og_api_check_bitmap, og_api_check_number;
