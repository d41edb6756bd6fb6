/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/spawn.h"
#include "base/text.h"
#include "container/caps.h"
#include "container/console.h"
#include "container/hide.h"
#include "container/net_devices.h"
#include "container/operations.h"
#include "container/schedule.h"
#include "runtime/cgroup_scope.h"
#include "runtime/gate.h"
#include "runtime/hooks.h"
#include "runtime/rootless.h"
#include "runtime/state.h"

static void launch_done(struct og_launch *launch)
{
	og_namespaces_done(&launch->namespaces);
	og_mount_plan_free(launch->plan);
	og_seccomp_free(launch->seccomp);
	og_cgroup_entry_done(&launch->entry);
	og_cgroup_free(launch->denied);
	og_oom_score_done(&launch->oom_score);
	og_close(launch->hide_fd);
	og_close(launch->resctrl_fd);
	og_close(launch->sync.parent_fd);
	og_close(launch->sync.child_fd);
	og_close(launch->gate_fd);
	og_close(launch->console_fd);
}

static int check_config(const struct og_oci_config *config, struct og_notes *notes,
			struct og_err *err)
{
	if (!config->root.set)
		return og_fail(err, -EINVAL, "root is missing");
	if (!config->process.set)
		return og_fail(err, -EINVAL, "process is missing");
	og_caps_note(&config->process.capabilities,
		     og_oci_namespace(config, OG_OCI_NS_USER) != NULL, notes);
	return og_label_check(&config->process, &config->linux_, err);
}

/* Where systemd put it is known only then. The state must know, before anything is in it. */
static int start_scope(struct og_launch *launch, struct og_err *err)
{
	struct og_workload *workload = launch->workload;
	int r = og_scope_start(launch->cgroup, &workload->config->linux_.resources, err);

	if (r < 0) {
		/* Whatever is at those places is not ours. */
		launch->cgroup = og_cgroup_free(launch->cgroup);
		og_json_unset(workload->extra, "cgroups");
		return r;
	}
	og_json_set(workload->extra, "cgroups", og_cgroup_save(launch->cgroup));
	return og_workload_save(workload, err);
}

/* From here on `delete --force` finds what there will be. */
static int make_cgroup(struct og_launch *launch, struct og_err *err)
{
	struct og_workload *workload = launch->workload;
	const struct og_oci_linux *lin = &workload->config->linux_;
	const char *helper = launch->options->systemd_helper;
	int r = helper != NULL
			? og_scope_find(lin->cgroups_path, workload->id, helper,
					launch->namespaces.ordinary, &launch->cgroup, err)
			: og_cgroup_find(lin->cgroups_path, workload->id, &launch->cgroup, err);

	if (r == 0 && helper == NULL && launch->options->lenient_cgroups)
		r = og_rootless_cgroups(launch->cgroup, lin->cgroups_path, workload->id,
					&launch->denied, err);
	if (r < 0)
		return r;
	if (launch->denied != NULL)
		og_rootless_note(launch->denied, &workload->notes);
	og_json_set(workload->extra, "cgroups", og_cgroup_save(launch->cgroup));
	r = og_workload_save(workload, err);
	if (r == 0 && helper != NULL)
		r = start_scope(launch, err);
	if (r < 0)
		return r;
	r = og_cgroup_make(launch->cgroup, &lin->resources, err);
	if (r < 0) /* what could not be made is not ours to remove */
		og_json_set(workload->extra, "cgroups", og_cgroup_save(launch->cgroup));
	if (r == 0)
		r = og_cgroup_limit(launch->cgroup, &lin->resources, &workload->notes, err);
	return r < 0 ? r : og_cgroup_entry_open(launch->cgroup, &launch->entry, err);
}

