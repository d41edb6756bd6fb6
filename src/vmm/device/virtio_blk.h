/* SPDX-License-Identifier: Apache-2.0 */
/* A disk for the guest (Virtual I/O Device 1.2, section 5.2). */
#pragma once

#include <linux/virtio_blk.h>

#include "vmm/device/disk.h"
#include "vmm/device/ratelimit.h"
#include "vmm/device/virtio.h"

/* Ranges that one discard, or one writing of zeros, may name. */
#define OG_BLK_RANGES_MAX 16

struct og_blk_config {
	char id[OG_VMM_ID_MAX];
	const char *name; /* for messages; borrowed */

	/* The raw form: files laid side by side (disk.h). Descriptors and array are borrowed. */
	struct og_disk_part *parts;
	unsigned n_parts;
	bool readonly;
	bool unsafe; /* no flush is offered: what was written may be lost with the host */
	struct og_limit_config limits;
};

/* OG_COMMAND_DEVICE (vmm/control.h). With @swap the one descriptor is the disk from now on. */
struct og_blk_command {
	bool swap;
	struct og_limit_update limits;
};

struct og_virtio_blk {
	struct og_virtio virtio;
	struct og_disk disk;
	struct og_disk_part own_part; /* of a disk that was swapped in; its descriptor is owned */
	char id[VIRTIO_BLK_ID_BYTES];
	struct virtio_blk_config config;
	struct og_ratelimit limit;
	struct og_blk_metrics *metrics;
	struct og_blk_metrics no_metrics;
};

/* The id, cut to 20 bytes, is what GET_ID answers. What @config borrows must outlive the device. */
int og_virtio_blk_new(const struct og_blk_config *config, const struct og_device_world *world,
		      struct og_virtio **ret_virtio, struct og_err *err);
