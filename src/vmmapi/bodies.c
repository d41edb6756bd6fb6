/* SPDX-License-Identifier: Apache-2.0 */
#include "vmmapi/bodies.h"

#include <string.h>

/* Where a field is, of the struct that BODY names. */
#define AT(member) .at = offsetof(struct BODY, member), .size = sizeof(((struct BODY *)0)->member)
#define LIST(member)                                                                            \
	.at = offsetof(struct BODY, member), .size = sizeof(((struct BODY *)0)->member[0]),     \
	.list_max = sizeof(((struct BODY *)0)->member) / sizeof(((struct BODY *)0)->member[0]), \
	.count_at = offsetof(struct BODY, n_##member)
#define TABLE(the_name, the_fields)                                       \
	{                                                                 \
		.name = the_name, .fields = the_fields,                   \
		.n_fields = sizeof(the_fields) / sizeof((the_fields)[0]), \
		.size = sizeof(struct BODY)                               \
	}

const char *const og_api_templates[] = { "None", "T2", "T2S", "T2CL", "T2A", "C3", NULL };
const char *const og_api_levels[] = { "Off",   "Error", "Warning", "Info",
				      "Debug", "Trace", "Warn",	   NULL };
static const char *const huge_pages[] = { "None", "Transparent", "2M", NULL };

#define BODY og_api_bucket
static const struct og_field bucket_fields[] = {
	{ "size", OG_FIELD_UINT, OG_REQUIRED, AT(size), .max = UINT64_MAX },
	{ "one_time_burst", OG_FIELD_UINT, OG_OPTIONAL, AT(one_time_burst), .max = UINT64_MAX },
	{ "refill_time", OG_FIELD_UINT, OG_REQUIRED, AT(refill_time), .max = UINT64_MAX },
};
static const struct og_body bucket = TABLE("TokenBucket", bucket_fields);

#undef BODY
#define BODY og_api_limiter
static const struct og_field limiter_fields[] = {
	{ "bandwidth", OG_FIELD_BODY, OG_OPTIONAL, AT(bandwidth), .body = &bucket },
	{ "ops", OG_FIELD_BODY, OG_OPTIONAL, AT(ops), .body = &bucket },
};
static const struct og_body limiter = TABLE("RateLimiter", limiter_fields);

#undef BODY
#define BODY og_api_machine
static const struct og_field machine_fields[] = {
	{ "vcpu_count", OG_FIELD_UINT, OG_REQUIRED, AT(vcpu_count), .min = 1,
	  .max = OG_VMM_CPUS_MAX },
	{ "mem_size_mib", OG_FIELD_UINT, OG_REQUIRED, AT(mem_size_mib),
	  .min = OG_VMM_MEMORY_MIB_MIN, .max = OG_VMM_MEMORY_MIB_MAX },
	{ "smt", OG_FIELD_BOOL, OG_DEFAULT, AT(smt) },
	{ "cpu_template", OG_FIELD_WORD, OG_OPTIONAL, AT(cpu_template), .words = og_api_templates,
	  .deprecated = true },
	{ "track_dirty_pages", OG_FIELD_BOOL, OG_DEFAULT, AT(track_dirty_pages) },
	{ "huge_pages", OG_FIELD_WORD, OG_DEFAULT, AT(huge_pages), .words = huge_pages },
};
const struct og_body og_body_machine = TABLE("MachineConfiguration", machine_fields);

static const struct og_field machine_update_fields[] = {
	{ "vcpu_count", OG_FIELD_UINT, OG_OPTIONAL, AT(vcpu_count), .min = 1,
	  .max = OG_VMM_CPUS_MAX },
	{ "mem_size_mib", OG_FIELD_UINT, OG_OPTIONAL, AT(mem_size_mib),
	  .min = OG_VMM_MEMORY_MIB_MIN, .max = OG_VMM_MEMORY_MIB_MAX },
	{ "smt", OG_FIELD_BOOL, OG_OPTIONAL, AT(smt) },
	{ "cpu_template", OG_FIELD_WORD, OG_OPTIONAL, AT(cpu_template), .words = og_api_templates,
	  .deprecated = true },
	{ "track_dirty_pages", OG_FIELD_BOOL, OG_OPTIONAL, AT(track_dirty_pages) },
	{ "huge_pages", OG_FIELD_WORD, OG_OPTIONAL, AT(huge_pages), .words = huge_pages },
};
const struct og_body og_body_machine_update =
	TABLE("MachineConfigurationUpdate", machine_update_fields);

#undef BODY
#define BODY og_api_boot
static const struct og_field boot_fields[] = {
	{ "kernel_image_path", OG_FIELD_TEXT, OG_REQUIRED, AT(kernel_image_path), .min = 1 },
	{ "initrd_path", OG_FIELD_TEXT, OG_OPTIONAL, AT(initrd_path), .min = 1 },
	{ "boot_args", OG_FIELD_TEXT, OG_OPTIONAL, AT(boot_args) },
};
const struct og_body og_body_boot = TABLE("BootSource", boot_fields);

#undef BODY
#define BODY og_api_drive
static const char *const cache_types[] = { "Unsafe", "Writeback", NULL };
static const char *const io_engines[] = { "Sync", "Async", NULL };
static const struct og_field drive_fields[] = {
	{ "drive_id", OG_FIELD_TEXT, OG_REQUIRED, AT(drive_id), .check = og_api_check_id },
	{ "partuuid", OG_FIELD_TEXT, OG_OPTIONAL, AT(partuuid), .min = 1 },
	{ "is_root_device", OG_FIELD_BOOL, OG_REQUIRED, AT(is_root_device) },
	{ "cache_type", OG_FIELD_WORD, OG_DEFAULT, AT(cache_type), .words = cache_types },
	{ "is_read_only", OG_FIELD_BOOL, OG_OPTIONAL, AT(is_read_only) },
	{ "path_on_host", OG_FIELD_TEXT, OG_OPTIONAL, AT(path_on_host), .min = 1 },
	{ "rate_limiter", OG_FIELD_BODY, OG_OPTIONAL, AT(rate_limiter), .body = &limiter },
	{ "io_engine", OG_FIELD_WORD, OG_DEFAULT, AT(io_engine), .words = io_engines },
	{ "socket", OG_FIELD_TEXT, OG_OPTIONAL, AT(socket), .min = 1 },
};
const struct og_body og_body_drive = TABLE("Drive", drive_fields);

#undef BODY
#define BODY og_api_drive_update
static const struct og_field drive_update_fields[] = {
	{ "drive_id", OG_FIELD_TEXT, OG_REQUIRED, AT(drive_id), .check = og_api_check_id },
	{ "path_on_host", OG_FIELD_TEXT, OG_OPTIONAL, AT(path_on_host), .min = 1 },
	{ "rate_limiter", OG_FIELD_BODY, OG_OPTIONAL, AT(rate_limiter), .body = &limiter },
};
const struct og_body og_body_drive_update = TABLE("PartialDrive", drive_update_fields);

#undef BODY
#define BODY og_api_pmem
static const struct og_field pmem_fields[] = {
	{ "id", OG_FIELD_TEXT, OG_REQUIRED, AT(id), .check = og_api_check_id },
	{ "path_on_host", OG_FIELD_TEXT, OG_REQUIRED, AT(path_on_host), .min = 1 },
	{ "root_device", OG_FIELD_BOOL, OG_DEFAULT, AT(root_device) },
	{ "read_only", OG_FIELD_BOOL, OG_DEFAULT, AT(read_only) },
	{ "rate_limiter", OG_FIELD_BODY, OG_OPTIONAL, AT(rate_limiter), .body = &limiter },
};
const struct og_body og_body_pmem = TABLE("Pmem", pmem_fields);

#undef BODY
#define BODY og_api_pmem_update
static const struct og_field pmem_update_fields[] = {
	{ "id", OG_FIELD_TEXT, OG_REQUIRED, AT(id), .check = og_api_check_id },
	{ "rate_limiter", OG_FIELD_BODY, OG_OPTIONAL, AT(rate_limiter), .body = &limiter },
};
const struct og_body og_body_pmem_update = TABLE("PartialPmem", pmem_update_fields);

#undef BODY
#define BODY og_api_net
static const struct og_field net_fields[] = {
	{ "iface_id", OG_FIELD_TEXT, OG_REQUIRED, AT(iface_id), .check = og_api_check_id },
	{ "host_dev_name", OG_FIELD_TEXT, OG_REQUIRED, AT(host_dev_name), .min = 1 },
	{ "guest_mac", OG_FIELD_TEXT, OG_OPTIONAL, AT(guest_mac), .check = og_api_check_mac },
	{ "mtu", OG_FIELD_UINT, OG_OPTIONAL, AT(mtu), .min = 68, .max = 65535 },
	{ "rx_rate_limiter", OG_FIELD_BODY, OG_OPTIONAL, AT(rx_rate_limiter), .body = &limiter },
	{ "tx_rate_limiter", OG_FIELD_BODY, OG_OPTIONAL, AT(tx_rate_limiter), .body = &limiter },
};
const struct og_body og_body_net = TABLE("NetworkInterface", net_fields);

#undef BODY
#define BODY og_api_net_update
static const struct og_field net_update_fields[] = {
	{ "iface_id", OG_FIELD_TEXT, OG_REQUIRED, AT(iface_id), .check = og_api_check_id },
	{ "rx_rate_limiter", OG_FIELD_BODY, OG_OPTIONAL, AT(rx_rate_limiter), .body = &limiter },
	{ "tx_rate_limiter", OG_FIELD_BODY, OG_OPTIONAL, AT(tx_rate_limiter), .body = &limiter },
};
const struct og_body og_body_net_update = TABLE("PartialNetworkInterface", net_update_fields);

#undef BODY
#define BODY og_api_vsock
static const struct og_field vsock_fields[] = {
	{ "vsock_id", OG_FIELD_TEXT, OG_OPTIONAL, AT(vsock_id), .check = og_api_check_id,
	  .deprecated = true },
	{ "guest_cid", OG_FIELD_UINT, OG_REQUIRED, AT(guest_cid), .min = 3, .max = UINT32_MAX - 1 },
	{ "uds_path", OG_FIELD_TEXT, OG_REQUIRED, AT(uds_path), .min = 1 },
};
const struct og_body og_body_vsock = TABLE("Vsock", vsock_fields);

#undef BODY
#define BODY og_api_balloon
static const struct og_field balloon_fields[] = {
	{ "amount_mib", OG_FIELD_UINT, OG_REQUIRED, AT(amount_mib), .max = UINT32_MAX },
	{ "deflate_on_oom", OG_FIELD_BOOL, OG_REQUIRED, AT(deflate_on_oom) },
	{ "stats_polling_interval_s", OG_FIELD_UINT, OG_DEFAULT, AT(stats_polling_interval_s),
	  .max = UINT16_MAX },
	{ "free_page_hinting", OG_FIELD_BOOL, OG_DEFAULT, AT(free_page_hinting) },
	{ "free_page_reporting", OG_FIELD_BOOL, OG_DEFAULT, AT(free_page_reporting) },
};
const struct og_body og_body_balloon = TABLE("Balloon", balloon_fields);

#undef BODY
#define BODY og_api_balloon_update
static const struct og_field balloon_update_fields[] = {
	{ "amount_mib", OG_FIELD_UINT, OG_REQUIRED, AT(amount_mib), .max = UINT32_MAX },
};
const struct og_body og_body_balloon_update = TABLE("BalloonUpdate", balloon_update_fields);

#undef BODY
#define BODY og_api_balloon_stats_update
static const struct og_field balloon_stats_update_fields[] = {
	{ "stats_polling_interval_s", OG_FIELD_UINT, OG_REQUIRED, AT(stats_polling_interval_s),
	  .max = UINT16_MAX },
};
const struct og_body og_body_balloon_stats_update =
	TABLE("BalloonStatsUpdate", balloon_stats_update_fields);

#undef BODY
#define BODY og_api_hinting
static const struct og_field hinting_fields[] = {
	{ "acknowledge_on_stop", OG_FIELD_BOOL, OG_DEFAULT, AT(acknowledge_on_stop),
	  .fallback = 1 },
};
const struct og_body og_body_hinting = TABLE("BalloonStartCmd", hinting_fields);

#undef BODY
#define BODY og_api_entropy
static const struct og_field entropy_fields[] = {
	{ "rate_limiter", OG_FIELD_BODY, OG_OPTIONAL, AT(rate_limiter), .body = &limiter },
};
const struct og_body og_body_entropy = TABLE("EntropyDevice", entropy_fields);

#undef BODY
#define BODY og_api_serial
static const struct og_field serial_fields[] = {
	{ "serial_out_path", OG_FIELD_TEXT, OG_OPTIONAL, AT(serial_out_path), .min = 1 },
	{ "rate_limiter", OG_FIELD_BODY, OG_OPTIONAL, AT(rate_limiter), .body = &bucket },
};
const struct og_body og_body_serial = TABLE("SerialDevice", serial_fields);

#undef BODY
#define BODY og_api_hotplug
static const struct og_field hotplug_fields[] = {
	{ "total_size_mib", OG_FIELD_UINT, OG_REQUIRED, AT(total_size_mib), .max = UINT32_MAX },
	{ "slot_size_mib", OG_FIELD_UINT, OG_DEFAULT, AT(slot_size_mib), .min = 128,
	  .max = UINT32_MAX, .fallback = 128 },
	{ "block_size_mib", OG_FIELD_UINT, OG_DEFAULT, AT(block_size_mib), .min = 2,
	  .max = UINT32_MAX, .fallback = 2 },
};
const struct og_body og_body_hotplug = TABLE("MemoryHotplugConfig", hotplug_fields);

#undef BODY
#define BODY og_api_hotplug_update
static const struct og_field hotplug_update_fields[] = {
	{ "requested_size_mib", OG_FIELD_UINT, OG_REQUIRED, AT(requested_size_mib),
	  .max = UINT32_MAX },
};
const struct og_body og_body_hotplug_update =
	TABLE("MemoryHotplugSizeUpdate", hotplug_update_fields);

#undef BODY
#define BODY og_api_logger
static const struct og_field logger_fields[] = {
	{ "log_path", OG_FIELD_TEXT, OG_OPTIONAL, AT(log_path), .min = 1 },
	{ "level", OG_FIELD_WORD, OG_OPTIONAL, AT(level), .words = og_api_levels,
	  .any_case = true },
	{ "show_level", OG_FIELD_BOOL, OG_OPTIONAL, AT(show_level) },
	{ "show_log_origin", OG_FIELD_BOOL, OG_OPTIONAL, AT(show_log_origin) },
	{ "module", OG_FIELD_TEXT, OG_OPTIONAL, AT(module) },
};
const struct og_body og_body_logger = TABLE("Logger", logger_fields);

#undef BODY
#define BODY og_api_metrics
static const struct og_field metrics_fields[] = {
	{ "metrics_path", OG_FIELD_TEXT, OG_REQUIRED, AT(metrics_path), .min = 1 },
	{ "emit_id", OG_FIELD_BOOL, OG_DEFAULT, AT(emit_id) },
	{ "properties", OG_FIELD_MAP, OG_OPTIONAL, LIST(properties) },
};
const struct og_body og_body_metrics = TABLE("Metrics", metrics_fields);

#undef BODY
#define BODY og_api_mmds_config
static const char *const mmds_versions[] = { "V1", "V2", NULL };
static const struct og_field mmds_config_fields[] = {
	{ "version", OG_FIELD_WORD, OG_DEFAULT, AT(version), .words = mmds_versions },
	{ "network_interfaces", OG_FIELD_TEXT, OG_REQUIRED, LIST(network_interfaces) },
	{ "ipv4_address", OG_FIELD_TEXT, OG_OPTIONAL, AT(ipv4_address),
	  .check = og_api_check_ipv4 },
	{ "imds_compat", OG_FIELD_BOOL, OG_DEFAULT, AT(imds_compat) },
};
const struct og_body og_body_mmds_config = TABLE("MmdsConfig", mmds_config_fields);

#undef BODY
#define BODY og_api_snapshot_create
static const char *const snapshot_types[] = { "Full", "Diff", NULL };
static const struct og_field snapshot_create_fields[] = {
	{ "snapshot_path", OG_FIELD_TEXT, OG_REQUIRED, AT(snapshot_path), .min = 1 },
	{ "mem_file_path", OG_FIELD_TEXT, OG_REQUIRED, AT(mem_file_path), .min = 1 },
	{ "snapshot_type", OG_FIELD_WORD, OG_DEFAULT, AT(snapshot_type), .words = snapshot_types },
};
const struct og_body og_body_snapshot_create =
	TABLE("SnapshotCreateParams", snapshot_create_fields);

#undef BODY
#define BODY og_api_mem_backend
static const char *const backend_types[] = { "File", "Uffd", NULL };
static const struct og_field mem_backend_fields[] = {
	{ "backend_type", OG_FIELD_WORD, OG_REQUIRED, AT(backend_type), .words = backend_types },
	{ "backend_path", OG_FIELD_TEXT, OG_REQUIRED, AT(backend_path), .min = 1 },
};
static const struct og_body mem_backend = TABLE("MemoryBackend", mem_backend_fields);

#undef BODY
#define BODY og_api_net_override
static const struct og_field net_override_fields[] = {
	{ "iface_id", OG_FIELD_TEXT, OG_REQUIRED, AT(iface_id), .check = og_api_check_id },
	{ "host_dev_name", OG_FIELD_TEXT, OG_REQUIRED, AT(host_dev_name), .min = 1 },
};
static const struct og_body net_override = TABLE("NetworkOverride", net_override_fields);

#undef BODY
#define BODY og_api_vsock_override
static const struct og_field vsock_override_fields[] = {
	{ "uds_path", OG_FIELD_TEXT, OG_REQUIRED, AT(uds_path), .min = 1 },
};
static const struct og_body vsock_override = TABLE("VsockOverride", vsock_override_fields);

#undef BODY
#define BODY og_api_snapshot_load
static const char *const load_huge_pages[] = { "Snapshot", "None", "Transparent", "2M", NULL };
static const struct og_field snapshot_load_fields[] = {
	{ "snapshot_path", OG_FIELD_TEXT, OG_REQUIRED, AT(snapshot_path), .min = 1 },
	{ "mem_file_path", OG_FIELD_TEXT, OG_OPTIONAL, AT(mem_file_path), .min = 1,
	  .deprecated = true },
	{ "mem_backend", OG_FIELD_BODY, OG_OPTIONAL, AT(mem_backend), .body = &mem_backend },
	{ "enable_diff_snapshots", OG_FIELD_BOOL, OG_DEFAULT, AT(enable_diff_snapshots),
	  .deprecated = true },
	{ "track_dirty_pages", OG_FIELD_BOOL, OG_DEFAULT, AT(track_dirty_pages) },
	{ "resume_vm", OG_FIELD_BOOL, OG_DEFAULT, AT(resume_vm) },
	{ "network_overrides", OG_FIELD_BODY, OG_OPTIONAL, LIST(network_overrides),
	  .body = &net_override },
	{ "vsock_override", OG_FIELD_BODY, OG_OPTIONAL, AT(vsock_override),
	  .body = &vsock_override },
	{ "clock_realtime", OG_FIELD_BOOL, OG_DEFAULT, AT(clock_realtime) },
	{ "huge_pages", OG_FIELD_WORD, OG_DEFAULT, AT(huge_pages), .words = load_huge_pages },
};
const struct og_body og_body_snapshot_load = TABLE("SnapshotLoadParams", snapshot_load_fields);

#undef BODY
#define BODY og_api_vm_state
static const char *const vm_states[] = { "Paused", "Resumed", NULL };
static const struct og_field vm_state_fields[] = {
	{ "state", OG_FIELD_WORD, OG_REQUIRED, AT(state), .words = vm_states },
};
const struct og_body og_body_vm_state = TABLE("Vm", vm_state_fields);

#undef BODY
#define BODY og_api_action
static const char *const action_types[] = { "FlushMetrics", "InstanceStart", "SendCtrlAltDel",
					    NULL };
static const struct og_field action_fields[] = {
	{ "action_type", OG_FIELD_WORD, OG_REQUIRED, AT(action_type), .words = action_types },
};
const struct og_body og_body_action = TABLE("InstanceActionInfo", action_fields);

#undef BODY
#define BODY og_api_cpuid_register
static const char *const registers[] = { "eax", "ebx", "ecx", "edx", NULL };
static const struct og_field cpuid_register_fields[] = {
	{ "register", OG_FIELD_WORD, OG_REQUIRED, AT(register_), .words = registers },
	{ "bitmap", OG_FIELD_TEXT, OG_REQUIRED, AT(bitmap), .check = og_api_check_bitmap },
};
static const struct og_body cpuid_register = TABLE("CpuidRegisterModifier", cpuid_register_fields);

#undef BODY
#define BODY og_api_cpuid_leaf
static const struct og_field cpuid_leaf_fields[] = {
	{ "leaf", OG_FIELD_TEXT, OG_REQUIRED, AT(leaf), .check = og_api_check_number },
	{ "subleaf", OG_FIELD_TEXT, OG_REQUIRED, AT(subleaf), .check = og_api_check_number },
	{ "flags", OG_FIELD_UINT, OG_REQUIRED, AT(flags), .max = UINT32_MAX },
	{ "modifiers", OG_FIELD_BODY, OG_REQUIRED, LIST(modifiers), .body = &cpuid_register },
};
static const struct og_body cpuid_leaf = TABLE("CpuidLeafModifier", cpuid_leaf_fields);

#undef BODY
#define BODY og_api_msr
static const struct og_field msr_fields[] = {
	{ "addr", OG_FIELD_TEXT, OG_REQUIRED, AT(addr), .check = og_api_check_number },
	{ "bitmap", OG_FIELD_TEXT, OG_REQUIRED, AT(bitmap), .check = og_api_check_bitmap },
};
static const struct og_body msr = TABLE("MsrModifier", msr_fields);

#undef BODY
#define BODY og_api_cpu_config

static const char *check_capability(const char *text)
{
	return og_api_check_number(text + (*text == '!')) != NULL ? "\"N\" or \"!N\"" : NULL;
}

static const struct og_field cpu_config_fields[] = {
	{ "kvm_capabilities", OG_FIELD_TEXT, OG_OPTIONAL, LIST(kvm_capabilities),
	  .check = check_capability },
	{ "cpuid_modifiers", OG_FIELD_BODY, OG_OPTIONAL, LIST(cpuid_modifiers),
	  .body = &cpuid_leaf },
	{ "msr_modifiers", OG_FIELD_BODY, OG_OPTIONAL, LIST(msr_modifiers), .body = &msr },
};
const struct og_body og_body_cpu_config = TABLE("CpuConfig", cpu_config_fields);

#undef BODY
#define BODY og_api_fs
static const struct og_field fs_fields[] = {
	{ "id", OG_FIELD_TEXT, OG_REQUIRED, AT(id), .check = og_api_check_id },
	{ "path_on_host", OG_FIELD_TEXT, OG_REQUIRED, AT(path_on_host), .min = 1 },
	{ "tag", OG_FIELD_TEXT, OG_OPTIONAL, AT(tag), .min = 1 },
	{ "read_only", OG_FIELD_BOOL, OG_DEFAULT, AT(read_only) },
};
const struct og_body og_body_fs = TABLE("SharedFolder", fs_fields);

#undef BODY
#define BODY og_api_pin
static const struct og_field pin_fields[] = {
	{ "vcpu", OG_FIELD_UINT, OG_REQUIRED, AT(vcpu), .max = OG_VMM_CPUS_MAX - 1 },
	{ "cpus", OG_FIELD_UINT, OG_REQUIRED, LIST(cpus), .max = OG_API_PIN_CPUS_MAX - 1 },
};
const struct og_body og_body_pin = TABLE("Pin", pin_fields);

#undef BODY
#define BODY og_api_drive_override
static const struct og_field drive_override_fields[] = {
	{ "drive_id", OG_FIELD_TEXT, OG_REQUIRED, AT(drive_id), .check = og_api_check_id },
	{ "path_on_host", OG_FIELD_TEXT, OG_REQUIRED, AT(path_on_host), .min = 1 },
};
static const struct og_body drive_override = TABLE("DriveOverride", drive_override_fields);

#undef BODY
#define BODY og_api_fork
static const struct og_field fork_fields[] = {
	{ "id", OG_FIELD_TEXT, OG_REQUIRED, AT(id), .check = og_api_check_id },
	{ "api_sock", OG_FIELD_TEXT, OG_REQUIRED, AT(api_sock), .min = 1 },
	{ "metrics_path", OG_FIELD_TEXT, OG_OPTIONAL, AT(metrics_path), .min = 1 },
	{ "drive_overrides", OG_FIELD_BODY, OG_OPTIONAL, LIST(drive_overrides),
	  .body = &drive_override },
	{ "network_overrides", OG_FIELD_BODY, OG_OPTIONAL, LIST(network_overrides),
	  .body = &net_override },
	{ "vsock_override", OG_FIELD_BODY, OG_OPTIONAL, AT(vsock_override),
	  .body = &vsock_override },
	{ "resume_vm", OG_FIELD_BOOL, OG_DEFAULT, AT(resume_vm), .fallback = 1 },
};
const struct og_body og_body_fork = TABLE("Fork", fork_fields);
