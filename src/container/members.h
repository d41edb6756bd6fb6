/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * The processes of a workload that has no control group: those in the PID namespace of its @first
 * one, as /proc lists them; the caller's to free. Errors: -ENOTSUP (it shares ours: then they
 * cannot be told from others), -ESRCH.
 */
int og_members_by_namespace(pid_t first, pid_t **ret_pids, size_t *ret_count, struct og_err *err);