/* Likewise of groups of resctrl. */
static int make_resctrl(struct og_launch *launch, struct og_err *err)
{
	struct og_workload *workload = launch->workload;
	struct og_resctrl *resctrl = &launch->resctrl;
	int r;

	resctrl->config = &workload->config->linux_.intel_rdt;
	resctrl->id = workload->id;
	launch->resctrl_fd = og_resctrl_open(err);
	if (launch->resctrl_fd < 0)
		return launch->resctrl_fd;
	r = og_resctrl_check(launch->resctrl_fd, resctrl, err);
	if (r < 0)
		return r;
	og_json_set(workload->extra, OG_RESCTRL_KEY, og_resctrl_save(resctrl));
	r = og_workload_save(workload, err);
	return r < 0 ? r : og_resctrl_prepare(launch->resctrl_fd, resctrl, err);
}

/* A console socket of the caller's, or a pair whose other end gives the master to our caller. */
static int open_console(struct og_launch *launch, int *ret_receive_fd, struct og_err *err)
{
	const struct og_create_options *options = launch->options;
	int pair[2];

	if (!launch->workload->config->process.terminal)
		return options->console_socket == NULL
			       ? 0
			       : og_fail(err, -EINVAL,
					 "a console socket is of no use: process.terminal is false");
	if (options->console_socket != NULL) {
		launch->console_fd = og_console_connect(options->console_socket, err);
		return launch->console_fd < 0 ? launch->console_fd : 0;
	}
	if (options->console_fd == NULL)
		return og_fail(err, -EINVAL, "process.terminal needs --console-socket");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return og_fail(err, -errno, "make socket pair");
	launch->console_fd = pair[0];
	*ret_receive_fd = pair[1];
	return 0;
}

int og_launch_plan(struct og_launch *launch, struct og_err *err)
{
	struct og_mount_request request = {
		.config = launch->workload->config,
		.bundle = launch->workload->bundle,
		.cgroup = launch->cgroup,
		.denied = launch->denied,
		.user_namespace = launch->user_namespace,
		.user_fd = launch->namespaces.join_fds[OG_OCI_NS_USER],
		.joined = launch->namespaces.join_fds[OG_OCI_NS_MOUNT] >= 0,
		.notes = &launch->workload->notes,
	};

	return og_mount_plan_new(&request, &launch->plan, err);
}

static int prepare(struct og_launch *launch, int *ret_receive_fd, struct og_err *err)
{
	struct og_workload *workload = launch->workload;
	struct og_namespaces *namespaces = &launch->namespaces;
	const struct og_oci_seccomp *seccomp = &workload->config->linux_.seccomp;
	int r = og_namespaces_open(workload->config, &launch->namespaces, err);

	if (r == 0)
		r = open_console(launch, ret_receive_fd, err);
	if (r == 0 && seccomp->set)
		r = og_seccomp_new(seccomp, &launch->seccomp, err);
	if (r == 0 && seccomp->set)
		r = og_seccomp_save(launch->seccomp, workload->dir_fd, err);
	if (r == 0)
		r = make_cgroup(launch, err);
	if (r == 0 && workload->config->linux_.intel_rdt.set)
		r = make_resctrl(launch, err);
	if (r < 0)
		return r;
	launch->waits_early = namespaces->new_user ||
			      workload->config->linux_.net_devices.count > 0;
	launch->user_namespace = namespaces->new_user || namespaces->joins_user ||
				 launch->options->in_user_namespace;
	if (!namespaces->ordinary)
		r = og_launch_plan(launch, err);
	if (r == 0)
		r = og_sync_open(&launch->sync, err);
	if (r < 0)
		return r;
	if (launch->options->started == NULL) {
		launch->gate_fd = og_gate_open(workload->dir_fd, err);
		if (launch->gate_fd < 0)
			return launch->gate_fd;
	}
	return 0;
}

