/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a boot protocol tells a kernel at its start, written into the guest's low memory: where its
 * memory, command line, initial file system and ACPI tables are.
 */
#pragma once

#include <stdint.h>

#include "vmm/boot/kernel.h"
#include "vmm/memory.h"
#include "vmm/x86/entry.h"

/* Low memory, its hole, and what a guest's memory has of regions. */
#define OG_MEMORY_MAP_MAX (3 + OG_MEM_REGIONS)

#define OG_MEMORY_RAM	   1
#define OG_MEMORY_RESERVED 2

struct og_memory_range {
	uint64_t gpa, bytes;
	uint32_t type;
};

/* Fills @map, in the order of addresses; returns how many ranges there are. */
unsigned og_memory_map(const struct og_mem *mem, struct og_memory_range map[OG_MEMORY_MAP_MAX]);

struct og_boot_params {
	const struct og_kernel_plan *plan;
	uint64_t cmdline_gpa;
	uint64_t initrd_gpa, initrd_bytes; /* 0 bytes: there is none */
	uint64_t acpi_rsdp;
};

/* By the plan's protocol. Errors: -ENOMEM (no memory where the parameters go). */
int og_boot_params_write(const struct og_boot_params *params, const struct og_mem *mem,
			 struct og_entry *ret_entry, struct og_err *err);
