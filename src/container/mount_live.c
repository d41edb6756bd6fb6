/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts added to and removed from a workload that runs. What comes from the host is opened before
 * a child enters the workload's namespaces; there it resolves every path under the descriptor of
 * the workload's root, whose processes may swap folders for links at any moment. The child stays
 * in the host's PID namespace, where nothing of the workload can see it, unless there is a procfs
 * to mount, which shows the one that its maker is in; then it is as safe as exec.c says.
 *
 * To remove a mount by its name alone would let a link choose which: one to a masked path would
 * unmask it. So the kernel's number of each mount that was added is kept with the state, and only that
 * very mount is removed; one of config.json is removed where no link is on the way to it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/io.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/text.h"
#include "container/hide.h"
#include "container/mount_ops.h"
#include "container/mount_plan.h"
#include "container/operations.h"
#include "runtime/state.h"

#define KEY "mounts" /* of the workload's extra: [{"destination", "number"}] */

/* Of the kernel's, where the headers have them not. */
#define OG_STATX_MNT_ID	       0x1000U
#define OG_STATX_MNT_ID_UNIQUE 0x4000U

struct live {
	struct og_workload *workload;
	const struct og_oci_config *mounts;
	struct og_mount_plan *plan; /* NULL: they are removed */
	int pid_fd, root_fd;	    /* of the first process, and its root */
	int self_fd;		    /* the child's own descriptors, in the host's procfs */
	int flags;		    /* namespaces to join, but the one of PIDs: */
	bool pid_namespace;
	struct og_sync_pair sync;
	uint64_t *numbers; /* of each mount; to be removed: 0 is one of config.json */
};

static void live_done(struct live *live)
{
	og_close(live->pid_fd);
	og_close(live->root_fd);
	og_close(live->self_fd);
	og_close(live->sync.parent_fd);
	og_close(live->sync.child_fd);
	og_mount_plan_free(live->plan);
	free(live->numbers);
}

/* ---- in the workload's namespaces ---- */

/* The number of the mount that @fd is on: never used again where the kernel knows how (6.8). */
static int mount_number(int fd, uint64_t *ret_number)
{
	struct {
		uint32_t mask, rest[35];
		uint64_t number;
		uint64_t more[13];
	} buf = {};

	_Static_assert(sizeof(buf) == 256, "struct statx");
	if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, OG_STATX_MNT_ID | OG_STATX_MNT_ID_UNIQUE,
		    &buf) < 0)
		return -errno;
	if ((buf.mask & (OG_STATX_MNT_ID | OG_STATX_MNT_ID_UNIQUE)) == 0)
		return -EOPNOTSUPP;
	*ret_number = buf.number;
	return 0;
}

/* umount2(2) takes only a path, and none inside can be trusted but that of a descriptor. */
static int unmount(const struct live *live, int target_fd, struct og_err *err)
{
	char name[16];

	(void)snprintf(name, sizeof(name), "%d", target_fd);
	if (fchdir(live->self_fd) < 0 || umount2(name, MNT_DETACH) < 0)
		return og_fail(err, -errno,
			       errno == EINVAL ? "nothing is mounted there" : "unmount it");
	return 0;
}

static int remove_one(const struct live *live, size_t index, struct og_err *err)
{
	const char *destination = live->mounts->mounts.items[index].destination;
	uint64_t expected = live->numbers[index];
	og_auto_fd fd = expected != 0 ? og_open_in_root(live->root_fd, destination, O_PATH, 0)
				      : og_open_plain(live->root_fd, destination, O_PATH);
	uint64_t number = 0;
	struct statfs fs;
	int r;

	if (fd < 0)
		return og_fail(err, fd, "open it");
	r = mount_number(fd, &number);
	if (r < 0 || (expected != 0 && number != expected))
		return og_fail(err, r < 0 ? r : -ESTALE,
			       "what is there now is not the mount that was added");
	if (fstatfs(fd, &fs) < 0 || fs.f_type == PROC_SUPER_MAGIC)
		return og_fail(err, -EPERM, "procfs is not to be removed: masks rely on it");
	return unmount(live, fd, err);
}

static int remove_all(const struct live *live, struct og_err *err)
{
	for (size_t i = live->mounts->mounts.count; i > 0; i--) {
		int r = remove_one(live, i - 1, err);

		if (r < 0)
			return og_fail_in(err, r, "mounts[%zu] '%s'", i - 1,
					  live->mounts->mounts.items[i - 1].destination);
	}
	return 0;
}

