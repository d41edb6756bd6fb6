/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One more process in a running workload. The runtime joins the PID namespace, which is for its
 * children alone, and clones one; that child joins the rest at once through a pidfd of the first
 * process. It was never visible inside while it was anything but unreadable (not dumpable, and
 * its memory belongs to the host's user namespace), and every descriptor of ours closes on exec.
 *
 * An ordinary user may join that PID namespace only from within the user namespace: the runtime's
 * child joins everything at once and clones a child in its own place (CLONE_PARENT).
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/spawn.h"
#include "base/text.h"
#include "base/weak.h"
#include "container/caps.h"
#include "container/console.h"
#include "container/hide.h"
#include "container/operations.h"
#include "container/schedule.h"
#include "runtime/cgroup_scope.h"
#include "runtime/rootless.h"
#include "runtime/state.h"

struct joining {
	struct og_workload *workload;
	const struct og_exec_options *options;
	int pid_fd;   /* of the first process */
	int place_fd; /* its root, where that is not its mount namespace's */
	int flags;    /* namespaces that it has and we have not */
	bool user;    /* a user namespace among them */
	struct og_seccomp *seccomp;
	struct og_cgroup *cgroup;
	struct og_cgroup_entry entry;
	bool in_v2;
	struct og_sync_pair sync;
	int console_fd;
	bool ordinary; /* not root here */
	int hide_fd;   /* container/hide.h */
	struct og_oom_score oom_score;
};

static void joining_done(struct joining *joining)
{
	og_close(joining->pid_fd);
	og_close(joining->place_fd);
	og_close(joining->sync.parent_fd);
	og_close(joining->sync.child_fd);
	og_close(joining->console_fd);
	og_close(joining->hide_fd);
	og_oom_score_done(&joining->oom_score);
	og_seccomp_free(joining->seccomp);
	og_cgroup_entry_done(&joining->entry);
	og_cgroup_free(joining->cgroup);
}

struct kind {
	const char *file; /* in /proc/PID/ns */
	int flag;
};

static const struct kind kinds[] = {
	{ "user", CLONE_NEWUSER }, { "mnt", CLONE_NEWNS },  { "net", CLONE_NEWNET },
	{ "ipc", CLONE_NEWIPC },   { "uts", CLONE_NEWUTS }, { "cgroup", CLONE_NEWCGROUP },
	{ "time", CLONE_NEWTIME }, { "pid", CLONE_NEWPID },
};

int og_namespaces_that_differ(pid_t pid, struct og_err *err)
{
	int flags = 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		char path[48];
		struct stat theirs;
		struct stat ours;

		(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, kinds[i].file);
		if (stat(path, &theirs) < 0) {
			if (errno == ENOENT &&
			    faccessat(AT_FDCWD, "/proc/self/ns/pid", F_OK, 0) == 0 &&
			    kill(pid, 0) == 0)
				continue; /* a kernel without that kind */
			return og_fail(err, -ESRCH, "the workload's first process is gone");
		}
		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", kinds[i].file);
		if (stat(path, &ours) == 0 && ours.st_ino == theirs.st_ino)
			continue;
		flags |= kinds[i].flag;
	}
	return flags;
}

/* Goes on as a child of our parent's in the PID namespace. */
static int take_place(struct joining *joining, struct og_err *err)
{
	int fd = joining->sync.child_fd;
	pid_t pid = og_clone(CLONE_PARENT, -1);
	int r;

	if (pid < 0)
		return og_fail(err, pid, "make a process in the workload's pid namespace");
	if (pid > 0)
		_exit(og_sync_send_pid(fd, pid, NULL) < 0 ? 1 : 0);
	r = og_sync_expect(fd, OG_SYNC_GO, err);
	return r < 0 ? r : og_hide_behind(joining->hide_fd, err);
}

static int set_up(struct joining *joining, const struct og_process_setup *setup,
		  struct og_program *program, struct og_err *err)
{
	og_auto_fd root_fd = -EBADF;
	og_auto_fd slave_fd = -EBADF;
	int flags = joining->ordinary ? joining->flags : joining->flags & ~CLONE_NEWPID;
	int r;

