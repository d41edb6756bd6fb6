/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's kernel and initramfs: found, opened, and looked at before a hypervisor is. */
#pragma once

#include <stdbool.h>

#include "base/err.h"

/*
 * Returns the descriptor of @path, NULL: of the installation's lib/onggi/guest/vmlinuz, or with
 * @unpacked of the vmlinux beside it, where there is one: the same kernel, booted in half the
 * time. Errors: -ENOENT, -EINVAL (neither a bzImage nor an ELF file for x86-64).
 */
int og_vm_kernel_open(const char *path, bool unpacked, struct og_err *err);

/* Likewise for lib/onggi/guest/initramfs.cpio. */
int og_vm_initramfs_open(const char *path, struct og_err *err);
