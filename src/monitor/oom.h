/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the kernel killed in a workload's memory cgroup, v2 or v1. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct og_oom {
	int fd; /* memory.events or memory.oom_control; -1: not known */
	uint64_t before;
};

/* Finds the cgroup of @pid. Where there is none, nothing will be known. */
void og_oom_watch(struct og_oom *oom, pid_t pid);
bool og_oom_killed(const struct og_oom *oom);
void og_oom_done(struct og_oom *oom);