static int run_runtime_hooks(const struct og_launch *launch, struct og_err *err)
{
	const struct og_oci_hooks *hooks = &launch->workload->config->hooks;
	og_cleanup(og_json_freep) struct og_json *state = NULL;
	og_auto_free char *text = NULL;
	int r;

	if (hooks->prestart.count == 0 && hooks->create_runtime.count == 0)
		return 0;
	r = og_sync_expect(launch->sync.parent_fd, OG_SYNC_HOOKS, err);
	if (r < 0)
		return r;
	state = og_workload_state_json(launch->workload, OG_STATUS_CREATING);
	text = og_json_write(state);
	if (text == NULL)
		return og_fail(err, -ENOMEM, "run hooks");
	r = og_hooks_run("prestart", &hooks->prestart, text, err);
	if (r == 0)
		r = og_hooks_run("createRuntime", &hooks->create_runtime, text, err);
	return r < 0 ? r : og_sync_send(launch->sync.parent_fd, OG_SYNC_GO, err);
}

/* It is in all its namespaces, and does not yet look into them. */
static int attend_early(struct og_launch *launch, struct og_err *err)
{
	const struct og_workload *workload = launch->workload;
	int sync_fd = launch->sync.parent_fd;
	int r = og_sync_expect(sync_fd, OG_SYNC_MAP, err);

	if (r == 0 && launch->namespaces.new_user) {
		r = og_namespaces_map(workload->pid, &workload->config->linux_, err);
		og_rlimits_raise(workload->pid, &workload->config->process);
	}
	if (r == 0 && workload->config->linux_.net_devices.count > 0)
		r = og_net_devices_move(&workload->config->linux_, workload->pid, err);
	return r < 0 ? r : og_sync_send(sync_fd, OG_SYNC_GO, err);
}

/* The runtime's side of what launch.h draws. */
static int attend(struct og_launch *launch, struct og_err *err)
{
	struct og_workload *workload = launch->workload;
	int sync_fd = launch->sync.parent_fd;
	int r = 0;

	if (launch->waits_early)
		r = attend_early(launch, err);
	if (r == 0)
		r = og_workload_save(workload, err);
	if (r == 0 && !launch->namespaces.ordinary)
		r = og_oom_score_set(workload->pid, &workload->config->process, err);
	if (r == 0 && launch->resctrl_fd >= 0)
		r = og_resctrl_enter(launch->resctrl_fd, &launch->resctrl, workload->pid, err);
	if (r == 0)
		r = run_runtime_hooks(launch, err);
	if (r == 0)
		r = og_sync_send(sync_fd, OG_SYNC_SAVED, err);
	if (r == 0)
		r = og_sync_expect_ready(sync_fd, &workload->notes, err);
	if (r < 0 || launch->options->started == NULL)
		return r;
	r = og_sync_closed(sync_fd, err);
	*launch->options->started = r == 0;
	return r;
}

/* What the first process says about its own end is better than that it is gone. */
static int better_reason(const struct og_launch *launch, int code, struct og_err *err)
{
	struct og_err said = {};

	if (code != -EPIPE || err == NULL)
		return code;
	if (og_sync_expect(launch->sync.parent_fd, OG_SYNC_READY, &said) == 0 ||
	    said.code == -EPIPE)
		return code;
	*err = said;
	return said.code;
}

/* What keeps users from namespaces is not always said by what fails. */
static int with_obstacle(const struct og_launch *launch, int code, struct og_err *err)
{
	const char *obstacle =
		launch->user_namespace && code != 0 &&
				(launch->namespaces.ordinary || launch->options->in_user_namespace)
			? og_rootless_obstacle()
			: "";

	return obstacle[0] != '\0' ? og_fail_in(err, code, "rootless%s", obstacle) : code;
}

