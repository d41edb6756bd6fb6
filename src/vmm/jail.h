/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the process gives up. Before the guest is built: core dumps, being traced by its equals, new
 * privileges. Before the guest runs, thread by thread: every system call but the few that serving
 * it takes (seccomp; anything else kills the process).
 */
#pragma once

#include "base/err.h"

/* Once, early. Afterwards /proc/self belongs to root. */
int og_jail_prepare(struct og_err *err);

/* The calling thread alone, for good. */
int og_jail_vcpu(struct og_err *err);
int og_jail_io(struct og_err *err);
