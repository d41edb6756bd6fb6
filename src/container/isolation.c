/* SPDX-License-Identifier: Apache-2.0 */
#include "container/isolation.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "container/landlock.h"
#include "container/members.h"
#include "container/operations.h"
#include "runtime/cgroup_events.h"
#include "runtime/cgroup_stats.h"
#include "runtime/state.h"

static int load_cgroup(const struct og_workload *workload, struct og_cgroup **ret_cgroup,
		       struct og_err *err)
{
	return og_cgroup_load(og_json_get(workload->extra, "cgroups"), ret_cgroup, err);
}

static int signal_members(pid_t first, int signal, struct og_err *err)
{
	og_auto_free pid_t *pids = NULL;
	size_t count = 0;
	int r = og_members_by_namespace(first, &pids, &count, err);

	for (size_t i = 0; r == 0 && i < count; i++)
		(void)kill(pids[i], signal);
	return r;
}

static int container_kill(struct og_workload *workload, int signal, bool all, struct og_err *err)
{
	og_cleanup(og_cgroup_freep) struct og_cgroup *cgroup = NULL;
	int r;

	if (!all && kill(workload->pid, signal) < 0)
		return og_fail(err, -errno, "signal process %d", (int)workload->pid);
	if (!all && signal != SIGKILL)
		return 0;
	r = load_cgroup(workload, &cgroup, err);
	if (r == 0 && all)
		r = cgroup->count > 0 ? og_cgroup_signal(cgroup, signal, err)
				      : signal_members(workload->pid, signal, err);
	if (r >= 0 && signal == SIGKILL)
		og_cgroup_let_die(cgroup);
	return r < 0 ? r : 0;
}

static int remove_resctrl(const struct og_workload *workload, struct og_err *err)
{
	const struct og_json *saved = og_json_get(workload->extra, OG_RESCTRL_KEY);
	og_auto_fd fd = saved == NULL ? -EBADF : og_resctrl_open(NULL);

	return fd < 0 ? 0 : og_resctrl_remove(fd, saved, err); /* not mounted: nothing there */
}

static int container_destroy(struct og_workload *workload, struct og_err *err)
{
	og_cleanup(og_cgroup_freep) struct og_cgroup *cgroup = NULL;
	int r;

	if (workload->pid > 0 && og_pid_start(workload->pid) == workload->pid_start &&
	    workload->pid_start != 0)
		(void)kill(workload->pid, SIGKILL);
	r = load_cgroup(workload, &cgroup, err);
	if (r == 0)
		r = og_cgroup_destroy(cgroup, err);
	return r < 0 ? r : remove_resctrl(workload, err);
}

static bool container_paused(struct og_workload *workload)
{
	og_cleanup(og_cgroup_freep) struct og_cgroup *cgroup = NULL;

	return load_cgroup(workload, &cgroup, NULL) == 0 && og_cgroup_frozen(cgroup);
}

static int container_pause(struct og_workload *workload, bool paused, struct og_err *err)
{
	og_cleanup(og_cgroup_freep) struct og_cgroup *cgroup = NULL;
	int r = load_cgroup(workload, &cgroup, err);

	return r < 0 ? r : og_cgroup_freeze(cgroup, paused, err);
}

static int container_update(struct og_workload *workload, const struct og_oci_resources *resources,
			    struct og_err *err)
{
	og_cleanup(og_cgroup_freep) struct og_cgroup *cgroup = NULL;
	int r = load_cgroup(workload, &cgroup, err);

	return r < 0 ? r : og_cgroup_update(cgroup, resources, &workload->notes, err);
}

static int container_pids(struct og_workload *workload, pid_t **ret_pids, size_t *ret_count,
			  struct og_err *err)
{
	og_cleanup(og_cgroup_freep) struct og_cgroup *cgroup = NULL;
	int r = load_cgroup(workload, &cgroup, err);

	if (r == 0 && cgroup->count == 0)
		return og_members_by_namespace(workload->pid, ret_pids, ret_count, err);
	return r < 0 ? r : og_cgroup_pids(cgroup, ret_pids, ret_count, err);
}

static int container_stats(struct og_workload *workload, struct og_json **ret_stats,
			   struct og_err *err)
{
	og_cleanup(og_cgroup_freep) struct og_cgroup *cgroup = NULL;
	int r = load_cgroup(workload, &cgroup, err);

	if (r == 0)
		*ret_stats = og_cgroup_stats(cgroup);
	return r;
}

static int container_oom(struct og_workload *workload, struct og_oom_watch *ret_watch,
			 struct og_err *err)
{
	og_cleanup(og_cgroup_freep) struct og_cgroup *cgroup = NULL;
	int r = load_cgroup(workload, &cgroup, err);

	return r < 0 ? r : og_oom_watch_open(cgroup, ret_watch, err);
}

static void container_features(struct og_json *annotations)
{
	int version = og_landlock_version();
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", version < 0 ? 0 : version);
	og_json_set_string(annotations, "org.onggi.landlock.version", text);
}

const struct og_isolation og_isolation_container = {
	.name = "container",
	.create = og_container_create,
	.kill = container_kill,
	.destroy = container_destroy,
	.exec = og_container_exec,
	.paused = container_paused,
	.pause = container_pause,
	.update = container_update,
	.mounts = og_container_mounts,
	.pids = container_pids,
	.stats = container_stats,
	.oom = container_oom,
	.checkpoint = og_container_checkpoint,
	.restore = og_container_restore,
	.features = container_features,
};
