/* SPDX-License-Identifier: Apache-2.0 */
/* A disk for the guest (Virtual I/O Device 1.2, section 5.2). */
#pragma once

#include <linux/virtio_blk.h>

#include "vmm/device/disk.h"
#include "vmm/device/virtio.h"

struct og_blk_config {
	char id[OG_VMM_ID_MAX];
	const char *name; /* for messages; borrowed */

	/* The raw form: files laid side by side (disk.h). Descriptors and array are borrowed. */
	struct og_disk_part *parts;
	unsigned n_parts;
	bool readonly;
};

struct og_virtio_blk {
	struct og_virtio virtio;
	struct og_disk disk;
	char id[VIRTIO_BLK_ID_BYTES];
	struct virtio_blk_config config;
};

/* The id, cut to 20 bytes, is what GET_ID answers. What @config borrows must outlive the device. */
int og_virtio_blk_new(const struct og_blk_config *config, const struct og_device_world *world,
		      struct og_virtio **ret_virtio, struct og_err *err);
