/* SPDX-License-Identifier: Apache-2.0 */
/* Puts a kernel, its initrd, its command line and what it is told into the guest's memory. */
#pragma once

#include <stdint.h>

#include "vmm/memory.h"
#include "vmm/x86/entry.h"

struct og_boot {
	int kernel_fd;			       /* a regular file */
	int initrd_fd;			       /* likewise, or negative */
	const char *kernel_name, *initrd_name; /* for messages */
	const char *cmdline;		       /* may be "" */
	uint64_t acpi_rsdp;		       /* where the tables are found */
};

/* Errors: those of og_kernel_plan(), -EIO (a file became shorter), -E2BIG (command line). */
int og_boot_load(const struct og_boot *boot, const struct og_mem *mem, struct og_entry *ret_entry,
		 struct og_err *err);