/* All or none. */
static int add_all(const struct live *live, struct og_err *err)
{
	size_t done = 0;
	int r = 0;

	while (r == 0 && done < live->plan->count) {
		struct og_mount_step *step = &live->plan->steps[done];

		r = og_mount_step_do(live->plan, step, live->root_fd, err);
		if (r == 0 && step->tree_fd >= 0)
			r = mount_number(step->tree_fd, &live->numbers[done]);
		if (r < 0)
			r = og_fail_in(err, r, "mounts[%zu] '%s'", done, step->mount->destination);
		else
			done++;
	}
	while (r < 0 && done > 0) {
		if (live->plan->steps[--done].tree_fd >= 0)
			(void)unmount(live, live->plan->steps[done].tree_fd, NULL);
	}
	return r;
}

static int work(struct live *live, struct og_err *err)
{
	int r;

	live->self_fd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (live->self_fd < 0)
		return og_fail(err, -errno, "open /proc/self/fd");
	if (setns(live->pid_fd, live->flags) < 0)
		return og_fail(err, -errno, "join the workload's namespaces");
	if ((live->flags & CLONE_NEWUSER) != 0) {
		r = og_namespaces_become_root(err);
		if (r < 0)
			return r;
	}
	(void)umask(0);
	return live->plan != NULL ? add_all(live, err) : remove_all(live, err);
}

static int child(struct live *live)
{
	size_t bytes = live->mounts->mounts.count * sizeof(live->numbers[0]);
	struct og_err err = {};
	int fd = live->sync.child_fd;

	og_close(live->sync.parent_fd);
	og_close(live->workload->dir_fd);
	if (work(live, &err) == 0 && og_sync_send(fd, OG_SYNC_READY, &err) == 0)
		return og_write_all(fd, live->numbers, bytes) < 0 ? 1 : 0;
	og_sync_fail(fd, &err);
	return 1;
}

/* ---- in the runtime ---- */

static struct og_json *find_number(const struct og_json *list, const char *destination,
				   size_t *ret_index)
{
	for (size_t i = og_json_count(list); i > 0; i--) { /* the last one is on top */
		struct og_json *entry = og_json_at(list, i - 1);

		if (og_streq(og_json_string(og_json_get(entry, "destination"), ""), destination)) {
			*ret_index = i - 1;
			return entry;
		}
	}
	return NULL;
}

static bool is_in_config(const struct og_oci_config *config, const char *destination)
{
	for (size_t i = 0; i < config->mounts.count; i++) {
		if (og_streq(config->mounts.items[i].destination, destination))
			return true;
	}
	return false;
}

static int find_numbers(struct live *live, struct og_err *err)
{
	const struct og_json *list = og_json_get(live->workload->extra, KEY);

	for (size_t i = 0; i < live->mounts->mounts.count; i++) {
		const char *destination = live->mounts->mounts.items[i].destination;
		size_t index;
		struct og_json *entry = find_number(list, destination, &index);

		if (entry != NULL)
			live->numbers[i] = og_json_uint(og_json_get(entry, "number"), 0);
		else if (!is_in_config(live->workload->config, destination))
			return og_fail(err, -ENOENT,
				       "mounts[%zu] '%s': neither config.json nor `mounts add` has "
				       "mounted anything there",
				       i, destination);
	}
	return 0;
}

/* A new list: without what was removed, or with what was added. */
static int save(struct live *live, struct og_err *err)
{
	const struct og_json *old = og_json_get(live->workload->extra, KEY);
	struct og_json *list = og_json_new_array();
	size_t count = og_json_count(old);

	for (size_t i = 0; i < count; i++) {
		struct og_json *entry = og_json_at(old, i);
		uint64_t number = og_json_uint(og_json_get(entry, "number"), 0);
		bool removed = false;

		for (size_t k = 0; live->plan == NULL && k < live->mounts->mounts.count; k++)
			removed = removed || live->numbers[k] == number;
		if (!removed)
			og_json_push(list, og_json_copy(entry));
	}
	for (size_t k = 0; live->plan != NULL && k < live->mounts->mounts.count; k++) {
		struct og_json *entry;

		if (live->numbers[k] == 0)
			continue;
		entry = og_json_new_object();
		og_json_set_string(entry, "destination", live->mounts->mounts.items[k].destination);
		og_json_set(entry, "number", og_json_new_uint(live->numbers[k]));
		og_json_push(list, entry);
	}
	og_json_set(live->workload->extra, KEY, list);
	return og_workload_save(live->workload, err);
}

