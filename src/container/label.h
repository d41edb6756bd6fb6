/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.apparmorProfile and selinuxLabel: what a security module shall take the program for. It
 * is told through procfs just before execve(), and through a procfs of our own: the one that
 * the image sees may be covered by something that only looks like it (CVE-2019-16884,
 * CVE-2025-52881).
 */
#pragma once

#include "base/err.h"
#include "format/oci_config.h"

struct og_labels {
	int apparmor_fd, selinux_fd; /* -EBADF: that one is not asked for */
};

/*
 * On the host, before anything is made: whether its kernel can do what @process and @lin's
 * mountLabel ask for. Looks only where there is something to ask. Errors: -ENOTSUP.
 */
int og_label_check(const struct og_oci_process *process, const struct og_oci_linux *lin,
		   struct og_err *err);

/*
 * In the workload, with its capabilities still there: opens what og_label_apply() writes to, and
 * asks AppArmor whether it knows the profile. On success *@ret_labels' descriptors are the
 * caller's. Errors: -ENOENT (no such profile), and the kernel's; the text names the field.
 */
int og_label_open(const struct og_oci_process *process, struct og_labels *ret_labels,
		  struct og_err *err);

/* The next execve() of this process changes what it is. */
int og_label_apply(const struct og_oci_process *process, const struct og_labels *labels,
		   struct og_err *err);