	/* In its groups first: a cgroup namespace shows from where it was entered. */
	r = og_sync_expect(joining->sync.child_fd, OG_SYNC_GO, err);
	if (r == 0)
		r = og_cgroup_enter(&joining->entry, joining->in_v2, err);
	if (r == 0)
		r = og_affinity_apply(setup->process->exec_affinity.final,
				      "process.execCPUAffinity.final", err);
	if (r < 0)
		return r;
	if (flags != 0 && setns(joining->pid_fd, flags) < 0)
		return og_fail(err, -errno, "join the workload's namespaces");
	if (joining->place_fd >= 0 && (fchdir(joining->place_fd) < 0 || chroot(".") < 0))
		return og_fail(err, -errno, "enter the workload's root");
	if (joining->ordinary)
		r = take_place(joining, err);
	if (r == 0 && joining->user)
		r = og_namespaces_become_root(err);
	if (r == 0 && !og_weak("A20") && setsid() < 0)
		r = og_fail(err, -errno, "begin a session");
	if (r < 0)
		return r;
	if (setup->process->terminal) {
		root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		r = og_console_make(root_fd, joining->console_fd, setup->process, &slave_fd, err);
		if (r == 0)
			r = og_console_take(slave_fd, err);
	}
	return r < 0 ? r : og_process_become(setup, program, err);
}

static int joined_process(struct joining *joining)
{
	struct og_process_setup setup = {
		.config = joining->workload->config,
		.process = joining->options->process,
		.seccomp = joining->seccomp,
		.preserve_fds = joining->options->preserve_fds,
		.user_namespace = joining->user || og_rootless_inside(),
	};
	struct og_program program = {};
	struct og_err err = {};
	int r;

	og_close(joining->sync.parent_fd);
	if (!og_weak("A2"))
		og_close(joining->workload->dir_fd);
	og_reset_signals();
	r = og_seccomp_introduce(joining->seccomp, joining->workload, OG_STATUS_RUNNING, &err);
	if (r == 0)
		r = set_up(joining, &setup, &program, &err);
	if (r == 0)
		r = og_process_exec(&setup, &program, &err);
	og_sync_fail(joining->sync.child_fd, &err);
	return 1;
}

static int open_console(struct joining *joining, int *ret_receive_fd, struct og_err *err)
{
	const struct og_exec_options *options = joining->options;
	int pair[2];

	if (!options->process->terminal)
		return 0;
	if (options->console_socket != NULL) {
		joining->console_fd = og_console_connect(options->console_socket, err);
		return joining->console_fd < 0 ? joining->console_fd : 0;
	}
	if (options->console_fd == NULL)
		return og_fail(err, -EINVAL, "a terminal needs --console-socket");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return og_fail(err, -errno, "make socket pair");
	joining->console_fd = pair[0];
	*ret_receive_fd = pair[1];
	return 0;
}

static int open_groups(struct joining *joining, struct og_err *err)
{
	const struct og_exec_options *options = joining->options;
	og_cleanup(og_cgroup_freep) struct og_cgroup *own = NULL;
	int r = og_cgroup_load(og_json_get(joining->workload->extra, "cgroups"), &own, err);

	if (r == 0 && options->cgroup_count > 0)
		r = og_cgroup_below(own, options->cgroups, options->cgroup_count, &joining->cgroup,
				    err);
	else if (r == 0)
		joining->cgroup = og_take_ptr(own);
	return r < 0 ? r : og_cgroup_entry_open(joining->cgroup, &joining->entry, err);
}

/* In a mount namespace of others' the workload has only changed its own root. */
static int open_place(struct joining *joining, struct og_err *err)
{
	const struct og_workload *workload = joining->workload;
	const struct og_oci_namespace *space = og_oci_namespace(workload->config, OG_OCI_NS_MOUNT);
	char path[48];

	if (space == NULL || space->path == NULL)
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/root", (int)workload->pid);
	joining->place_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return joining->place_fd < 0 ? og_fail(err, -errno, "open the workload's root") : 0;
}

static int prepare(struct joining *joining, int *ret_receive_fd, struct og_err *err)
{
	struct og_workload *workload = joining->workload;
	const struct og_oci_seccomp *seccomp = &workload->config->linux_.seccomp;
	int r = og_label_check(joining->options->process, &workload->config->linux_, err);

	if (r < 0)
		return r;
	joining->pid_fd = (int)syscall(SYS_pidfd_open, workload->pid, 0);
	if (joining->pid_fd < 0)
		return og_fail(err, -errno, "open the workload's first process");
	r = og_namespaces_that_differ(workload->pid, err);
	if (r >= 0) {
		joining->flags = r;
		joining->user = (r & CLONE_NEWUSER) != 0;
		r = 0;
	}
	if (r == 0)
		r = open_place(joining, err);
	/* Only now is it sure that the descriptor is of that process and of no later one. */
	if (r == 0 && og_pid_start(workload->pid) != workload->pid_start)
		r = og_fail(err, -ESRCH, "the workload's first process is gone");
	og_caps_note(&joining->options->process->capabilities, joining->user, &workload->notes);
	if (r == 0)
		r = open_console(joining, ret_receive_fd, err);
	if (r == 0 && seccomp->set)
		r = og_seccomp_load(seccomp, workload->dir_fd, &joining->seccomp, err);
	if (r == 0)
		r = open_groups(joining, err);
	if (r == 0)
		r = og_sync_open(&joining->sync, err);
	if (r == 0 && !joining->ordinary && (joining->flags & CLONE_NEWPID) != 0 &&
	    setns(joining->pid_fd, CLONE_NEWPID) < 0)
		r = og_fail(err, -errno, "join the workload's pid namespace");
	return r;
}

