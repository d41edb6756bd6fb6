/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where things lie in the guest.
 *
 *	0x00000500	GDT of the first instruction
 *	0x00007000	zero page (boot_params)
 *	0x00009000	page tables of the first instruction, 3 pages
 *	0x00020000	command line
 *	0x000e0000	ACPI tables, found through boot_params
 *	0x000f0000	the machine's generation (vmgenid.h)
 *	0x000ffff0	reset vector: what a PC's firmware would answer from
 *	0x00100000	kernel and up; initrd at the end of low memory
 *	0xc0000000	PCI devices, where there is a bus
 *	0xd0000000	virtio devices, 4 KiB each, where there is none
 *	0xe0000000	PCI configuration space
 *	0x80000000	with a firmware: PCI devices, from there or from the end of memory on
 *	0xfec00000	I/O APIC	0xfee00000  local APICs
 *	0x100000000	memory beyond the first 3 GiB
 */
#pragma once

#define OG_GDT_GPA	   0x500ULL
#define OG_ZERO_PAGE_GPA   0x7000ULL
#define OG_PAGE_TABLES_GPA 0x9000ULL
#define OG_STACK_GPA	   0x1fff0ULL
#define OG_CMDLINE_GPA	   0x20000ULL
#define OG_CMDLINE_BYTES   0x10000ULL /* NUL included; kernels take 2 KiB and less */
#define OG_LOW_RAM_END	   0x9fc00ULL
#define OG_ACPI_GPA	   0xe0000ULL
#define OG_ACPI_BYTES	   0x10000ULL
#define OG_VMGENID_GPA	   0xf0000ULL
#define OG_RESET_GPA	   0xffff0ULL
#define OG_HIGH_RAM_GPA	   0x100000ULL

#define OG_VIRTIO_GPA	    0xd0000000ULL
#define OG_VIRTIO_GSI	    5  /* the first device's */
#define OG_VIRTIO_COUNT_MAX 19 /* the I/O APIC has 24 inputs */

#define OG_PCI_WINDOW_GPA   0xc0000000ULL
#define OG_PCI_WINDOW_BYTES 0x10000000ULL
#define OG_PCI_PC_GPA	    0x80000000ULL /* where firmware places them; more memory moves it */
#define OG_PCI_PC_END	    0xfec00000ULL
#define OG_PCI_ECAM_GPA	    0xe0000000ULL

/* Devices 0 and 1 are what a PC has. Each pulls one of the inputs 16 to 23, shared by level. */
#define OG_PCI_VIRTIO_DEVICE 2
#define OG_PCI_GSI(device)   (16U + (device) % 8)

#define OG_IOAPIC_GPA	0xfec00000ULL
#define OG_LAPIC_GPA	0xfee00000ULL
#define OG_IDENTITY_GPA 0xfeffc000ULL /* KVM's own, one page; its TSS, three, is behind */
