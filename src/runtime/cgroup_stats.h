/* SPDX-License-Identifier: Apache-2.0 */
/* What a workload uses, as its groups count it. */
#pragma once

#include "base/json.h"
#include "runtime/cgroup.h"

/*
 * The "data" of runc's `events --stats`: cpu (nanoseconds), cpuset, memory (bytes), pids, blkio,
 * hugetlb. What this host does not count is absent or 0. The caller's to free.
 */
struct og_json *og_cgroup_stats(const struct og_cgroup *cgroup);
