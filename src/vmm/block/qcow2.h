/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qcow2 images (QEMU's docs/interop/qcow2.txt) as disks.
 *
 * An image is judged as a whole before it is used: every table and cluster must lie inside the file
 * and be used once, and for writing have a reference count of one. So nothing that an image says can
 * lead to its own tables, in a circle, or outside. Refused by name: encryption, compressed
 * clusters, data in other files, subclusters, features unknown; for writing also snapshots inside,
 * bitmaps, images that were not closed, counts that are not of 16 bits.
 *
 * When a cluster is used for the first time, its count is written first, then its content, then the
 * entry that leads to it. A process that is killed in between leaves at worst a cluster that nobody
 * uses. Where the host itself loses power in between, the host's file system may have
 * kept these in another order: qemu-img check -r all repairs that.
 */
#pragma once

#include "vmm/block/disk.h"

/* og_disk_open() of an image. */
int og_qcow2_open(struct og_disk *disk, const struct og_disk_source *source, struct og_err *err);
