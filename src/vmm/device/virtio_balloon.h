/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that the guest gives back (Virtual I/O Device 1.2, section 5.5): a balloon that the
 * operator inflates and deflates, statistics, and pages that the guest reports free by itself or,
 * on demand, hints at.
 *
 * All depends on the guest's good will. What it names is judged: nothing but its own memory is given
 * back, whatever it says.
 *
 * Hinting, as Firecracker's: under Linux a page that was hinted at may be in use again before it is
 * taken here, where the guest ran short of memory meanwhile. Reporting has no such gap.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/device/virtio.h"

/* Page frames of one request: Linux sends 256, FreeBSD 1024. */
#define OG_BALLOON_FRAMES_MAX 1024

/* Statistics of one request: there are 16 kinds (A72). */
#define OG_BALLOON_STATS_MAX 64

struct og_balloon_config {
	bool present;
	uint32_t amount_mib;
	bool deflate_on_oom;
	uint16_t stats_interval_s; /* 0: no statistics, now or later */
	bool hinting;
	bool reporting;
};

/* The guest's statistics, in the order of their tags (5.5.6.3, and those that Linux 6.12 added). */
enum og_balloon_stat {
	OG_BALLOON_SWAP_IN,
	OG_BALLOON_SWAP_OUT,
	OG_BALLOON_MAJOR_FAULTS,
	OG_BALLOON_MINOR_FAULTS,
	OG_BALLOON_FREE_MEMORY,
	OG_BALLOON_TOTAL_MEMORY,
	OG_BALLOON_AVAILABLE_MEMORY,
	OG_BALLOON_DISK_CACHES,
	OG_BALLOON_HUGETLB_ALLOCATIONS,
	OG_BALLOON_HUGETLB_FAILURES,
	OG_BALLOON_OOM_KILL,
	OG_BALLOON_ALLOC_STALL,
	OG_BALLOON_ASYNC_SCAN,
	OG_BALLOON_DIRECT_SCAN,
	OG_BALLOON_ASYNC_RECLAIM,
	OG_BALLOON_DIRECT_RECLAIM,
	OG_BALLOON_STATS
};

enum og_balloon_command_kind {
	OG_BALLOON_GET,	       /* nothing is changed; each command is answered by the status */
	OG_BALLOON_SET_AMOUNT, /* @amount_mib */
	OG_BALLOON_SET_STATS,  /* @stats_interval_s; they cannot be turned on or off */
	OG_BALLOON_HINT_START, /* @acknowledge_on_stop */
	OG_BALLOON_HINT_STOP,
};

struct og_balloon_command {
	uint32_t kind;
	uint32_t amount_mib;
	uint16_t stats_interval_s;
	bool acknowledge_on_stop; /* the pages go back to the guest as soon as it has named all */
};

struct og_balloon_status {
	struct og_balloon_config config; /* as it is now */
	uint32_t target_pages, actual_pages;
	uint32_t stats_known; /* bit n: the guest told stats[n] */
	uint64_t stats[OG_BALLOON_STATS];
	uint32_t host_cmd, guest_cmd; /* of hinting */
	bool guest_cmd_known;
};

/* Errors: -EINVAL (more than the guest's memory), -ENOMEM. */
int og_virtio_balloon_new(const struct og_balloon_config *config,
			  const struct og_device_world *world, struct og_virtio **ret_virtio,
			  struct og_err *err);