/* *@pid ends, and is what takes its place from then on. */
static int attend_place_taking(struct joining *joining, pid_t *pid, struct og_err *err)
{
	pid_t next = 0;
	int r = og_sync_expect_pid(joining->sync.parent_fd, &next, err);

	if (r < 0)
		return r;
	(void)og_wait_status(*pid);
	*pid = next;
	return og_sync_send(joining->sync.parent_fd, OG_SYNC_GO, err);
}

static int attend(struct joining *joining, pid_t *pid, struct og_err *err)
{
	int r = joining->ordinary ? 0 : og_oom_score_set(*pid, joining->options->process, err);

	if (joining->user)
		og_rlimits_raise(*pid, joining->options->process);
	if (r == 0)
		r = og_sync_send(joining->sync.parent_fd, OG_SYNC_GO, err);
	if (r == 0 && joining->ordinary)
		r = attend_place_taking(joining, pid, err);
	return r < 0 ? r : og_sync_closed(joining->sync.parent_fd, err);
}

/* Where the workload's group hands controllers on it takes nobody: its first process moved, too. */
static pid_t clone_into(struct joining *joining, int cgroup_fd, bool by_systemd)
{
	pid_t pid = og_clone(0, cgroup_fd);

	joining->in_v2 = by_systemd || cgroup_fd >= 0;
	if (pid == -EBUSY && joining->options->cgroup_count == 0) {
		og_auto_fd moved_fd = og_cgroup_v2_fd_of(joining->cgroup, joining->workload->pid);

		pid = moved_fd < 0 ? -EBUSY : og_clone(0, moved_fd);
	}
	if (pid < 0 && cgroup_fd >= 0) { /* a kernel before 5.7: the child enters by itself */
		joining->in_v2 = false;
		pid = og_clone(0, -1);
	}
	return pid;
}

static int launch(struct joining *joining, pid_t *ret_pid, struct og_err *err)
{
	bool by_systemd = og_scope_moves(joining->cgroup);
	og_auto_fd cgroup_fd = by_systemd ? -ENOENT : og_cgroup_v2_fd(joining->cgroup);
	int r = og_oom_score_lend(&joining->oom_score, joining->options->process, err);
	pid_t pid;

	if (r < 0)
		return r;
	pid = clone_into(joining, cgroup_fd, by_systemd);
	if (pid == 0)
		_exit(joined_process(joining));
	og_oom_score_take_back(&joining->oom_score);
	if (pid < 0)
		return og_fail(err, pid, "make a process");
	joining->sync.child_fd = og_close(joining->sync.child_fd);
	joining->console_fd = og_close(joining->console_fd);
	r = by_systemd ? og_scope_attach(joining->cgroup, pid, err) : 0;
	if (r == 0)
		r = attend(joining, &pid, err);
	if (r < 0) {
		(void)kill(pid, SIGKILL);
		(void)og_wait_status(pid);
		return r;
	}
	*ret_pid = pid;
	return 0;
}

int og_container_exec(struct og_workload *workload, const struct og_exec_options *options,
		      pid_t *ret_pid, struct og_err *err)
{
	og_cleanup(joining_done) struct joining joining = {
		.workload = workload,
		.options = options,
		.pid_fd = -EBADF,
		.place_fd = -EBADF,
		.entry = { .v2_fd = -EBADF },
		.sync = { -EBADF, -EBADF },
		.console_fd = -EBADF,
		.ordinary = geteuid() != 0,
		.hide_fd = -EBADF,
	};
	og_auto_fd receive_fd = -EBADF;
	int r;

	og_oom_score_open(&joining.oom_score, options->process);
	r = og_hide_begin(&joining.hide_fd, err);
	if (r == 0 && !joining.ordinary) {
		r = og_hide_behind(joining.hide_fd, err);
		joining.hide_fd = og_close(joining.hide_fd);
	}
	if (r == 0)
		r = prepare(&joining, &receive_fd, err);
	if (r == 0) /* the child's, too, until it is in its groups */
		r = og_affinity_apply(options->process->exec_affinity.initial,
				      "process.execCPUAffinity.initial", err);
	if (r == 0)
		r = launch(&joining, ret_pid, err);
	if (r == 0 && receive_fd >= 0) {
		r = og_console_receive(receive_fd, err);
		if (r >= 0) {
			*options->console_fd = r;
			r = 0;
		}
	}
	return r;
}
