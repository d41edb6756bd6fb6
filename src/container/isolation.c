/* SPDX-License-Identifier: Apache-2.0 */
#include "container/isolation.h"

#include <errno.h>
#include <signal.h>

#include "base/cleanup.h"
#include "container/operations.h"
#include "runtime/state.h"

static int load_cgroup(const struct og_workload *workload, struct og_cgroup **ret_cgroup,
		       struct og_err *err)
{
	return og_cgroup_load(og_json_get(workload->extra, "cgroups"), ret_cgroup, err);
}

static int container_kill(struct og_workload *workload, int signal, bool all, struct og_err *err)
{
	og_cleanup(og_cgroup_freep) struct og_cgroup *cgroup = NULL;
	int r;

	if (!all)
		return kill(workload->pid, signal) < 0
			       ? og_fail(err, -errno, "signal process %d", (int)workload->pid)
			       : 0;
	r = load_cgroup(workload, &cgroup, err);
	if (r == 0)
		r = og_cgroup_signal(cgroup, signal, err);
	return r < 0 ? r : 0;
}

static int container_destroy(struct og_workload *workload, struct og_err *err)
{
	og_cleanup(og_cgroup_freep) struct og_cgroup *cgroup = NULL;
	int r;

	if (workload->pid > 0 && og_pid_start(workload->pid) == workload->pid_start &&
	    workload->pid_start != 0)
		(void)kill(workload->pid, SIGKILL);
	r = load_cgroup(workload, &cgroup, err);
	return r < 0 ? r : og_cgroup_destroy(cgroup, err);
}

static bool container_paused(struct og_workload *workload)
{
	og_cleanup(og_cgroup_freep) struct og_cgroup *cgroup = NULL;

	return load_cgroup(workload, &cgroup, NULL) == 0 && og_cgroup_frozen(cgroup);
}

const struct og_isolation og_isolation_container = {
	.name = "container",
	.create = og_container_create,
	.kill = container_kill,
	.destroy = container_destroy,
	.exec = og_container_exec,
	.paused = container_paused,
};
