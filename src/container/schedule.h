/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the kernel is to treat a process: when it runs and where, how its I/O and its memory are
 * served, what machine it is told to be on. All of it stays over execve() and goes on to children.
 * Without a field that asks for it, nothing here makes a system call.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "format/oci_config.h"

/*
 * process.scheduler and ioPriority, linux.memoryPolicy and personality, for the calling process;
 * while it has its capabilities, and in its control groups, which may have to grant real time.
 * Errors: the kernel's; the text names the field.
 */
int og_schedule_apply(const struct og_oci_process *process, const struct og_oci_linux *lin,
		      struct og_err *err);

/*
 * Binds the calling process to the processors of @list; NULL or "": as it is. @field names it in
 * errors. Errors: -EINVAL (not all of them may be used here).
 */
int og_affinity_apply(const char *list, const char *field, struct og_err *err);

/*
 * Raises those hard limits of @pid that are below process.rlimits: in a user namespace it cannot
 * do so by itself. What we may not raise is left to it to report.
 */
void og_rlimits_raise(pid_t pid, const struct og_oci_process *process);
