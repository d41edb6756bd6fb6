/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/err.h"

/*
 * Makes what /proc/PID/exe leads to, for this process and its children, a read-only view of this
 * program's file, so that nothing that a workload's image is made to execute can reach the file
 * for writing (CVE-2019-5736). Also makes this process invisible to debuggers. Returns 0 without
 * doing the former where this user could not write the file anyway and may not do it.
 */
int og_hide(struct og_err *err);
