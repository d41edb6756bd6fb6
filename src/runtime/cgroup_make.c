/* SPDX-License-Identifier: Apache-2.0 */
/* Making a workload's groups. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/text.h"
#include "runtime/cgroup.h"

#define CONTROL_FILE_MAX (64U << 10) /* lists of processors and of controllers */
#define PROCS_MAX	 (4U << 20)  /* cgroup.procs: half a million processes */

/* A new cpuset has no processors and takes no process until it has some. */
static int inherit_cpuset(int dir_fd, struct og_err *err)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };

	for (size_t i = 0; i < 2; i++) {
		og_auto_free char *above = NULL;
		og_auto_free char *here = NULL;
		og_auto_free char *path = og_strdupf("../%s", files[i]);
		int r = path == NULL ? -ENOMEM : 0;

		if (r == 0)
			r = og_read_file(dir_fd, files[i], CONTROL_FILE_MAX, &here, NULL, err);
		if (r == 0 && here[strspn(here, "\n")] != '\0')
			continue;
		if (r == 0)
			r = og_read_file(dir_fd, path, CONTROL_FILE_MAX, &above, NULL, err);
		if (r == 0)
			r = og_write_file(dir_fd, files[i], above, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Hands every controller there is on to the groups below. Where one cannot be, its limit's file
 * is missing later, and that is the error. */
static void enable_controllers(int dir_fd)
{
	og_auto_free char *names = NULL;
	char *rest;

	if (og_read_file(dir_fd, "cgroup.controllers", CONTROL_FILE_MAX, &names, NULL, NULL) < 0)
		return;
	names[strcspn(names, "\n")] = '\0';
	rest = names;
	for (char *name; (name = strsep(&rest, " ")) != NULL && *name != '\0';) {
		og_auto_free char *word = og_strdupf("+%s", name);

		if (word != NULL)
			(void)og_write_file(dir_fd, "cgroup.subtree_control", word, NULL);
	}
}

struct making {
	const struct og_cgroup_tree *tree;
	bool enable; /* controllers of version 2 */
	struct og_err *err;
};

/* One step down: makes @name in *@dir_fd and goes there. */
static int make_step(const struct making *making, int *dir_fd, const char *name)
{
	bool made;
	int fd;

	if (making->enable)
		enable_controllers(*dir_fd);
	made = mkdirat(*dir_fd, name, 0755) == 0;
	if (!made && errno != EEXIST)
		return -errno;
	fd = openat(*dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	og_close(*dir_fd);
	*dir_fd = fd;
	return made && og_streq(making->tree->controllers, "cpuset")
		       ? inherit_cpuset(fd, making->err)
		       : made;
}

static int refuse_used(int dir_fd, const char *dir, struct og_err *err)
{
	og_auto_free char *procs = NULL;
	int r = og_read_file(dir_fd, "cgroup.procs", PROCS_MAX, &procs, NULL, err);

	if (r < 0)
		return r;
	return procs[0] != '\0'
		       ? og_fail(err, -EBUSY, "control group '%s' holds processes of others", dir)
		       : 0;
}

/* What nearly always is possible: one new folder in one that is there. Returns whether it was. */
static bool make_at_once(const struct making *making)
{
	return !making->enable && !og_streq(making->tree->controllers, "cpuset") &&
	       mkdir(making->tree->dir, 0755) == 0;
}

static int make_tree(const struct making *making)
{
	const struct og_cgroup_tree *tree = making->tree;
	og_auto_fd dir_fd = open(tree->mount_point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	og_auto_free char *path = strdup(tree->dir + strlen(tree->mount_point));
	char *rest = path;
	int r = dir_fd < 0 ? -errno : path == NULL ? -ENOMEM : 0;

	for (char *name; r >= 0 && (name = strsep(&rest, "/")) != NULL;) {
		if (*name != '\0')
			r = make_step(making, &dir_fd, name);
	}
	if (r < 0)
		return og_fail(making->err, r, "make control group '%s'", tree->dir);
	return r > 0 ? 0 : refuse_used(dir_fd, tree->dir, making->err);
}

int og_cgroup_make(const struct og_cgroup *cgroup, const struct og_oci_resources *resources,
		   struct og_err *err)
{
	bool v2_limits = resources->hugepage_limits.count > 0 || resources->unified.count > 0;
	bool all_v2 = cgroup->count == 1 && cgroup->trees[0].v2;

	for (size_t i = 0; i < cgroup->count; i++) {
		const struct og_cgroup_tree *tree = &cgroup->trees[i];
		struct making making = {
			.tree = tree,
			.enable = tree->v2 && (all_v2 || v2_limits),
			.err = err,
		};
		int r = make_at_once(&making) ? 0 : make_tree(&making);

		if (r < 0)
			return r;
	}
	return 0;
}
