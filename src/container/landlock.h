/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/landlock.h's annotation by the kernel's Landlock (landlock(7)): files, ports and scopes
 * that neither capabilities nor seccomp can tell apart. It comes last but for seccomp, since
 * it forbids to mount, and stays for ever.
 */
#pragma once

#include "base/err.h"
#include "format/oci_config.h"

/* The version of the kernel's Landlock (its ABI). Errors: -ENOSYS (none), -EOPNOTSUPP (not enabled). */
int og_landlock_version(void);

/*
 * In the workload's root, with its capabilities still there: makes the rules that @config's
 * annotation asks for. *@ret_fd is the caller's; -EBADF: it asks for none, and no system call was
 * made. Errors: -ENOTSUP (a rule that this kernel cannot enforce), and what opening a path says;
 * the text names the annotation and the rule.
 */
int og_landlock_prepare(const struct og_oci_config *config, int *ret_fd, struct og_err *err);

/* From here on they hold, for this process and its children. Takes no_new_privs or CAP_SYS_ADMIN. */
int og_landlock_enforce(int fd, struct og_err *err);
