/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PCI transport of virtio (Virtual I/O Device 1.2, section 4.1), modern devices alone: one BAR
 * holds common configuration, ISR status, the device's configuration, the address to notify at (one
 * for all queues), and MSI-X. Without MSI-X the interrupt is INTA, by the device's interrupt_fd.
 * It does no I/O but signalling descriptors, and any access is safe.
 */
#pragma once

#include "vmm/device/msix.h"
#include "vmm/device/pci.h"
#include "vmm/device/virtio.h"

#define OG_VIRTIO_PCI_BAR	0
#define OG_VIRTIO_PCI_BAR_BYTES 0x8000U

/* Offsets in the BAR. */
#define OG_VIRTIO_PCI_COMMON  0x0000
#define OG_VIRTIO_PCI_ISR     0x1000
#define OG_VIRTIO_PCI_CONFIG  0x2000
#define OG_VIRTIO_PCI_NOTIFY  0x3000
#define OG_VIRTIO_PCI_TABLE   0x4000
#define OG_VIRTIO_PCI_PENDING 0x5000

/* What the machine does for the transport: with KVM, or nothing in tests. All may be NULL. */
struct og_virtio_pci_host {
	/* Notifications come at another address now; either may be OG_PCI_NOWHERE. */
	void (*notify_at)(void *data, uint64_t from, uint64_t to);

	/* Where the message of a vector leads (struct og_msix). */
	void (*route)(void *data, unsigned vector, uint64_t address, uint32_t message);
	void *data; /* borrowed */
};

struct og_virtio_pci {
	struct og_pci_function function;
	struct og_virtio *virtio; /* borrowed */
	struct og_virtio_pci_host host;
	struct og_msix msix;
	unsigned msix_at, window_at; /* capabilities */

	/* Under the device's lock. */
	uint32_t device_features_sel, driver_features_sel;
	uint16_t queue_sel;
	uint16_t config_vector;
	uint16_t queue_vectors[OG_VIRTIO_QUEUES_MAX];
};

/* How many vectors a device has. */
unsigned og_virtio_pci_vectors(const struct og_virtio *virtio);

/* Becomes @virtio's transport. @fds: one event descriptor a vector, borrowed. */
void og_virtio_pci_init(struct og_virtio_pci *pci, struct og_virtio *virtio, const int *fds,
			uint64_t bar_gpa, const struct og_virtio_pci_host *host);

/*
 * What the transport knows beside the device and the configuration space (og_pci_save()): to be
 * loaded before the latter. Errors: -EBADMSG.
 */
void og_virtio_pci_save(struct og_virtio_pci *pci, struct og_pack *pack);
int og_virtio_pci_load(struct og_virtio_pci *pci, struct og_unpack *unpack, struct og_err *err);
