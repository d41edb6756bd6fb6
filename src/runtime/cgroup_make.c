/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a workload's groups. Nearly always that is one mkdir() in each tree. Version 1's cpuset
 * is then filled in, and in version 2 it is looked at whether the group got all controllers that
 * the one above has; only where it did not are the groups on the way asked to hand them on.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "runtime/cgroup.h"

#define CONTROL_FILE_MAX 4096 /* lists of processors and of controllers: at most a page */

/* A small file's text in one read. Returns its length or a negative errno. */
static ssize_t read_small(int dir_fd, const char *file, char text[CONTROL_FILE_MAX])
{
	og_auto_fd fd = openat(dir_fd, file, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, CONTROL_FILE_MAX - 1);

	if (len < 0)
		return -errno;
	text[len] = '\0';
	return len;
}

/* A new cpuset has no processors and takes no process until it has some: those of the one above. */
static int inherit_cpuset(const char *dir, struct og_err *err)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
	int r = 0;

	for (size_t i = 0; r == 0 && i < 2; i++) {
		og_auto_free char *above = og_strdupf("%s/../%s", dir, files[i]);
		og_auto_free char *here = og_strdupf("%s/%s", dir, files[i]);
		char text[CONTROL_FILE_MAX];
		ssize_t len = above == NULL || here == NULL ? -ENOMEM
							    : read_small(AT_FDCWD, above, text);

		r = len < 0 ? og_fail(err, (int)len, "read '%s/../%s'", dir, files[i])
			    : og_write_file(AT_FDCWD, here, text, err);
	}
	return r;
}

/* Whether a version 2 group has every controller that the one above could give it. */
static bool has_all(const char *dir)
{
	og_auto_fd dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char here[CONTROL_FILE_MAX];
	char above[CONTROL_FILE_MAX];

	return dir_fd >= 0 && read_small(dir_fd, "cgroup.controllers", here) >= 0 &&
	       read_small(dir_fd, "../cgroup.controllers", above) >= 0 && og_streq(here, above);
}

/*
 * Hands every controller there is on to the groups below: all at once, or else those that can be.
 * Where one cannot, its limit's file is missing later, and that is the error.
 */
static void enable_controllers(int dir_fd)
{
	char names[CONTROL_FILE_MAX];
	og_auto_text all = {};
	char *rest = names;

	if (read_small(dir_fd, "cgroup.controllers", names) < 0)
		return;
	names[strcspn(names, "\n")] = '\0';
	for (const char *at = names; *at != '\0';) {
		size_t len = strcspn(at, " ");

		og_text_addf(&all, " +%.*s", (int)len, at);
		at += len + strspn(at + len, " ");
	}
	if (all.len == 0 || all.failed ||
	    og_write_file(dir_fd, "cgroup.subtree_control", all.buf, NULL) == 0)
		return;
	for (char *name; (name = strsep(&rest, " ")) != NULL;) {
		og_auto_free char *word = og_strdupf("+%s", name);

		if (word != NULL)
			(void)og_write_file(dir_fd, "cgroup.subtree_control", word, NULL);
	}
}

struct making {
	const struct og_cgroup_tree *tree;
	bool enable;	 /* controllers of version 2 */
	bool of_systemd; /* its folders have our helper in them, and are nobody else's */
	struct og_err *err;
};

/* One step down: makes @name in *@dir_fd and goes there. Returns whether it is new. */
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
	return made;
}

/* Every folder on the way. Returns whether the last one is new. */
static int make_way(const struct making *making)
{
	const struct og_cgroup_tree *tree = making->tree;
	og_auto_fd dir_fd = open(tree->mount_point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	og_auto_text way = {};
	og_auto_free char *path = strdup(tree->dir + strlen(tree->mount_point));
	char *rest = path;
	int made = dir_fd < 0 ? -errno : path == NULL ? -ENOMEM : 0;

	og_text_add(&way, tree->mount_point);
	for (char *name; made >= 0 && (name = strsep(&rest, "/")) != NULL;) {
		if (*name == '\0')
			continue;
		made = make_step(making, &dir_fd, name);
		og_text_addf(&way, "/%s", name);
		if (made > 0 && og_streq(tree->controllers, "cpuset") && !way.failed) {
			int r = inherit_cpuset(way.buf, making->err);

			if (r < 0)
				return r;
		}
	}
	return made;
}

static int make_tree(const struct making *making)
{
	const struct og_cgroup_tree *tree = making->tree;
	int made = mkdir(tree->dir, 0755) == 0;

	if (made && og_streq(tree->controllers, "cpuset"))
		return inherit_cpuset(tree->dir, making->err);
	if (made && (!making->enable || has_all(tree->dir)))
		return 0;
	made = make_way(making) > 0 || made ? 1 : access(tree->dir, F_OK) < 0 ? -errno : 0;
	if (made < 0)
		return og_fail(making->err, made, "make control group '%s'", tree->dir);
	return made > 0 || making->of_systemd ? 0 : og_cgroup_refuse_used(tree, making->err);
}

/* Whether something is to be limited that no version 1 tree has. */
static bool wants_v2(const struct og_cgroup *cgroup, const struct og_oci_resources *res)
{
	const struct og_oci_memory *memory = &res->memory;
	const struct og_oci_cpu *cpu = &res->cpu;
	const struct og_oci_block_io *io = &res->block_io;

	const struct {
		const char *controller;
		bool given;
	} needs[] = {
		{ "memory", memory->limit.set || memory->reservation.set || memory->swap.set },
		{ "cpu", cpu->shares.set || cpu->quota.set || cpu->period.set || cpu->burst.set ||
				 cpu->idle.set },
		{ "cpuset", cpu->cpus != NULL || cpu->mems != NULL },
		{ "pids", res->pids.limit.set },
		{ "blkio", io->weight.set || io->weight_device.count > 0 ||
				   io->read_bps.count > 0 || io->write_bps.count > 0 ||
				   io->read_iops.count > 0 || io->write_iops.count > 0 },
		{ "hugetlb", res->hugepage_limits.count > 0 },
		{ "rdma", res->rdma.count > 0 },
		{ "unified", res->unified.count > 0 },
	};

	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
		if (needs[i].given && og_cgroup_tree(cgroup, needs[i].controller) == NULL)
			return true;
	}
	return false;
}

int og_cgroup_make(struct og_cgroup *cgroup, const struct og_oci_resources *resources,
		   struct og_err *err)
{
	bool all_v2 = cgroup->count == 1 && cgroup->trees[0].v2;
	bool enable = all_v2 || wants_v2(cgroup, resources);

	for (size_t i = 0; i < cgroup->count; i++) {
		struct making making = {
			.tree = &cgroup->trees[i],
			.enable = enable && cgroup->trees[i].v2,
			.of_systemd = cgroup->scope != NULL,
			.err = err,
		};
		int r = make_tree(&making);

		if (r < 0) {
			if (r != -EBUSY) /* then it is another's */
				(void)rmdir(cgroup->trees[i].dir);
			og_cgroup_forget(cgroup, i);
			return r;
		}
	}
	return 0;
}
