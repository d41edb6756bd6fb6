/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's kernel and initramfs: chosen, opened, and looked at before a hypervisor is. */
#pragma once

#include "base/err.h"

struct og_vm_kernel {
	const char *name;    /* "small", "debian"; "given": by its path */
	const char *cmdline; /* what this kernel in particular is to be told; "" for nothing */
	int kernel_fd, initramfs_fd;
};

/*
 * Opens the kernel at @kernel with the initramfs at @initramfs. NULL: those of the installation.
 * There the small kernel (`make guest-kernel`) is taken before Debian's, unless the environment's
 * ONGGI_GUEST_KERNEL ("small", "debian") says which. A path for one alone is joined by Debian's
 * other. Of a kernel that is installed in two forms the ELF file is taken: both hypervisors boot it
 * sooner, as nothing is to be unpacked. On success both descriptors are the caller's.
 * Errors: -ENOENT, -EINVAL (ONGGI_GUEST_KERNEL; neither a bzImage nor an ELF file for x86-64).
 */
int og_vm_kernel_open(const char *kernel, const char *initramfs, struct og_vm_kernel *ret_kernel,
		      struct og_err *err);
