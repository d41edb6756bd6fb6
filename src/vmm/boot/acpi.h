/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables by which the guest finds its processors, its interrupt controller, its devices and the
 * way to end (ACPI 6.4, reduced hardware: no timers, buses or buttons of a PC).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct og_acpi {
	unsigned cpus;
	unsigned virtio_devices; /* at OG_VIRTIO_GPA and OG_VIRTIO_GSI and up */
	bool serial;		 /* COM1 */
	bool keyboard;		 /* and its controller */
	bool pci;		 /* they are on a bus instead */
	bool pc;		 /* with firmware: no configuration space in memory */
	uint64_t pci_gpa;	 /* first address where PCI devices are placed; with firmware */
	bool generation;	 /* vmgenid.h */
};

/* Signature, length, ...: what every table but the first begins with (5.2.6). */
struct og_acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum; /* makes the sum of all bytes 0 */
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} __attribute__((packed));

/*
 * Writes the tables into @buf, which the guest sees at @gpa; the root pointer is its first byte.
 * Errors: -ENOSPC.
 */
int og_acpi_write(const struct og_acpi *acpi, uint64_t gpa, void *buf, size_t room,
		  struct og_err *err);
