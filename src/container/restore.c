/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A workload from files, by CRIU, which makes its processes and namespaces as they were. We make
 * what they are put into: the control groups, which a child of ours enters before it becomes
 * CRIU; and the root, which that child mounts in a mount namespace of its own, so that it is in
 * nobody's table. The first process becomes our own child, as after create.
 *
 * All processes stay stopped until it is known that they have no rights which the bundle does not
 * give, and the hooks have run.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/text.h"
#include "base/weak.h"
#include "container/criu.h"
#include "container/mount_ops.h"
#include "container/operations.h"
#include "container/restored.h"
#include "runtime/hooks.h"
#include "runtime/state.h"

#define FD_FIRST  50 /* of what CRIU inherits: above its own */
#define FDS_MAX	  5  /* three streams, two namespaces */
#define ROOT_NAME "root"
#define PID_NAME  "restored.pid"

struct restoring {
	struct og_workload *workload;
	const struct og_criu_options *options;
	struct og_criu_world world;
	struct og_criu_words words;
	struct og_checkpoint checkpoint;
	struct og_cgroup *cgroup;
	struct og_cgroup_entry entry;
	bool new_cgroup_namespace;
	char *dir;   /* ROOT/ID */
	int root_fd; /* of the root file system: a detached clone */
	int fds[FDS_MAX];
	size_t fd_count;
};

static void restoring_done(struct restoring *restoring)
{
	og_criu_words_done(&restoring->words);
	og_checkpoint_done(&restoring->checkpoint);
	og_cgroup_entry_done(&restoring->entry);
	og_cgroup_free(restoring->cgroup);
	og_close(restoring->root_fd);
	for (size_t i = 0; i < restoring->fd_count; i++)
		og_close(restoring->fds[i]);
	free(restoring->dir);
}

/* ---- what is inherited ---- */

/* CRIU gets @fd, ours from now on, under @name. */
static void inherit(struct restoring *restoring, int fd, const char *name)
{
	og_criu_add(&restoring->words, "--inherit-fd=fd[%d]:%s",
		    FD_FIRST + (int)restoring->fd_count, name);
	restoring->fds[restoring->fd_count++] = fd;
}

/* Ours take the place of those that the workload had; one that it had twice is named once. */
static int inherit_streams(struct restoring *restoring, struct og_err *err)
{
	for (int i = 0; i < 3; i++) {
		const char *name = restoring->checkpoint.streams[i];
		bool named = name[0] == '\0';
		int fd;

		for (int j = 0; j < i; j++)
			named = named || og_streq(name, restoring->checkpoint.streams[j]);
		if (named)
			continue;
		fd = fcntl(i, F_DUPFD_CLOEXEC, FD_FIRST + FDS_MAX);
		if (fd < 0)
			return og_fail(err, -errno, "hand on descriptor %d", i);
		inherit(restoring, fd, name);
	}
	return 0;
}

