/* SPDX-License-Identifier: Apache-2.0 */
/* The processes in a workload's groups: signalled, frozen, killed, and the folders with them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "runtime/cgroup.h"

#define PROCS_MAX      (4U << 20) /* cgroup.procs: half a million processes */
#define STATE_MAX      64	  /* "FREEZING" */
#define DESTROY_MAX_MS 10000	  /* a killed process may still be writing out a core */

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

struct signalling {
	int signal;
	int count;
};

static int signal_folder(int dir_fd, void *data)
{
	struct signalling *signalling = data;
	og_auto_free char *procs = NULL;
	char *rest;
	int r = og_read_file(dir_fd, "cgroup.procs", PROCS_MAX, &procs, NULL, NULL);

	if (r < 0)
		return r == -ENODEV || r == -ENOENT ? 0 : r;
	rest = procs;
	for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
		int64_t pid;

		if (og_parse_i64(line, 1, INT32_MAX, &pid) == 0 &&
		    kill((pid_t)pid, signalling->signal) == 0)
			signalling->count++;
	}
	return 0;
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

int og_cgroup_signal(const struct og_cgroup *cgroup, int signal, struct og_err *err)
{
	const struct og_cgroup_tree *tree = counting_tree(cgroup);
	struct signalling signalling = { .signal = signal };
	int r = tree == NULL ? 0 : walk(AT_FDCWD, tree->dir, signal_folder, &signalling, false);

	return r < 0 ? og_fail(err, r, "signal the processes in '%s'", tree->dir)
		     : signalling.count;
}

static void kill_all(const struct og_cgroup *cgroup)
{
	const struct og_cgroup_tree *freezer = og_cgroup_tree(cgroup, "freezer");

	for (size_t i = 0; i < cgroup->count; i++) {
		struct signalling signalling = { .signal = SIGKILL };
		const struct og_cgroup_tree *tree = &cgroup->trees[i];
		og_auto_fd dir_fd = open(tree->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (dir_fd < 0)
			continue;
		if (!tree->v2 || og_write_file(dir_fd, "cgroup.kill", "1", NULL) < 0)
			(void)walk(AT_FDCWD, tree->dir, signal_folder, &signalling, false);
		if (tree == freezer) /* the frozen do not die */
			(void)og_write_file(dir_fd, "freezer.state", "THAWED", NULL);
	}
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

int og_cgroup_destroy(const struct og_cgroup *cgroup, struct og_err *err)
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

bool og_cgroup_frozen(const struct og_cgroup *cgroup)
{
	const struct og_cgroup_tree *tree = og_cgroup_tree(cgroup, "freezer");
	bool v2 = tree == NULL;
	og_auto_free char *text = NULL;
	og_auto_free char *path = NULL;

	if (v2)
		tree = og_cgroup_tree(cgroup, "");
	if (tree == NULL)
		return false;
	path = og_strdupf("%s/%s", tree->dir, v2 ? "cgroup.freeze" : "freezer.state");
	if (path == NULL || og_read_file(AT_FDCWD, path, STATE_MAX, &text, NULL, NULL) < 0)
		return false;
	return og_starts_with(text, v2 ? "1" : "FR");
}
