/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/err.h"

/*
 * Makes what /proc/PID/exe leads to, for this process and its children, a read-only view of this
 * program's file, so that nothing that a workload's image is made to execute can reach the file
 * for writing (CVE-2019-5736). Also makes this process invisible to debuggers.
 *
 * An ordinary user may not do the former before he is root of a user namespace. *@ret_copy_fd (the
 * caller's) is then -EBADF where he could not write the file anyway; else it is a sealed copy of the
 * file, for og_hide_behind() in the child.
 */
int og_hide(int *ret_copy_fd, struct og_err *err);

/* Makes @copy_fd what /proc/PID/exe leads to, as root of a user namespace. -EBADF: does nothing. */
int og_hide_behind(int copy_fd, struct og_err *err);
