/* SPDX-License-Identifier: Apache-2.0 */
/* A disk for the guest (Virtual I/O Device 1.2, section 5.2). */
#pragma once

#include <linux/virtio_blk.h>

#include "vmm/block/async.h"
#include "vmm/block/disk.h"
#include "vmm/device/ratelimit.h"
#include "vmm/device/virtio.h"

/* What one range may name, in sectors: serving it may take a write for each of its clusters. */
#define OG_BLK_QCOW2_RANGE_MAX (1U << 21)

/* Ranges that one discard, or one writing of zeros, may name. */
#define OG_BLK_RANGES_MAX 16

struct og_blk_config {
	char id[OG_VMM_ID_MAX];
	const char *name; /* for messages; borrowed */

	/* What it is made of (disk.h). Descriptors and arrays are borrowed; a swap changes @parts. */
	struct og_disk_part *parts;
	unsigned n_parts;
	bool readonly;
	enum og_disk_format format;
	bool has_backing;
	struct og_disk_part backing; /* a qcow2 image's, which a raw disk has not */
	enum og_disk_format backing_format;

	/*
	 * The kernel works on requests while others are taken (io_uring), for raw disks of one file.
	 * Where there is no io_uring, requests are served one after the other, and *@ret_sync, if it
	 * is not NULL, gets the reason.
	 */
	bool async;
	struct og_err *ret_sync;

	bool unsafe; /* no flush is offered: what was written may be lost with the host */
	struct og_limit_config limits;
};

/*
 * OG_COMMAND_DEVICE (vmm/control.h). With @swap the one descriptor is the disk from now on; not for
 * qcow2 images, which would have to be judged first.
 */
struct og_blk_command {
	bool swap;
	struct og_limit_update limits;
};

struct og_virtio_blk {
	struct og_virtio virtio;
	struct og_disk disk;
	struct og_async *async; /* owned; NULL: one after the other */
	struct og_source *completed;
	struct og_disk_part backing; /* a copy: what @disk works with */
	bool owns_file;		     /* a disk that was swapped in: its descriptor is owned */
	char id[VIRTIO_BLK_ID_BYTES];
	struct virtio_blk_config config;
	struct og_ratelimit limit;
	struct og_blk_metrics *metrics;
	struct og_blk_metrics no_metrics;
};

/* The id, cut to 20 bytes, is what GET_ID answers. What @config borrows must outlive the device. */
int og_virtio_blk_new(const struct og_blk_config *config, const struct og_device_world *world,
		      struct og_virtio **ret_virtio, struct og_err *err);
