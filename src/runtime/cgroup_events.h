/* SPDX-License-Identifier: Apache-2.0 */
/* Hearing of it when a workload runs out of memory. */
#pragma once

#include "runtime/cgroup.h"

struct og_oom_watch {
	int fd;	      /* owned; readable when something may have happened */
	int count_fd; /* owned; the file that counts */
	bool v2;
	uint64_t seen;
};

/*
 * Version 1: an eventfd on memory.oom_control; version 2: inotify on memory.events. Errors:
 * -ENOTSUP (this host counts no memory).
 */
int og_oom_watch_open(const struct og_cgroup *cgroup, struct og_oom_watch *ret_watch,
		      struct og_err *err);
void og_oom_watch_done(struct og_oom_watch *watch);

/* How often memory ran out since the last call; to be asked when fd is readable, and at the end. */
uint64_t og_oom_watch_take(struct og_oom_watch *watch);
