/* SPDX-License-Identifier: Apache-2.0 */
/* Entering the new root, and taking away from it what must not be written or seen. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/path.h"
#include "base/text.h"
#include "base/weak.h"
#include "container/mount_ops.h"
#include "container/mount_plan.h"

/* Covers it with an empty read-only folder: of the second one on, a clone of the first. */
static int mask_folder(int target_fd, int *tmpfs_fd, struct og_err *err)
{
	static const struct og_oci_strings no_words = {};
	struct og_mount_options options = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
							MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
					    .words = &no_words };
	og_until_exec clone_fd = -EBADF;

	if (*tmpfs_fd < 0) {
		*tmpfs_fd = og_mount_new("tmpfs", "tmpfs", &options, err);
		return *tmpfs_fd < 0 ? *tmpfs_fd : og_mount_attach(*tmpfs_fd, target_fd, err);
	}
	clone_fd = og_mount_clone(*tmpfs_fd, false);
	return clone_fd < 0 ? og_fail(err, clone_fd, "make its cover")
			    : og_mount_attach(clone_fd, target_fd, err);
}

static int mask_file(const struct og_mount_plan *plan, int target_fd, struct og_err *err)
{
	og_until_exec clone_fd = og_mount_clone(plan->null_fd, false);

	return clone_fd < 0 ? og_fail(err, clone_fd, "make its cover")
			    : og_mount_attach(clone_fd, target_fd, err);
}

/*
 * What is below /proc and /sys is looked for in what was mounted there, whatever somebody who
 * shares the root file system has put at these names since.
 */
static int open_guarded(const struct og_mount_plan *plan, int root_fd, const char *path)
{
	for (size_t i = plan->count; i > 0 && !og_weak("A8-race"); i--) {
		const struct og_mount_step *step = &plan->steps[i - 1];
		const char *place = step->mount->destination;

		if (step->tree_fd >= 0 && (og_streq(place, "/proc") || og_streq(place, "/sys")) &&
		    og_starts_with(path, place) && path[strlen(place)] == '/')
			return og_open_in_root(step->tree_fd, path + strlen(place), O_PATH, 0);
	}
	return og_open_in_root(root_fd, path, O_PATH, 0);
}

static int mask(const struct og_mount_plan *plan, int root_fd, const char *path, int *tmpfs_fd,
		struct og_err *err)
{
	og_until_exec target_fd = open_guarded(plan, root_fd, path);
	struct stat st;

	if (target_fd == -ENOENT || target_fd == -ENOTDIR)
		return 0;
	if (target_fd < 0 || fstat(target_fd, &st) < 0)
		return og_fail(err, target_fd < 0 ? target_fd : -errno, "open it");
	return S_ISDIR(st.st_mode) ? mask_folder(target_fd, tmpfs_fd, err)
				   : mask_file(plan, target_fd, err);
}

static int mask_all(const struct og_mount_plan *plan, int root_fd, struct og_err *err)
{
	const struct og_oci_strings *paths = &plan->config->linux_.masked_paths;
	og_until_exec tmpfs_fd = -EBADF;

	for (size_t i = 0; i < paths->count && !og_weak("A26"); i++) {
		int r = mask(plan, root_fd, paths->items[i], &tmpfs_fd, err);

		if (r < 0)
			return og_fail_in(err, r, "linux.maskedPaths[%zu] '%s'", i,
					  paths->items[i]);
	}
	return 0;
}

static int make_readonly(const struct og_mount_plan *plan, int root_fd, const char *path,
			 struct og_err *err)
{
	og_until_exec target_fd = open_guarded(plan, root_fd, path);
	og_until_exec clone_fd = -EBADF;
	int r;

	if (target_fd == -ENOENT || target_fd == -ENOTDIR)
		return 0;
	if (target_fd < 0)
		return og_fail(err, target_fd, "open it");
	clone_fd = og_mount_clone(target_fd, true);
	if (clone_fd < 0)
		return og_fail(err, clone_fd, "clone it");
	r = og_mount_set(clone_fd, MOUNT_ATTR_RDONLY, 0, 0, true);
	if (r < 0)
		return og_fail(err, r, "make it read-only");
	return og_mount_attach(clone_fd, target_fd, err);
}

static int readonly_all(const struct og_mount_plan *plan, int root_fd, struct og_err *err)
{
	const struct og_oci_strings *paths = &plan->config->linux_.readonly_paths;

	for (size_t i = 0; i < paths->count && !og_weak("A26"); i++) {
		int r = make_readonly(plan, root_fd, paths->items[i], err);

		if (r < 0)
			return og_fail_in(err, r, "linux.readonlyPaths[%zu] '%s'", i,
					  paths->items[i]);
	}
	return 0;
}

