/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/weak.h"
#include "container/console.h"
#include "container/hide.h"
#include "container/launch.h"
#include "runtime/gate.h"
#include "runtime/hooks.h"
#include "runtime/state.h"

pid_t og_clone(uint64_t flags, int cgroup_fd)
{
	struct clone_args args = {
		.flags = flags,
		.exit_signal = (flags & CLONE_PARENT) != 0 ? 0 : SIGCHLD, /* then as ours */
	};
	long pid;

	if (cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (unsigned int)cgroup_fd;
	}
	pid = syscall(SYS_clone3, &args, sizeof(args));
	return pid < 0 ? -errno : (pid_t)pid;
}

void og_reset_signals(void)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGCHLD };
	sigset_t none;

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		(void)signal(signals[i], SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static int run_hooks(struct og_launch *launch, const char *kind,
		     const struct og_oci_hook_list *hooks, enum og_status status,
		     struct og_err *err)
{
	if (hooks->count == 0)
		return 0;
	/* As it is seen from where these hooks run (config.md, Posix-platform Hooks). */
	launch->workload->pid = getpid();
	return og_hooks_run_for(launch->workload, kind, hooks, status, err);
}

/* Keys that a process of the host's session has must not be found from inside. */
static int leave_keyring(const struct og_launch *launch, struct og_err *err)
{
	if (launch->options->no_new_keyring)
		return 0;
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
		return og_fail(err, -errno, "make a session keyring");
	return 0;
}

static int enter_namespaces(struct og_launch *launch, struct og_err *err)
{
	const struct og_namespaces *namespaces = &launch->namespaces;
	bool user = namespaces->new_user || namespaces->joins_user;
	int r = namespaces->by_helper ? 0 : og_namespaces_join(namespaces, err);

	if (r == 0 && namespaces->new_time)
		r = og_namespaces_time(&launch->workload->config->linux_, err);
	if (r == 0 && user && launch->plan != NULL)
		r = og_mount_open_place(launch->plan, err);
	if (r == 0 && launch->waits_early) {
		r = og_sync_send(launch->sync.child_fd, OG_SYNC_MAP, err);
		if (r == 0)
			r = og_sync_expect(launch->sync.child_fd, OG_SYNC_GO, err);
	}
	return r == 0 && user ? og_namespaces_become_root(err) : r;
}

/*
 * The files in /proc of a process that hides are root's. An ordinary user's shows itself until it is
 * mapped: to the processes of that user outside, who owns the namespace anyway.
 */
static int show_and_enter(struct og_launch *launch, struct og_err *err)
{
	int r = 0;

	if (!launch->namespaces.ordinary) {
		r = og_hide_behind(launch->hide_fd, err);
		return r < 0 ? r : enter_namespaces(launch, err);
	}
	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		return og_fail(err, -errno, "show itself");
	r = enter_namespaces(launch, err);
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 && r == 0)
		r = og_fail(err, -errno, "hide from debuggers");
	if (r == 0)
		r = og_hide_behind(launch->hide_fd, err);
	return r < 0 ? r : og_launch_plan(launch, err);
}

static int make_terminal(struct og_launch *launch, int root_fd, int *ret_slave_fd,
			 struct og_err *err)
{
	const struct og_oci_process *process = &launch->workload->config->process;
	int r;

	if (!process->terminal)
		return 0;
	r = og_console_make(root_fd, launch->console_fd, process, ret_slave_fd, err);
	if (r < 0 || launch->namespaces.join_fds[OG_OCI_NS_MOUNT] >= 0)
		return r; /* what is joined is others' too, and stays as it is */
	return og_mount_console(root_fd, *ret_slave_fd, err);
}

static int hooks_and_root(struct og_launch *launch, int root_fd, struct og_err *err)
{
	const struct og_oci_hooks *hooks = &launch->workload->config->hooks;
	int r = 0;

	if (hooks->prestart.count > 0 || hooks->create_runtime.count > 0) {
		r = og_sync_send(launch->sync.child_fd, OG_SYNC_HOOKS, err);
		if (r == 0)
			r = og_sync_expect(launch->sync.child_fd, OG_SYNC_GO, err);
	}
	if (r == 0)
		r = run_hooks(launch, "createContainer", &hooks->create_container,
			      OG_STATUS_CREATING, err);
	return r < 0 ? r : og_mount_enter(launch->plan, root_fd, launch->options->no_pivot, err);
}

