/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is plugged and unplugged while the guest runs (Virtual I/O Device 1.3, section 5.15).
 *
 * The operator says how much there should be; the driver plugs and unplugs blocks until there is.
 * The guest reaches whole slots: one is given to it when the first block of it is plugged, and taken
 * when the last is unplugged. An unplugged block's pages go back to the host at once.
 */
#pragma once

#include "vmm/device/virtio.h"

/* As Firecracker's. */
#define OG_HOTPLUG_BLOCK_MIB_MIN 2U
#define OG_HOTPLUG_SLOT_MIB_MIN	 128U

struct og_hotplug_config {
	uint64_t total_mib; /* 0: there is none */
	uint64_t block_mib; /* a power of two */
	uint64_t slot_mib;  /* a multiple of it; divides @total_mib */
	uint64_t requested_mib;
};

enum og_hotplug_command_kind {
	OG_HOTPLUG_GET, /* each command is answered by the status */
	OG_HOTPLUG_REQUEST,
};

struct og_hotplug_command {
	uint32_t kind;
	uint64_t requested_mib; /* up to the total, in whole blocks */
};

struct og_hotplug_status {
	uint64_t total_mib, block_mib, slot_mib;
	uint64_t requested_mib, plugged_mib, usable_mib;
};

/* Whether there can be such memory, before it is set aside. Errors: -EINVAL, which says why not. */
int og_hotplug_check(const struct og_hotplug_config *config, struct og_err *err);

/* The world's memory has been given to og_mem_add_hotplug() by the same @config. */
int og_virtio_mem_new(const struct og_hotplug_config *config, const struct og_device_world *world,
		      struct og_virtio **ret_virtio, struct og_err *err);