/* The old root ends up over the new one, and is taken away from there: no folder is needed. */
static int pivot(int root_fd, struct og_err *err)
{
	if (fchdir(root_fd) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return og_fail(err, -errno, "change the root (on an initramfs: --no-pivot)");
	if (umount2(".", MNT_DETACH) < 0)
		return og_fail(err, -errno, "let go of the host's root");
	return 0;
}

/*
 * Without pivot_root(2), which an initramfs does not allow: over the old root, so that who joins the
 * mount namespace later (exec) finds this one and not the host's.
 */
static int change_root(const struct og_mount_plan *plan, int root_fd, struct og_err *err)
{
	og_auto_fd top_fd = plan->joined ? -EBADF : open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (top_fd >= 0) {
		int r = og_mount_attach(root_fd, top_fd, err);

		if (r < 0)
			return r;
	}
	if (fchdir(root_fd) < 0 || chroot(".") < 0)
		return og_fail(err, -errno, "change the root");
	return 0;
}

static int set_propagation(const char *word, struct og_err *err)
{
	struct mount_attr attr = {};
	uint64_t propagation = MS_PRIVATE;
	bool recursive = false;

	if (word == NULL || word[0] == '\0')
		return 0;
	(void)og_mount_propagation(word, &propagation, &recursive);
	attr.propagation = propagation;
	if (attr.propagation == MS_PRIVATE) /* as it is */
		return 0;
	if (mount_setattr(AT_FDCWD, "/", recursive ? AT_RECURSIVE : 0, &attr, sizeof(attr)) < 0)
		return og_fail(err, -errno, "linux.rootfsPropagation '%s'", word);
	return 0;
}

int og_mount_enter(const struct og_mount_plan *plan, int root_fd, bool no_pivot, struct og_err *err)
{
	bool only_root = no_pivot || plan->joined;
	int r = plan->joined ? 0 : readonly_all(plan, root_fd, err);

	if (r == 0 && !plan->joined) /* while the host's /dev/null can still be cloned */
		r = mask_all(plan, root_fd, err);
	if (r < 0)
		return r;
	if (only_root)
		r = change_root(plan, root_fd, err);
	else
		r = pivot(root_fd, err);
	if (r == 0 && chdir("/") < 0)
		r = og_fail(err, -errno, "go to the root");
	if (r == 0)
		r = set_propagation(plan->config->linux_.rootfs_propagation, err);
	if (r == 0 && plan->config->root.readonly) {
		r = og_mount_set(root_fd, MOUNT_ATTR_RDONLY, 0, 0, false);
		if (r < 0)
			return og_fail(err, r, "root.readonly");
	}
	return r;
}

/* A tmpfs with one folder a tree, as systemd and runc lay it out; version 2 alone has no folders. */
int og_cgroup_mount(const struct og_mount_plan *plan, const struct og_mount_step *step,
		    int target_fd, struct og_err *err)
{
	const char *mode[] = { "mode=755", NULL };
	const struct og_oci_strings words = { .items = mode, .count = 1 };
	struct og_mount_options options = step->options;
	og_until_exec tmpfs_fd = -EBADF;
	int r;

	if (plan->view_count == 0)
		return og_fail(err, -ENOTSUP, "this host has no control groups");
	if (plan->view_count == 1 && plan->views[0].name[0] == '\0') {
		return og_mount_attach(plan->view_fds[0], target_fd, err);
	}
	options.words = &words;
	options.own_words = 0;
	options.attr_set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	tmpfs_fd = og_mount_new("tmpfs", "cgroup", &options, err);
	r = tmpfs_fd < 0 ? tmpfs_fd : og_mount_attach(tmpfs_fd, target_fd, err);
	for (size_t i = 0; r == 0 && i < plan->view_count; i++) {
		const struct og_cgroup_view *view = &plan->views[i];

		/* Nobody but us can change what is in this tmpfs: its names are safe. */
		if (mkdirat(tmpfs_fd, view->name, 0755) < 0 ||
		    move_mount(plan->view_fds[i], "", tmpfs_fd, view->name,
			       MOVE_MOUNT_F_EMPTY_PATH) < 0)
			return og_fail(err, -errno, "mount control group '%s'", view->name);
	}
	if (r == 0 && plan->views_are_bare && !og_weak("A12"))
		r = og_mount_set(tmpfs_fd, step->options.attr_set, 0, MS_PRIVATE, true);
	else if (r == 0 && (step->options.attr_set & MOUNT_ATTR_RDONLY) != 0)
		r = og_mount_set(tmpfs_fd, MOUNT_ATTR_RDONLY, 0, 0, false);
	return r < 0 ? og_fail(err, r, "mount control groups") : 0;
}
