/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a workload's first process comes to be.
 *
 *	runtime                                 first process
 *	saves the state, makes cgroups,
 *	opens what comes from the host,
 *	compiles the filter
 *	clone3 -------------------------------> joins namespaces
 *	maps the user namespace, <-- map -----
 *	moves interfaces
 *	                         --- go ------> becomes its root
 *	saves the pid                           mounts everything
 *	prestart, createRuntime  <-- hooks ---
 *	                         --- go ------> createContainer hooks, enters the root
 *	                         --- saved ---> its cgroups; user, limits, capabilities
 *	returns                  <-- ready ---  waits at the gate for `start`
 *	                                        startContainer hooks, filter, execve
 *
 * For an ordinary user what comes from the host is opened by the first process, once it is root of
 * its user namespace: before, nobody may.
 *
 * The messages in the middle are sent only where they are needed. Until it gets "saved", the
 * first process gives up when the runtime dies; after it, the state knows its pid. With `run` there
 * is no gate: the first process goes on, and the runtime returns when execve() has closed the
 * other end of the stream.
 */
#pragma once

#include <stdint.h>

#include "container/mounts.h"
#include "container/namespaces.h"
#include "container/oom_score.h"
#include "container/process.h"
#include "container/resctrl.h"
#include "container/sync.h"
#include "runtime/cgroup.h"
#include "runtime/isolation.h"

struct og_launch {
	struct og_workload *workload;
	const struct og_create_options *options;
	struct og_namespaces namespaces;
	struct og_cgroup *cgroup;
	struct og_cgroup_entry entry;
	bool in_v2;	  /* cloned into the group of version 2 */
	bool waits_early; /* for its user namespace's mapping, and for interfaces */
	struct og_mount_plan *plan;
	bool user_namespace;	  /* it has one, or shares the one that we are in */
	struct og_cgroup *denied; /* trees in which it stays where we are; may be NULL */
	struct og_oom_score oom_score;
	int hide_fd; /* container/hide.h */
	struct og_seccomp *seccomp;
	struct og_sync_pair sync;
	int gate_fd; /* -EBADF: it goes on at once */
	struct og_resctrl resctrl;
	int resctrl_fd; /* -EBADF: not asked for */
	int console_fd; /* where the terminal's master is sent; -EBADF: no terminal */
};

/* Plans the mounts: by the runtime, or for an ordinary user by the first process. */
int og_launch_plan(struct og_launch *launch, struct og_err *err);

/* The first process: returns only as its exit status. */
int og_first_process(struct og_launch *launch);

/* clone3(), into @cgroup_fd unless it is negative. Returns as fork() does, or a negative errno. */
pid_t og_clone(uint64_t flags, int cgroup_fd);

/*
 * Likewise, in @namespaces, all of them joined already: for those that og_namespaces_join() could
 * not join from inside; in no cgroup yet. Only where @namespaces->by_helper.
 */
pid_t og_clone_by_helper(const struct og_namespaces *namespaces, struct og_err *err);

/* Signals that a caller may have set to be ignored count as they should again. */
void og_reset_signals(void);