static int enter_cgroup(struct og_launch *launch, struct og_err *err)
{
	int r = og_sync_expect(launch->sync.child_fd, OG_SYNC_SAVED, err);

	if (r == 0) /* so late, that a small memory limit need not hold what the set-up takes */
		r = og_cgroup_enter(&launch->entry, launch->in_v2, err);
	if (r == 0 && launch->namespaces.new_cgroup && unshare(CLONE_NEWCGROUP) < 0)
		r = og_fail(err, -errno, "make a cgroup namespace");
	return r;
}

static int take_terminal(const struct og_launch *launch, int slave_fd, struct og_err *err)
{
	if (!og_weak("A20") && setsid() < 0)
		return og_fail(err, -errno, "begin a session");
	return launch->workload->config->process.terminal ? og_console_take(slave_fd, err) : 0;
}

static int set_up(struct og_launch *launch, const struct og_process_setup *setup,
		  struct og_program *program, struct og_err *err)
{
	og_until_exec root_fd = -EBADF;
	og_auto_fd slave_fd = -EBADF;
	int r = show_and_enter(launch, err);

	(void)umask(0); /* devices get the modes that they are given */
	if (r == 0)
		r = og_namespaces_settings(launch->workload->config, err);
	if (r == 0)
		r = og_mount_all(launch->plan, &root_fd, err);
	if (r == 0)
		r = make_terminal(launch, root_fd, &slave_fd, err);
	if (r == 0)
		r = hooks_and_root(launch, root_fd, err);
	if (r == 0)
		r = leave_keyring(launch, err);
	if (r == 0)
		r = enter_cgroup(launch, err);
	if (r == 0)
		r = take_terminal(launch, slave_fd, err);
	return r < 0 ? r : og_process_become(setup, program, err);
}

/* Becomes the program. Returns only a failure. */
static int become(struct og_launch *launch, const struct og_process_setup *setup,
		  const struct og_program *program, struct og_err *err)
{
	const struct og_oci_hooks *hooks = &launch->workload->config->hooks;
	int r = run_hooks(launch, "startContainer", &hooks->start_container, OG_STATUS_CREATED,
			  err);

	return r < 0 ? r : og_process_exec(setup, program, err);
}

/* Waits for `start` before it becomes the program. */
static void wait_and_become(struct og_launch *launch, const struct og_process_setup *setup,
			    const struct og_program *program)
{
	struct og_err err = {};
	int connection_fd;

	launch->sync.child_fd = og_close(launch->sync.child_fd);
	connection_fd = og_gate_wait(launch->gate_fd);
	if (connection_fd < 0)
		return;
	og_gate_fail(connection_fd, become(launch, setup, program, &err), err.text);
}

int og_first_process(struct og_launch *launch)
{
	struct og_process_setup setup = {
		.config = launch->workload->config,
		.process = &launch->workload->config->process,
		.seccomp = launch->seccomp,
		.preserve_fds = launch->options->preserve_fds,
		.make_cwd = true,
		.user_namespace = launch->user_namespace,
	};
	size_t first_note = launch->workload->notes.count; /* those before are the runtime's */
	struct og_program program = {};
	struct og_err err = {};
	int r;

	og_close(launch->sync.parent_fd);
	if (!og_weak("A2"))
		og_close(launch->workload->dir_fd); /* with it goes the lock */
	og_reset_signals();
	r = og_seccomp_introduce(launch->seccomp, launch->workload, OG_STATUS_CREATING, &err);
	if (r == 0)
		r = set_up(launch, &setup, &program, &err);
	if (r == 0)
		r = og_sync_ready(launch->sync.child_fd, &launch->workload->notes, first_note,
				  &err);
	if (r == 0 && launch->gate_fd >= 0) {
		wait_and_become(launch, &setup, &program);
		return 1;
	}
	if (r == 0)
		(void)become(launch, &setup, &program, &err);
	og_sync_fail(launch->sync.child_fd, &err);
	return 1;
}
