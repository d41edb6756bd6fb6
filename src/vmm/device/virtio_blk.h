/* SPDX-License-Identifier: Apache-2.0 */
/* A disk for the guest (Virtual I/O Device 1.2, section 5.2). */
#pragma once

#include <linux/virtio_blk.h>

#include "vmm/device/disk.h"
#include "vmm/device/virtio.h"

struct og_virtio_blk {
	struct og_virtio virtio;
	struct og_disk disk;
	char id[VIRTIO_BLK_ID_BYTES];
	struct virtio_blk_config config;
};

/* @disk is copied; @id (cut to 20 bytes) is what GET_ID answers. */
int og_virtio_blk_init(struct og_virtio_blk *blk, const struct og_disk *disk, const char *id,
		       const struct og_mem *mem, struct og_err *err);
void og_virtio_blk_done(struct og_virtio_blk *blk);
