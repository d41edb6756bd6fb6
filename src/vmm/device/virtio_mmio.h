/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The MMIO transport of virtio, version 2 (Virtual I/O Device 1.2, section 4.2): registers of one
 * device. It does no I/O but signalling the device's descriptors, and any access is safe.
 */
#pragma once

#include <stdint.h>

#include "vmm/device/virtio.h"

/* The room that one device takes in the guest's address space. */
#define OG_VIRTIO_MMIO_BYTES 0x1000

/* Where the driver notifies; what it writes there may be taken over by an ioeventfd. */
#define OG_VIRTIO_MMIO_NOTIFY 0x050

struct og_virtio_mmio {
	struct og_virtio *virtio; /* borrowed */
	uint32_t device_features_sel;
	uint32_t driver_features_sel;
	uint32_t queue_sel;
};

/* An access of @len bytes at @offset. Registers take aligned words; what is no register reads 0. */
uint64_t og_virtio_mmio_read(struct og_virtio_mmio *mmio, uint64_t offset, unsigned len);
void og_virtio_mmio_write(struct og_virtio_mmio *mmio, uint64_t offset, uint64_t value,
			  unsigned len);

/* The three selectors. Whoever loads checks the reader's end. */
void og_virtio_mmio_save(const struct og_virtio_mmio *mmio, struct og_pack *pack);
void og_virtio_mmio_load(struct og_virtio_mmio *mmio, struct og_unpack *unpack);