/* Returns the first process, or in it 0. */
static pid_t clone_first(struct og_launch *launch, struct og_err *err)
{
	bool by_systemd = og_scope_moves(launch->cgroup);
	og_auto_fd cgroup_fd = by_systemd ? -ENOENT : og_cgroup_v2_fd(launch->cgroup);
	struct og_namespaces *namespaces = &launch->namespaces;
	pid_t pid;
	int r;

	/* In a PID namespace of its own the first process hides itself, before anyone is there. */
	if (!namespaces->ordinary && (namespaces->clone_flags & CLONE_NEWPID) == 0) {
		r = og_hide_behind(launch->hide_fd, err);
		if (r < 0)
			return r;
		launch->hide_fd = og_close(launch->hide_fd);
	}
	launch->in_v2 = by_systemd;
	if (namespaces->by_helper)
		return og_clone_by_helper(namespaces, err);
	r = og_namespaces_before(namespaces, err);
	if (r < 0)
		return r;
	launch->in_v2 = by_systemd || cgroup_fd >= 0;
	pid = og_clone(namespaces->clone_flags, cgroup_fd);
	if (pid < 0 && cgroup_fd >= 0) { /* a kernel before 5.7, or a group that is no domain */
		launch->in_v2 = false;
		pid = og_clone(namespaces->clone_flags, -1);
	}
	if (pid < 0)
		return og_fail(err, pid, "make the workload's first process and its namespaces");
	r = pid == 0 ? 0 : og_namespaces_after(namespaces, err);
	if (r < 0) {
		(void)kill(pid, SIGKILL);
		(void)og_wait_status(pid);
	}
	return r < 0 ? r : pid;
}

static int launch_and_attend(struct og_launch *launch, struct og_err *err)
{
	struct og_workload *workload = launch->workload;
	int r = og_oom_score_lend(&launch->oom_score, &workload->config->process, err);
	pid_t pid = r < 0 ? r : clone_first(launch, err);

	if (pid == 0)
		_exit(og_first_process(launch));
	og_oom_score_take_back(&launch->oom_score);
	if (pid < 0)
		return r < 0 ? r : with_obstacle(launch, pid, err);
	launch->sync.child_fd = og_close(launch->sync.child_fd);
	launch->gate_fd = og_close(launch->gate_fd);
	launch->console_fd = og_close(launch->console_fd);
	workload->pid = pid;
	workload->pid_start = og_pid_start(pid);
	r = og_scope_moves(launch->cgroup) ? og_scope_attach(launch->cgroup, pid, err) : 0;
	if (r == 0)
		r = attend(launch, err);
	if (launch->cgroup->scope != NULL)
		og_scope_release(launch->cgroup->scope);
	if (r < 0) {
		r = with_obstacle(launch, better_reason(launch, r, err), err);
		(void)kill(pid, SIGKILL);
		(void)og_wait_status(pid);
		workload->pid = 0;
	}
	return r;
}

int og_container_create(struct og_workload *workload, const struct og_create_options *options,
			struct og_err *err)
{
	og_cleanup(launch_done) struct og_launch launch = {
		.workload = workload,
		.options = options,
		.entry = { .v2_fd = -EBADF },
		.sync = { -EBADF, -EBADF },
		.gate_fd = -EBADF,
		.console_fd = -EBADF,
		.hide_fd = -EBADF,
		.resctrl_fd = -EBADF,
	};
	og_auto_fd receive_fd = -EBADF;
	int r;

	og_oom_score_open(&launch.oom_score, &workload->config->process);
	for (size_t i = 0; i < OG_OCI_NS_COUNT; i++)
		launch.namespaces.join_fds[i] = -EBADF;
	r = og_hide_begin(&launch.hide_fd, err);
	if (r == 0)
		r = check_config(workload->config, &workload->notes, err);
	if (r == 0)
		r = prepare(&launch, &receive_fd, err);
	if (r == 0)
		r = launch_and_attend(&launch, err);
	if (r == 0 && receive_fd >= 0) {
		r = og_console_receive(receive_fd, err);
		if (r >= 0) {
			*options->console_fd = r;
			r = 0;
		}
	}
	if (r < 0 && launch.cgroup != NULL)
		(void)og_cgroup_destroy(launch.cgroup, NULL);
	if (r < 0 && launch.resctrl_fd >= 0)
		(void)og_resctrl_remove(launch.resctrl_fd,
					og_json_get(workload->extra, OG_RESCTRL_KEY), NULL);
	og_cgroup_free(launch.cgroup);
	return r;
}
