/* SPDX-License-Identifier: Apache-2.0 */
/* From the kernel's hand-over to a root that a workload can live in. Each step names what failed. */
#pragma once

#include "base/err.h"

#define OG_BOOT_ROOT  "/root"  /* the workload's root: image under its writable layer */
#define OG_BOOT_FILES "/files" /* a tmpfs for files laid over the image */

/* Mounts /proc, /sys, /dev and the cgroup tree, and makes "/" a mount that can be pivoted from. */
int og_boot_mounts(struct og_err *err);

/* Loads the modules of the initramfs in their order, and frees the memory they took as files. */
int og_boot_modules(struct og_err *err);

/* Waits for the port of the guest protocol. Returns its non-blocking descriptor. */
int og_boot_port(struct og_err *err);

/*
 * Mounts the image (the read-only disk) under its writable layer (the other disk, else memory) at
 * OG_BOOT_ROOT.
 */
int og_boot_root(struct og_err *err);

/* Brings the loopback interface up. */
int og_boot_loopback(struct og_err *err);

/* Writes all data, lets go of the disks, and switches the machine off. Does not return. */
void og_boot_off(void) __attribute__((noreturn));
