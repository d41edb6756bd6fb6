/* SPDX-License-Identifier: Apache-2.0 */
/* How much of everything one machine may have. */
#pragma once

/* Room for the kernel, its own tables and something to run. */
#define OG_VMM_MEMORY_MIB_MIN 16
/* Sums with addresses stay far from any limit. */
#define OG_VMM_MEMORY_MIB_MAX (1U << 24)

/* As Firecracker. */
#define OG_VMM_CPUS_MAX 32

/* By kind; all together fill the I/O APIC (OG_VIRTIO_COUNT_MAX). */
#define OG_VMM_DISKS_MAX  16
#define OG_VMM_NETS_MAX	  8
#define OG_VMM_SHARES_MAX 8
#define OG_VMM_PMEMS_MAX  8

/* Descriptors of one configuration: the disk of an image has one a layer, and there are few such. */
#define OG_VMM_FDS_MAX 512

/* A device's name, NUL included: Firecracker's 64 characters. */
#define OG_VMM_ID_MAX 65
