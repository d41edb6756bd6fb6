/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is counted. The structs lie in memory that the hypervisor's process shares with whoever
 * prints them; counters only grow. Each device has a struct of its own, by its place in its kind.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "vmm/limits.h"

typedef _Atomic uint64_t og_count;

static inline void og_counted(og_count *count, uint64_t n)
{
	(void)atomic_fetch_add_explicit(count, n, memory_order_relaxed);
}

/* Every virtio device. */
struct og_virtio_metrics {
	og_count activate_fails; /* the driver gave queues that do not work */
	og_count event_count;	 /* times the device was woken */
	og_count protocol_fails; /* the driver broke the rules; the device wanted its reset */
};

struct og_blk_metrics {
	struct og_virtio_metrics virtio;
	og_count read_bytes, write_bytes;
	og_count read_count, write_count;
	og_count flush_count, discard_count;
	og_count execute_fails; /* requests that ended in an error */
	og_count update_count, update_fails;
	og_count rate_limiter_throttled_events;
	og_count io_engine_throttled_events;
};

struct og_net_metrics {
	struct og_virtio_metrics virtio;
	og_count rx_bytes_count, rx_packets_count, rx_count, rx_fails;
	og_count tx_bytes_count, tx_packets_count, tx_count, tx_fails;
	og_count tap_read_fails, tap_write_fails;
	og_count no_rx_avail_buffer;
	og_count tx_malformed_frames, tx_spoofed_mac_count;
	og_count rx_rate_limiter_throttled, tx_rate_limiter_throttled;
	og_count mac_address_updates;
};

struct og_vsock_metrics {
	struct og_virtio_metrics virtio;
	og_count rx_bytes_count, rx_packets_count, rx_read_fails;
	og_count tx_bytes_count, tx_packets_count, tx_write_fails;
	og_count conns_added, conns_killed, conns_removed;
};

struct og_balloon_metrics {
	struct og_virtio_metrics virtio;
	og_count inflate_count, deflate_count, stats_updates_count, stats_update_fails;
	og_count free_page_report_count, free_page_report_freed;
	og_count free_page_hint_count, free_page_hint_freed;
};

struct og_rng_metrics {
	struct og_virtio_metrics virtio;
	og_count entropy_bytes, host_rng_fails, entropy_rate_limiter_throttled;
};

struct og_mem_hotplug_metrics {
	struct og_virtio_metrics virtio;
	og_count plug_count, plug_bytes, plug_fails;
	og_count unplug_count, unplug_bytes, unplug_fails;
	og_count unplug_all_count, state_count;
};

struct og_pmem_metrics {
	struct og_virtio_metrics virtio;
	og_count flush_count, flush_fails, rate_limiter_throttled_events;
};

struct og_fs_metrics {
	struct og_virtio_metrics virtio;
	og_count request_count, request_fails;
	og_count read_bytes, write_bytes;
};

struct og_vcpu_metrics {
	og_count exit_io_in, exit_io_out, exit_mmio_read, exit_mmio_write, failures;
};

struct og_mmds_metrics {
	og_count rx_accepted, rx_accepted_err, rx_accepted_unusual, rx_count;
	og_count tx_bytes, tx_count, tx_errors, tx_frames;
	og_count connections_created, connections_destroyed;
	og_count rx_invalid_token, rx_no_token;
};

struct og_uart_metrics {
	og_count read_count, write_count, missed_write_count;
	og_count rate_limiter_dropped_bytes;
};

struct og_metrics {
	struct og_blk_metrics blk[OG_VMM_DISKS_MAX];
	struct og_net_metrics net[OG_VMM_NETS_MAX];
	struct og_fs_metrics fs[OG_VMM_SHARES_MAX];
	struct og_pmem_metrics pmem[OG_VMM_PMEMS_MAX];
	struct og_vsock_metrics vsock;
	struct og_balloon_metrics balloon;
	struct og_rng_metrics rng;
	struct og_mem_hotplug_metrics mem_hotplug;
	struct og_vcpu_metrics vcpu;
	struct og_mmds_metrics mmds;
	struct og_uart_metrics uart;
	og_count i8042_reset_count;
	og_count panic_count; /* times that the machine's process ended by an error of its own */
};