static int open_first(struct live *live, struct og_err *err)
{
	struct og_workload *workload = live->workload;
	char path[48];

	live->pid_fd = (int)syscall(SYS_pidfd_open, workload->pid, 0);
	if (live->pid_fd < 0)
		return og_fail(err, -errno, "open the workload's first process");
	(void)snprintf(path, sizeof(path), "/proc/%d/root", (int)workload->pid);
	live->root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (live->root_fd < 0)
		return og_fail(err, -errno, "open the workload's root");
	live->flags = og_namespaces_that_differ(workload->pid, err);
	if (live->flags < 0)
		return live->flags;
	if (og_pid_start(workload->pid) != workload->pid_start)
		return og_fail(err, -ESRCH, "the workload's first process is gone");
	live->pid_namespace = (live->flags & CLONE_NEWPID) != 0;
	live->flags &= ~(CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWTIME);
	return (live->flags & CLONE_NEWNS) != 0
		       ? 0
		       : og_fail(err, -EINVAL, "it shares the host's mount namespace");
}

/* The workload's own configuration, with these mounts in place of its. */
static int plan(struct live *live, struct og_err *err)
{
	struct og_oci_config config = *live->workload->config;
	struct og_mount_request request = {
		.config = &config,
		.bundle = live->workload->bundle,
		.user_namespace = (live->flags & CLONE_NEWUSER) != 0,
		.notes = &live->workload->notes,
		.user_fd = -EBADF,
		.live = true,
	};
	char path[48];
	og_auto_fd user_fd = -EBADF;

	config.mounts = live->mounts->mounts;
	if (request.user_namespace) {
		(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)live->workload->pid);
		user_fd = open(path, O_RDONLY | O_CLOEXEC);
		request.user_fd = user_fd;
	}
	return og_mount_plan_new(&request, &live->plan, err);
}

static bool has_procfs(const struct live *live)
{
	bool found = false;

	for (size_t i = 0; live->plan != NULL && i < live->plan->count; i++) {
		const char *type = live->plan->steps[i].mount->type;

		found = found || (type != NULL && og_streq(type, "proc"));
	}
	return found;
}

static int launch(struct live *live, struct og_err *err)
{
	size_t bytes = live->mounts->mounts.count * sizeof(live->numbers[0]);
	int fd = live->sync.parent_fd;
	pid_t pid;
	int r;

	if (live->pid_namespace && has_procfs(live) && setns(live->pid_fd, CLONE_NEWPID) < 0)
		return og_fail(err, -errno, "join the workload's pid namespace");
	pid = og_clone(0, -1);
	if (pid == 0)
		_exit(child(live));
	if (pid < 0)
		return og_fail(err, pid, "make a process");
	live->sync.child_fd = og_close(live->sync.child_fd);
	r = og_sync_expect(fd, OG_SYNC_READY, err);
	if (r == 0 && og_read_upto(fd, live->numbers, bytes) != (ssize_t)bytes)
		r = og_fail(err, -EPIPE, "the process that mounts is gone");
	(void)og_wait_status(pid);
	return r;
}

int og_container_mounts(struct og_workload *workload, const struct og_oci_config *mounts, bool add,
			struct og_err *err)
{
	og_cleanup(live_done) struct live live = {
		.workload = workload,
		.mounts = mounts,
		.pid_fd = -EBADF,
		.root_fd = -EBADF,
		.self_fd = -EBADF,
		.sync = { -EBADF, -EBADF },
		.numbers = calloc(mounts->mounts.count + 1, sizeof(uint64_t)),
	};
	og_auto_fd hide_fd = -EBADF;
	int r;

	if (live.numbers == NULL)
		return og_fail(err, -ENOMEM, "mounts");
	if (geteuid() != 0)
		return og_fail(err, -ENOTSUP,
			       "an ordinary user cannot hand a mount of the host on");
	r = og_hide_begin(&hide_fd, err);
	if (r == 0)
		r = og_hide_behind(hide_fd, err);
	if (r == 0)
		r = open_first(&live, err);
	if (r == 0)
		r = add ? plan(&live, err) : find_numbers(&live, err);
	if (r == 0)
		r = og_sync_open(&live.sync, err);
	if (r == 0)
		r = launch(&live, err);
	return r < 0 ? r : save(&live, err);
}
