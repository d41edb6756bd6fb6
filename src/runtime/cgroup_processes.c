/* SPDX-License-Identifier: Apache-2.0 */
/* The processes in a workload's groups: signalled, frozen, killed, and the folders with them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/grow.h"
#include "base/io.h"
#include "base/text.h"
#include "runtime/cgroup.h"
#include "runtime/cgroup_scope.h"

#define PROCS_MAX      (4U << 20) /* cgroup.procs: half a million processes */
#define STATE_MAX      64	  /* "FREEZING" */
#define EVENTS_MAX     256	  /* cgroup.events: two short lines */
#define FREEZE_MAX_MS  5000	  /* a process in the kernel may finish there first */
#define DESTROY_MAX_MS 10000	  /* a killed process may still be writing out a core */

static int open_errno(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Walks a folder and those below it, deepest first. */
typedef int visit_fn(int dir_fd, void *data);

static int walk(int parent_fd, const char *name, visit_fn *visit, void *data, bool remove)
{
	int dir_fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *dir = dir_fd >= 0 ? fdopendir(dir_fd) : NULL;
	int r = 0;

	if (dir == NULL) {
		r = errno == ENOENT ? 0 : -errno;
		og_close(dir_fd);
		return r;
	}
	for (struct dirent *entry; r >= 0 && (entry = readdir(dir)) != NULL;) {
		if (entry->d_type == DT_DIR && !og_streq(entry->d_name, ".") &&
		    !og_streq(entry->d_name, ".."))
			r = walk(dir_fd, entry->d_name, visit, data, remove);
	}
	if (r >= 0 && visit != NULL)
		r = visit(dir_fd, data);
	(void)closedir(dir);
	if (r >= 0 && remove && unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = -errno;
	return r;
}

struct listing {
	pid_t *pids; /* owned */
	size_t count;
};

static void listing_done(struct listing *listing)
{
	free(listing->pids);
}

static int list_pid(struct listing *listing, pid_t pid)
{
	if (og_grow(listing->pids, listing->count) < 0)
		return -ENOMEM;
	listing->pids[listing->count++] = pid;
	return 0;
}

static int list_folder(int dir_fd, void *data)
{
	og_auto_free char *procs = NULL;
	char *rest;
	int r = og_read_file(dir_fd, "cgroup.procs", PROCS_MAX, &procs, NULL, NULL);

	if (r == -ENODEV || r == -ENOENT || r == -EOPNOTSUPP) /* going, gone, or threads alone */
		return 0;
	rest = procs;
	for (char *line; r == 0 && (line = strsep(&rest, "\n")) != NULL;) {
		int64_t pid;

		if (og_parse_i64(line, 1, INT32_MAX, &pid) == 0)
			r = list_pid(data, (pid_t)pid);
	}
	return r;
}

/* Every process is in every tree: one of them is enough to find them all. */
static const struct og_cgroup_tree *counting_tree(const struct og_cgroup *cgroup)
{
	const struct og_cgroup_tree *tree = og_cgroup_tree(cgroup, "");

	if (tree == NULL)
		tree = og_cgroup_tree(cgroup, "pids");
	if (tree == NULL && cgroup->count > 0)
		tree = &cgroup->trees[0];
	return tree;
}

static int list_all(const struct og_cgroup *cgroup, struct listing *listing, struct og_err *err)
{
	const struct og_cgroup_tree *tree = counting_tree(cgroup);
	int r = tree == NULL ? 0 : walk(AT_FDCWD, tree->dir, list_folder, listing, false);

	return r < 0 ? og_fail(err, r, "list the processes in '%s'", tree->dir) : 0;
}

int og_cgroup_refuse_used(const struct og_cgroup_tree *tree, struct og_err *err)
{
	struct og_cgroup alone = { .trees = { *tree }, .count = 1 };
	og_cleanup(listing_done) struct listing listing = {};
	int r;

	if (access(tree->dir, F_OK) < 0)
		return 0;
	r = walk(AT_FDCWD, tree->dir, list_folder, &listing, false);
	if (r < 0)
		return og_fail(err, r, "look into control group '%s'", tree->dir);
	if (listing.count > 0)
		return og_fail_plain(err, -EBUSY, "control group '%s' holds processes of others",
				     tree->dir);
	if ((tree->v2 || og_streq(tree->controllers, "freezer")) && og_cgroup_frozen(&alone))
		return og_fail_plain(err, -EBUSY, "control group '%s' is frozen: thaw it first",
				     tree->dir);
	return 0;
}

static int signal_listed(const struct listing *listing, int signal)
{
	int count = 0;

	for (size_t i = 0; i < listing->count; i++)
		count += kill(listing->pids[i], signal) == 0;
	return count;
}

int og_cgroup_pids(const struct og_cgroup *cgroup, pid_t **ret_pids, size_t *ret_count,
		   struct og_err *err)
{
	og_cleanup(listing_done) struct listing listing = {};
	int r = list_all(cgroup, &listing, err);

	if (r < 0)
		return r;
	*ret_count = listing.count;
	*ret_pids = og_take_ptr(listing.pids);
	return 0;
}

int og_cgroup_signal(const struct og_cgroup *cgroup, int signal, struct og_err *err)
{
	og_cleanup(listing_done) struct listing listing = {};
	int r = list_all(cgroup, &listing, err);

	return r < 0 ? r : signal_listed(&listing, signal);
}

static void kill_all(const struct og_cgroup *cgroup)
{
	for (size_t i = 0; i < cgroup->count; i++) {
		og_cleanup(listing_done) struct listing listing = {};
		const struct og_cgroup_tree *tree = &cgroup->trees[i];
		og_auto_fd dir_fd = open(tree->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (dir_fd < 0)
			continue;
		if (!tree->v2 || og_write_file(dir_fd, "cgroup.kill", "1", NULL) < 0)
			(void)walk(AT_FDCWD, tree->dir, list_folder, &listing, false);
		(void)signal_listed(&listing, SIGKILL);
	}
	og_cgroup_let_die(cgroup);
}

static int remove_all(const struct og_cgroup *cgroup, struct og_err *err)
{
	for (size_t i = 0; i < cgroup->count; i++) {
		const char *dir = cgroup->trees[i].dir;
		int r;

		if (rmdir(dir) == 0 || errno == ENOENT)
			continue;
		r = walk(AT_FDCWD, dir, NULL, NULL, true);
		if (r < 0)
			return og_fail(err, r, "remove control group '%s'", dir);
	}
	return 0;
}

static int destroy_folders(const struct og_cgroup *cgroup, struct og_err *err)
{
	uint64_t end = og_clock_ms() + DESTROY_MAX_MS;
	struct timespec pause = { .tv_nsec = 500000 };
	int r;

	/* The kernel does not tell when a version 1 folder may go: look again, ever more seldom. */
	for (;;) {
		r = remove_all(cgroup, err);
		if (r != -EBUSY || og_clock_ms() > end)
			return r;
		kill_all(cgroup);
		(void)nanosleep(&pause, NULL);
		if (pause.tv_nsec < 50000000)
			pause.tv_nsec *= 2;
	}
}

int og_cgroup_destroy(const struct og_cgroup *cgroup, struct og_err *err)
{
	int r = destroy_folders(cgroup, err);

	return r < 0 || cgroup->scope == NULL ? r : og_scope_stop(cgroup->scope, err);
}

/* The file that freezes: version 1's controller where there is one, else version 2's. */
static int open_freezer(const struct og_cgroup *cgroup, bool *ret_v2)
{
	const struct og_cgroup_tree *tree = og_cgroup_tree(cgroup, "freezer");
	char path[PATH_MAX];

	*ret_v2 = tree == NULL;
	if (tree == NULL)
		tree = og_cgroup_tree(cgroup, "");
	if (tree == NULL)
		return -ENOTSUP;
	if (snprintf(path, sizeof(path), "%s/%s", tree->dir,
		     *ret_v2 ? "cgroup.freeze" : "freezer.state") >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return open_errno(path, O_RDWR);
}

bool og_cgroup_frozen(const struct og_cgroup *cgroup)
{
	char text[STATE_MAX] = "";
	bool v2;
	og_auto_fd fd = open_freezer(cgroup, &v2);

	return fd >= 0 && pread(fd, text, sizeof(text) - 1, 0) > 0 &&
	       og_starts_with(text, v2 ? "1" : "FR");
}

/* A copy of a program while it is being made, or a page on its way, may delay it. */
static int freeze_v1(int fd, bool frozen)
{
	const char *wanted = frozen ? "FROZEN" : "THAWED";
	uint64_t end = og_clock_ms() + FREEZE_MAX_MS;
	struct timespec pause = { .tv_nsec = 50000 };

	for (;;) {
		char text[STATE_MAX] = "";

		if (pwrite(fd, wanted, strlen(wanted), 0) < 0 ||
		    pread(fd, text, sizeof(text) - 1, 0) < 0)
			return -errno;
		if (og_starts_with(text, wanted))
			return 0;
		if (og_clock_ms() > end)
			break;
		(void)nanosleep(&pause, NULL);
		if (pause.tv_nsec < 5000000)
			pause.tv_nsec *= 2;
	}
	(void)og_pwrite_all(fd, "THAWED", 6, 0);
	return -ETIMEDOUT;
}

/* Waits for "frozen 1" in cgroup.events, whose changes poll() tells. */
static int await_v2(const struct og_cgroup_tree *tree, bool frozen)
{
	og_auto_free char *path = og_strdupf("%s/cgroup.events", tree->dir);
	og_auto_fd fd = path == NULL ? -ENOMEM : open_errno(path, O_RDONLY);
	uint64_t end = og_clock_ms() + FREEZE_MAX_MS;
	struct pollfd poll_fd = { .fd = fd, .events = POLLPRI };

	if (fd < 0)
		return fd;
	for (;;) {
		char text[EVENTS_MAX] = "";
		uint64_t now;

		if (pread(fd, text, sizeof(text) - 1, 0) < 0)
			return -errno;
		if (strstr(text, frozen ? "frozen 1" : "frozen 0") != NULL)
			return 0;
		now = og_clock_ms();
		if (now >= end)
			return -ETIMEDOUT;
		(void)poll(&poll_fd, 1, (int)(end - now));
	}
}

static int freeze_v2(const struct og_cgroup *cgroup, int fd, bool frozen)
{
	int r;

	if (pwrite(fd, frozen ? "1" : "0", 1, 0) < 0)
		return -errno;
	r = await_v2(og_cgroup_tree(cgroup, ""), frozen);
	if (r < 0 && frozen)
		(void)og_pwrite_all(fd, "0", 1, 0);
	return r;
}

void og_cgroup_let_die(const struct og_cgroup *cgroup)
{
	const struct og_cgroup_tree *tree = og_cgroup_tree(cgroup, "freezer");
	og_auto_free char *path = tree == NULL ? NULL : og_strdupf("%s/freezer.state", tree->dir);

	if (path != NULL)
		(void)og_write_file(AT_FDCWD, path, "THAWED", NULL);
}

int og_cgroup_freeze(const struct og_cgroup *cgroup, bool frozen, struct og_err *err)
{
	const char *what = frozen ? "freeze" : "thaw";
	bool v2;
	og_auto_fd fd = open_freezer(cgroup, &v2);
	int r = fd < 0 ? fd : v2 ? freeze_v2(cgroup, fd, frozen) : freeze_v1(fd, frozen);

	if (r == -ENOTSUP)
		return og_fail(err, r, "%s: this host has no freezer control group", what);
	if (r == -ETIMEDOUT)
		return og_fail(err, r, "%s: a process would not stop within %d s; all go on", what,
			       FREEZE_MAX_MS / 1000);
	return r < 0 ? og_fail(err, r, "%s the processes", what) : 0;
}