static int inherit_namespace(struct restoring *restoring, enum og_oci_namespace_type type,
			     const char *name, struct og_err *err)
{
	const struct og_oci_namespace *namespace = og_oci_namespace(restoring->world.config, type);
	int fd;

	if (namespace == NULL || namespace->path == NULL)
		return 0;
	fd = open(namespace->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return og_fail(err, -errno, "open namespace '%s'", namespace->path);
	inherit(restoring, fd, name);
	return 0;
}

static int name_mounts(struct restoring *restoring, struct og_err *err)
{
	for (size_t i = 0; i < restoring->checkpoint.mount_count; i++) {
		const char *destination = restoring->checkpoint.mounts[i];
		og_auto_free char *source = NULL;
		int r = og_criu_source(&restoring->world, destination, &source, err);

		if (r < 0)
			return r;
		if (source == NULL)
			return og_fail(err, -EINVAL,
				       "the checkpoint has a mount at '%s', and config.json none",
				       destination);
		og_criu_add(&restoring->words, "--external=mnt[%s]:%s", destination, source);
	}
	return 0;
}

/* ---- before ---- */

static int read_record(struct restoring *restoring, struct og_err *err)
{
	const char *path = restoring->options->image_path;
	og_auto_fd dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	og_auto_fd fd = -EBADF;
	og_auto_free char *text = NULL;
	size_t len;
	int r;

	if (dir_fd < 0)
		return og_fail(err, -errno, "open checkpoint '%s'", path);
	fd = og_weak("A28") ? openat(dir_fd, OG_CHECKPOINT_FILE, O_RDONLY | O_CLOEXEC)
			    : og_open_beneath(dir_fd, OG_CHECKPOINT_FILE, O_RDONLY | O_NONBLOCK, 0);
	r = fd < 0 ? og_fail(err, fd, "open " OG_CHECKPOINT_FILE " (is it a checkpoint of ours?)")
		   : og_read_all(fd, OG_CHECKPOINT_MAX_BYTES, &text, &len, err);
	if (r == 0)
		r = og_checkpoint_parse(text, len, &restoring->checkpoint, err);
	return r < 0 ? og_fail_in(err, r, "checkpoint '%s'", path) : 0;
}

static int make_cgroup(struct restoring *restoring, struct og_err *err)
{
	struct og_workload *workload = restoring->workload;
	const struct og_oci_linux *lin = &workload->config->linux_;
	int r = og_cgroup_find(lin->cgroups_path, workload->id, &restoring->cgroup, err);

	if (r < 0)
		return r;
	restoring->world.cgroup = restoring->cgroup;
	og_json_set(workload->extra, "cgroups", og_cgroup_save(restoring->cgroup));
	r = og_workload_save(workload, err);
	if (r < 0)
		return r;
	r = og_cgroup_make(restoring->cgroup, &lin->resources, err);
	if (r < 0) /* what could not be made is not ours to remove */
		og_json_set(workload->extra, "cgroups", og_cgroup_save(restoring->cgroup));
	if (r == 0)
		r = og_cgroup_limit(restoring->cgroup, &lin->resources, &workload->notes, err);
	return r < 0 ? r : og_cgroup_entry_open(restoring->cgroup, &restoring->entry, err);
}

static int open_root(struct restoring *restoring, struct og_err *err)
{
	const struct og_workload *workload = restoring->workload;
	const char *path = workload->config->root.path;
	og_auto_free char *absolute = NULL;

	if (!workload->config->root.set)
		return og_fail(err, -EINVAL, "root is missing");
	absolute = path[0] == '/' ? strdup(path) : og_strdupf("%s/%s", workload->bundle, path);
	if (absolute == NULL)
		return og_fail(err, -ENOMEM, "root.path");
	restoring->root_fd =
		open_tree(AT_FDCWD, absolute, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (restoring->root_fd < 0)
		return og_fail(err, -errno, "root.path '%s'", absolute);
	if (mkdirat(workload->dir_fd, ROOT_NAME, 0700) < 0)
		return og_fail(err, -errno, "make a folder for the root");
	return 0;
}

static int find_dir(struct restoring *restoring, struct og_err *err)
{
	char path[4096];
	ssize_t len = readlink(og_fd_path(restoring->workload->dir_fd).text, path, sizeof(path));

	if (len <= 0 || (size_t)len == sizeof(path))
		return og_fail(err, -ENAMETOOLONG, "the state's folder");
	restoring->dir = strndup(path, (size_t)len);
	return restoring->dir == NULL ? og_fail(err, -ENOMEM, "the state's folder") : 0;
}

/* CRIU restores its processes' filters; this one is for exec. */
static int keep_filter(const struct og_workload *workload, struct og_err *err)
{
	og_cleanup(og_seccomp_freep) struct og_seccomp *seccomp = NULL;
	int r;

	if (!workload->config->linux_.seccomp.set)
		return 0;
	r = og_seccomp_new(&workload->config->linux_.seccomp, &seccomp, err);
	return r < 0 ? r : og_seccomp_save(seccomp, workload->dir_fd, err);
}

static bool has_hooks(const struct og_oci_hooks *hooks)
{
	return hooks->prestart.count > 0 || hooks->create_runtime.count > 0;
}

static int prepare(struct restoring *restoring, struct og_err *err)
{
	struct og_criu_words *words = &restoring->words;
	const struct og_criu_options *options = restoring->options;
	const char *work_path = options->work_path != NULL ? options->work_path : restoring->dir;
	int r;

	og_criu_begin(words, "restore", options, work_path);
	og_criu_add(words, "--restore-detached");
	og_criu_add(words, "--restore-sibling");
	og_criu_add(words, "--pidfile=%s/" PID_NAME, restoring->dir);
	og_criu_add(words, "--root=%s/" ROOT_NAME, restoring->dir);
	if (options->tcp_close)
		og_criu_add(words, "--tcp-close");
	if (options->lsm_profile != NULL)
		og_criu_add(words, "--lsm-profile=%s", options->lsm_profile);
	if (options->lsm_mount_context != NULL)
		og_criu_add(words, "--lsm-mount-context=%s", options->lsm_mount_context);
	og_criu_add(words, "--leave-stopped"); /* until we have seen what they may do */
	restoring->new_cgroup_namespace =
		options->manage_cgroups == NULL &&
		og_oci_namespace(restoring->workload->config, OG_OCI_NS_CGROUP) != NULL;
	r = open_root(restoring, err);
	if (r == 0)
		r = keep_filter(restoring->workload, err);
	if (r == 0)
		r = make_cgroup(restoring, err);
	if (r == 0)
		r = name_mounts(restoring, err);
	if (r == 0)
		r = inherit_streams(restoring, err);
	if (r == 0)
		r = inherit_namespace(restoring, OG_OCI_NS_NETWORK, "onggi-net", err);
	if (r == 0)
		r = inherit_namespace(restoring, OG_OCI_NS_PID, "onggi-pid", err);
	if (r == 0 && words->failed)
		r = og_fail(err, -ENOMEM, "run criu");
	return r;
}

/* ---- CRIU ---- */

/* In the child: returns only a failure, as an exit status. */
static int become_criu(struct restoring *restoring)
{
	og_auto_fd target_fd = -EBADF;

	og_reset_signals();
	if (unshare(CLONE_NEWNS) < 0 || mount("", "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return 1;
	/* Opened here: a descriptor of before leads into the namespace of before. */
	target_fd = open(restoring->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	target_fd = openat(target_fd, ROOT_NAME, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (target_fd < 0 || og_mount_set(restoring->root_fd, 0, 0, MS_PRIVATE, true) < 0 ||
	    og_mount_attach(restoring->root_fd, target_fd, NULL) < 0 ||
	    og_cgroup_enter(&restoring->entry, false, NULL) < 0)
		return 1;
	/* CRIU makes this namespace only where it makes the groups, too. */
	if (restoring->new_cgroup_namespace && unshare(CLONE_NEWCGROUP) < 0)
		return 1;
	for (size_t i = 0; i < restoring->fd_count; i++) {
		if (dup2(restoring->fds[i], FD_FIRST + (int)i) < 0)
			return 1;
	}
	(void)execvp(restoring->words.items[0], restoring->words.items);
	return errno == ENOENT ? 127 : 1;
}

static int read_pid(struct restoring *restoring, struct og_err *err)
{
	struct og_workload *workload = restoring->workload;
	og_auto_free char *text = NULL;
	uint64_t pid;
	int r = og_read_file(workload->dir_fd, PID_NAME, 32, &text, NULL, err);

	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	if (og_parse_u64(text, 1, 1 << 22, &pid) < 0)
		return og_fail(err, -EPROTO, "criu's pid file says '%s'", text);
	workload->pid = (pid_t)pid;
	workload->pid_start = og_pid_start(workload->pid);
	(void)unlinkat(workload->dir_fd, PID_NAME, 0);
	return og_workload_save(workload, err);
}

static int run_hooks(struct restoring *restoring, struct og_err *err)
{
	const struct og_oci_hooks *hooks = &restoring->workload->config->hooks;
	og_cleanup(og_json_freep) struct og_json *state = NULL;
	og_auto_free char *text = NULL;
	int r;

	if (!has_hooks(hooks))
		return 0;
	state = og_workload_state_json(restoring->workload, OG_STATUS_CREATING);
	text = og_json_write(state);
	if (text == NULL)
		return og_fail(err, -ENOMEM, "run hooks");
	r = og_hooks_run("prestart", &hooks->prestart, text, err);
	return r < 0 ? r : og_hooks_run("createRuntime", &hooks->create_runtime, text, err);
}

static int let_go(struct restoring *restoring, struct og_err *err)
{
	int r = og_cgroup_signal(restoring->cgroup, SIGCONT, err);

	return r < 0 ? r : 0;
}

static int run_criu(struct restoring *restoring, struct og_err *err)
{
	const struct og_criu_options *options = restoring->options;
	pid_t pid = og_clone(0, -1);
	int status;

	if (pid == 0)
		_exit(become_criu(restoring));
	if (pid < 0)
		return og_fail(err, pid, "make a process");
	status = og_wait_status(pid);
	return status == 0 ? 0
			   : og_criu_failed("restore", options,
					    options->work_path != NULL ? options->work_path
								       : restoring->dir,
					    status, err);
}

int og_container_restore(struct og_workload *workload, const struct og_criu_options *options,
			 struct og_err *err)
{
	og_cleanup(restoring_done) struct restoring restoring = {
		.workload = workload,
		.options = options,
		.world = { .config = workload->config, .bundle = workload->bundle },
		.entry = { .v2_fd = -EBADF },
		.root_fd = -EBADF,
	};
	int r = og_criu_check(workload->config, err);

	if (r == 0)
		r = read_record(&restoring, err);
	if (r == 0)
		r = find_dir(&restoring, err);
	if (r == 0)
		r = prepare(&restoring, err);
	if (r == 0)
		r = run_criu(&restoring, err);
	if (r == 0)
		r = read_pid(&restoring, err);
	if (r == 0)
		r = og_restored_check(workload->config, restoring.cgroup, &workload->notes, err);
	if (r == 0)
		r = run_hooks(&restoring, err);
	if (r == 0)
		r = let_go(&restoring, err);
	(void)unlinkat(workload->dir_fd, ROOT_NAME, AT_REMOVEDIR);
	if (r < 0 && restoring.cgroup != NULL)
		(void)og_cgroup_destroy(restoring.cgroup, NULL);
	return r;
}
