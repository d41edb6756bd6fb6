/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/err.h"

/*
 * Makes this process and its children invisible to debuggers, and opens what they are to hide their
 * program's file behind: a read-only view of it, or, since an ordinary user may make no such view, a
 * sealed copy. *@ret_fd is the caller's; -EBADF where the user could not write the file anyway.
 */
int og_hide_begin(int *ret_fd, struct og_err *err);

/*
 * Makes @fd what /proc/PID/exe leads to, for this process and its later children, so that nothing
 * that a workload's image is made to execute can reach the file for writing (CVE-2019-5736). To be
 * done before a process of a workload can see this one; for an ordinary user, who must be root of a
 * user namespace for it, as soon as he is. -EBADF: does nothing.
 */
int og_hide_behind(int fd, struct og_err *err);
