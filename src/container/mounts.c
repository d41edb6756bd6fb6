/* SPDX-License-Identifier: Apache-2.0 */
#include "container/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "base/path.h"
#include "base/text.h"
#include "base/weak.h"
#include "container/copy_up.h"
#include "container/idmap.h"
#include "container/mount_ops.h"
#include "container/mount_plan.h"

#define PROC_ROOT_INODE 1 /* the inode of the top of every procfs */

/* ---- what comes from the host ---- */

struct og_mount_plan *og_mount_plan_free(struct og_mount_plan *plan)
{
	int fds[1 + OG_CGROUP_TREES_MAX];

	if (plan == NULL)
		return NULL;
	for (size_t i = 0; plan->steps != NULL && i < plan->count; i++)
		og_close(plan->steps[i].tree_fd);
	for (size_t i = 0; i < plan->view_count; i++)
		free(plan->views[i].name);
	/* Opened one after another, they are closed in one call. */
	fds[0] = plan->root_tree_fd;
	memcpy(fds + 1, plan->view_fds, plan->view_count * sizeof(fds[0]));
	og_close_all(fds, 1 + plan->view_count);
	for (size_t i = 0; i < 6; i++)
		og_close(plan->device_fds[i]);
	og_close(plan->user_fd);
	for (size_t i = 0; plan->more_device_fds != NULL && i < plan->config->linux_.devices.count;
	     i++)
		og_close(plan->more_device_fds[i]);
	free(plan->more_device_fds);
	og_close(plan->place_fd);
	og_close(plan->nodes_fd);
	og_close(plan->null_fd);
	free(plan->steps);
	free(plan->root_path);
	free(plan);
	return NULL;
}

/*
 * A clone of a path of the host's, with what is mounted below it if @recursive. @propagation is
 * MS_PRIVATE, MS_SLAVE (it still hears of the host's mounts), or 0: as the host's own.
 */
static int clone_path(const char *path, bool recursive, uint64_t attributes, uint64_t propagation,
		      struct og_err *err)
{
	unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
	int fd = open_tree(AT_FDCWD, path, recursive ? flags | AT_RECURSIVE : flags);

	if (fd < 0)
		return og_fail(err, -errno, "open '%s'", path);
	if (attributes != 0 || propagation != 0) {
		int r = og_mount_set(fd, attributes, 0, propagation, recursive);

		if (r < 0) {
			og_close(fd);
			return og_fail(err, r, "make the mount of '%s' private", path);
		}
	}
	return fd;
}

/* Of rootfsPropagation only slave has anything to do with the host's mounts. */
static uint64_t root_propagation(const struct og_mount_plan *plan)
{
	const char *word = plan->config->linux_.rootfs_propagation;
	uint64_t asked = 0;
	bool recursive;

	if (word != NULL && og_mount_propagation(word, &asked, &recursive) == 0 &&
	    asked == MS_SLAVE)
		return MS_SLAVE;
	return MS_PRIVATE;
}

static int open_root(struct og_mount_plan *plan, const char *bundle, struct og_err *err)
{
	const char *path = plan->config->root.path;
	char *absolute = path[0] == '/' ? strdup(path) : og_strdupf("%s/%s", bundle, path);

	if (absolute == NULL)
		return og_fail(err, -ENOMEM, "root.path");
	plan->root_path = absolute;
	if (plan->joined)
		return 0;
	plan->root_tree_fd = clone_path(absolute, true, 0, root_propagation(plan), err);
	return plan->root_tree_fd < 0 ? og_fail_in(err, plan->root_tree_fd, "root.path") : 0;
}

static int open_device(const char *name, unsigned int major, unsigned int minor, struct og_err *err)
{
	og_auto_free char *path = og_strdupf("/dev/%s", name);
	og_auto_fd fd = path == NULL ? -1 : open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) ||
	    st.st_rdev != makedev(major, minor))
		return og_fail(err, -ENODEV, "the host's /dev/%s is not device %u:%u", name, major,
			       minor);
	return og_take_fd(&fd);
}

static int open_devices(struct og_mount_plan *plan, struct og_err *err)
{
	for (size_t i = 0; plan->user_namespace && i < 6; i++) {
		const struct og_default_device *device = &og_default_devices[i];
		og_auto_fd fd = open_device(device->name, device->major, device->minor, err);

		if (fd < 0)
			return fd;
		plan->device_fds[i] = og_mount_clone(fd, false);
		if (plan->device_fds[i] < 0)
			return og_fail(err, plan->device_fds[i], "clone /dev/%s", device->name);
	}
	return 0;
}

/* Nodes of linux.devices, as the host has them at the same path. */
static int open_more_devices(struct og_mount_plan *plan, struct og_err *err)
{
	size_t count = plan->config->linux_.devices.count;

	if (!plan->user_namespace || count == 0)
		return 0;
	plan->more_device_fds = calloc(count, sizeof(int));
	if (plan->more_device_fds == NULL)
		return og_fail(err, -ENOMEM, "linux.devices");
	for (size_t i = 0; i < count; i++)
		plan->more_device_fds[i] = -EBADF;
	for (size_t i = 0; i < count; i++) {
		const struct og_oci_device *device = &plan->config->linux_.devices.items[i];
		int r = og_device_of_host(device, &plan->more_device_fds[i], err);

		if (r < 0)
			return og_fail_in(err, r, "linux.devices[%zu]", i);
	}
	return 0;
}

static int open_all_devices(struct og_mount_plan *plan, struct og_err *err)
{
	int r = open_devices(plan, err);

	if (r == 0)
		r = og_devices_plan(plan, err);
	return r == -EPERM ? open_more_devices(plan, err) : r; /* nor may this process make any */
}

/* A mapping of the mount's own, else the workload's. */
static int plan_id_map(struct og_mount_plan *plan, const struct og_mount_step *step,
		       struct og_err *err)
{
	const struct og_oci_linux *lin = &plan->config->linux_;
	const struct og_oci_mount *mount = step->mount;
	og_auto_fd own_fd = -EBADF;

	if (mount->uid_mappings.count > 0 || mount->gid_mappings.count > 0) {
		if (mount->uid_mappings.count == 0 || mount->gid_mappings.count == 0)
			return og_fail(err, -EINVAL,
				       "uidMappings and gidMappings go together: one is missing");
		own_fd = og_id_map_namespace(&mount->uid_mappings, &mount->gid_mappings, err);
		return own_fd < 0 ? own_fd
				  : og_id_map_mount(step->tree_fd, own_fd,
						    step->options.idmap_recursive, err);
	}
	if (!plan->user_namespace)
		return og_fail(err, -EINVAL,
			       "an id-mapped mount needs uidMappings and gidMappings, or a "
			       "workload with a user namespace");
	if (plan->user_fd < 0) {
		plan->user_fd = og_id_map_namespace(&lin->uid_mappings, &lin->gid_mappings, err);
		if (plan->user_fd < 0)
			return plan->user_fd;
	}
	return og_id_map_mount(step->tree_fd, plan->user_fd, step->options.idmap_recursive, err);
}

static uint64_t bind_propagation(const struct og_mount_options *options)
{
	if (options->propagation == MS_SHARED)
		return 0;
	return options->propagation == MS_SLAVE ? MS_SLAVE : MS_PRIVATE;
}

static int plan_bind(struct og_mount_plan *plan, struct og_mount_step *step, const char *bundle,
		     struct og_err *err)
{
	const char *foreign = og_mount_options_foreign(&step->options);
	const char *source = step->mount->source;
	og_auto_free char *absolute = NULL;
	struct stat st;
	int r = 0;

	if (source == NULL || source[0] == '\0')
		return og_fail(err, -EINVAL, "source is missing");
	if (foreign != NULL || step->options.iversion)
		return og_fail(
			err, -EINVAL,
			"option '%.80s' is a file system's, and a bind mount has one already",
			foreign != NULL ? foreign : "iversion");
	absolute = source[0] == '/' ? strdup(source) : og_strdupf("%s/%s", bundle, source);
	if (absolute == NULL)
		return og_fail(err, -ENOMEM, "source");
	step->tree_fd = clone_path(absolute, step->options.recursive, 0,
				   bind_propagation(&step->options), err);
	if (step->tree_fd < 0)
		return og_fail_in(err, step->tree_fd, "source");
	if (fstat(step->tree_fd, &st) < 0)
		return og_fail(err, -errno, "look at '%s'", absolute);
	step->is_file = !S_ISDIR(st.st_mode);
	if (step->options.idmap)
		r = plan_id_map(plan, step, err);
	return r < 0 ? r : og_mount_attributes(step->tree_fd, &step->options, err);
}

/* SELinux labels the files of these by itself, one by one. */
static const char *mount_label(const struct og_oci_config *config, const struct og_mount_step *step,
			       const char *type)
{
	const char *label = config->linux_.mount_label;

	if (label == NULL || label[0] == '\0' || step->is_cgroup || og_streq(type, "proc") ||
	    og_streq(type, "sysfs"))
		return NULL;
	return label;
}

static int plan_step(struct og_mount_plan *plan, const struct og_mount_request *request,
		     const struct og_oci_mount *mount, struct og_err *err)
{
	struct og_mount_step *step = &plan->steps[plan->count++];
	const char *type = mount->type != NULL ? mount->type : "";
	int r;

	*step = (struct og_mount_step){
		.mount = mount,
		.index = plan->count - 1,
		.tree_fd = -EBADF,
	};
	r = og_mount_options_read(&mount->options, &step->options, err);
	if (r < 0)
		return r;
	step->options.idmap = step->options.idmap || mount->uid_mappings.count > 0 ||
			      mount->gid_mappings.count > 0;
	step->options.bind = step->options.bind || og_streq(type, "bind");
	if (step->options.remount) /* of something that is there by then */
		return step->options.idmap
			       ? og_fail(err, -EINVAL, "idmap is for new mounts, not for remount")
			       : 0;
	step->is_cgroup = og_streq(type, "cgroup") || og_streq(type, "cgroup2");
	if (step->options.bind)
		return plan_bind(plan, step, request->bundle, err);
	if (step->options.idmap)
		return og_fail(err, -ENOTSUP, "only bind mounts can be id-mapped");
	if (type[0] == '\0')
		return og_fail(err, -EINVAL, "type is missing");
	if (plan->live && (step->is_cgroup || og_mount_needs_old_call(&step->options)))
		return og_fail(err, -ENOTSUP, "cannot be mounted in a workload that runs");
	if (step->options.copy_up && !og_streq(type, "tmpfs"))
		return og_fail(err, -EINVAL, "tmpcopyup is for a tmpfs, not for '%.40s'", type);
	og_mount_leave_out_gid(plan, step);
	step->options.label = mount_label(plan->config, step, type);
	return 0;
}

static int plan_views(struct og_mount_plan *plan, const struct og_cgroup *cgroup, bool alone,
		      uint64_t attributes, struct og_err *err)
{
	for (size_t i = 0; i < cgroup->count; i++) {
		const struct og_cgroup_tree *tree = &cgroup->trees[i];
		struct og_cgroup_view *view = &plan->views[plan->view_count];
		const char *name = strrchr(tree->mount_point, '/');
		int fd = clone_path(og_weak("A12") ? tree->mount_point : tree->dir, false,
				    og_weak("A12") ? 0 : attributes,
				    plan->views_are_bare && attributes == 0 ? 0 : MS_PRIVATE, err);

		if (fd < 0)
			return fd;
		plan->view_fds[plan->view_count] = fd;
		view->name = strdup(alone || name == NULL ? "" : name + 1);
		plan->view_count++;
		if (view->name == NULL)
			return og_fail(err, -ENOMEM, "show control groups");
	}
	return 0;
}

/* What the workload has no group of its own in is not for it to write. */
static int plan_all_views(struct og_mount_plan *plan, const struct og_mount_request *request,
			  uint64_t attributes, struct og_err *err)
{
	static const struct og_cgroup none = {};
	const struct og_cgroup *denied = request->denied != NULL ? request->denied : &none;
	const struct og_cgroup *any = request->cgroup->count > 0 ? request->cgroup : denied;
	bool alone = request->cgroup->count + denied->count == 1 && any->trees[0].v2;
	int r;

	/* Below a tmpfs they get theirs all at once. */
	plan->views_are_bare = !alone && !plan->user_namespace;
	r = plan_views(plan, request->cgroup, alone, plan->views_are_bare ? 0 : attributes, err);
	return r < 0 ? r : plan_views(plan, denied, alone, attributes | MOUNT_ATTR_RDONLY, err);
}

static int plan_all(struct og_mount_plan *plan, const struct og_mount_request *request,
		    struct og_err *err)
{
	const struct og_oci_config *config = request->config;
	const struct og_mount_step *cgroups = NULL;

	for (size_t i = 0; i < config->mounts.count; i++) {
		int r = plan_step(plan, request, &config->mounts.items[i], err);

		if (r < 0)
			return og_fail_in(err, r, "mounts[%zu] '%s'", i,
					  config->mounts.items[i].destination);
		if (plan->steps[i].is_cgroup)
			cgroups = &plan->steps[i];
	}
	if (cgroups == NULL || request->cgroup == NULL)
		return 0;
	return plan_all_views(plan, request, cgroups->options.attr_set, err);
}

/* What is mounted in a namespace of others' would be theirs, too. */
static int check_joined(const struct og_oci_config *config, struct og_err *err)
{
	const struct og_oci_linux *lin = &config->linux_;
	const char *field = config->mounts.count > 0	      ? "mounts"
			    : lin->devices.count > 0	      ? "linux.devices"
			    : lin->masked_paths.count > 0     ? "linux.maskedPaths"
			    : lin->readonly_paths.count > 0   ? "linux.readonlyPaths"
			    : lin->rootfs_propagation != NULL ? "linux.rootfsPropagation"
			    : config->root.readonly	      ? "root.readonly"
							      : NULL;

	return field == NULL
		       ? 0
		       : og_fail(err, -EINVAL,
				 "%s would change the mount namespace that is joined: leave it "
				 "out, or make a new mount namespace",
				 field);
}

int og_mount_plan_new(const struct og_mount_request *request, struct og_mount_plan **ret_plan,
		      struct og_err *err)
{
	og_cleanup(og_mount_plan_freep) struct og_mount_plan *plan = calloc(1, sizeof(*plan));
	int r;

	if (plan == NULL)
		return og_fail(err, -ENOMEM, "plan mounts");
	plan->config = request->config;
	plan->user_namespace = request->user_namespace;
	plan->user_fd = request->user_fd < 0 ? -EBADF : fcntl(request->user_fd, F_DUPFD_CLOEXEC, 3);
	plan->notes = request->notes;
	plan->joined = request->joined;
	plan->live = request->live;
	plan->place_fd = -EBADF;
	plan->nodes_fd = -EBADF;
	plan->root_tree_fd = -EBADF;
	plan->null_fd = -EBADF;
	for (size_t i = 0; i < 6; i++)
		plan->device_fds[i] = -EBADF;
	plan->steps = calloc(request->config->mounts.count + 1, sizeof(plan->steps[0]));
	if (plan->steps == NULL)
		return og_fail(err, -ENOMEM, "plan mounts");

	if (plan->live)
		r = 0;
	else if (plan->joined)
		r = check_joined(plan->config, err);
	else
		r = open_all_devices(plan, err);
	if (r == 0 && !plan->live)
		r = open_root(plan, request->bundle, err);
	if (r == 0)
		r = plan_all(plan, request, err);
	if (r == 0)
		*ret_plan = og_take_ptr(plan);
	return r;
}

/* ---- in the new mount namespace ---- */

/* Parts of procfs that operators put files over (as lxcfs does), and that decide nothing. */
static bool may_cover_proc(const char *destination)
{
	static const char *const harmless[] = {
		"/proc/cpuinfo",
		"/proc/diskstats",
		"/proc/meminfo",
		"/proc/stat",
		"/proc/swaps",
		"/proc/uptime",
		"/proc/loadavg",
		"/proc/slabinfo",
		"/proc/net/dev",
		"/proc/sys/kernel/ns_last_pid",
		"/proc/sys/crypto/fips_enabled",
	};

	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		if (og_streq(harmless[i], destination))
			return true;
	}
	return false;
}

static bool is_of_type(const struct og_mount_step *step, const char *type)
{
	return !step->options.bind && step->mount->type != NULL &&
	       og_streq(step->mount->type, type);
}

static bool is_proc(const struct og_mount_step *step)
{
	return is_of_type(step, "proc");
}

/* Whether @st is the folder /proc of the image, however its name was written. */
static bool is_proc_folder(struct og_mount_plan *plan, int root_fd, const struct stat *st)
{
	if (plan->proc_inode == 0) {
		og_auto_fd fd = og_open_plain(root_fd, "proc", O_PATH | O_DIRECTORY);
		struct stat proc;

		if (fd < 0 || fstat(fd, &proc) < 0)
			return false;
		plan->proc_device = proc.st_dev;
		plan->proc_inode = proc.st_ino;
	}
	return st->st_dev == plan->proc_device && st->st_ino == plan->proc_inode;
}

/*
 * Masks, sysctls and security labels rely on /proc being procfs. So nothing but procfs is mounted
 * at /proc, and within it nothing that decides about security is covered.
 */
static int check_proc(struct og_mount_plan *plan, const struct og_mount_step *step, int root_fd,
		      int target_fd, struct og_err *err)
{
	const char *destination = step->mount->destination;
	struct statfs fs;
	struct stat st;

	if (og_weak("A9"))
		return 0;
	if (fstatfs(target_fd, &fs) < 0)
		return og_fail(err, -errno, "look at the destination");
	/* Once procfs is at /proc, no other file system has a folder that is /proc. */
	if (fs.f_type != PROC_SUPER_MAGIC && plan->has_proc)
		return 0;
	if (fstat(target_fd, &st) < 0)
		return og_fail(err, -errno, "look at the destination");
	if (fs.f_type == PROC_SUPER_MAGIC && !may_cover_proc(destination) &&
	    !(is_proc(step) && st.st_ino == PROC_ROOT_INODE))
		return og_fail(err, -EPERM, "nothing may be mounted within /proc there");
	if (is_proc(step) || !is_proc_folder(plan, root_fd, &st))
		return 0;
	if (step->tree_fd < 0 || fstatfs(step->tree_fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
		return og_fail(err, -EPERM, "only procfs may be mounted at /proc");
	return 0;
}

/* proc and sysfs must be where everyone looks for them, not where a link of the image leads. */
static int open_target(const struct og_mount_step *step, int root_fd, int *ret_fd,
		       struct og_err *err)
{
	const char *destination = step->mount->destination;
	bool strict = is_proc(step) || is_of_type(step, "sysfs");
	int fd;

	if (!strict || og_weak("A8"))
		return og_mount_target(root_fd, destination, step->is_file, ret_fd, err);
	fd = og_open_plain(root_fd, destination, O_PATH | O_DIRECTORY);
	if (fd == -ENOENT) {
		int r = og_mount_target(root_fd, destination, false, &fd, err);

		if (r < 0)
			return r;
		og_close(fd);
		fd = og_open_plain(root_fd, destination, O_PATH | O_DIRECTORY);
	}
	if (fd < 0)
		return og_fail(err, fd, "must be mounted on an ordinary directory");
	*ret_fd = fd;
	return 0;
}

/* remount: changes what is named, and leaves the rest as it is. */
static int change_mount(const struct og_mount_step *step, int target_fd, struct og_err *err)
{
	int r = og_mount_reconfigure(target_fd, &step->options, err);

	return r < 0 ? r : og_mount_attributes(target_fd, &step->options, err);
}

static int mount_new(struct og_mount_plan *plan, struct og_mount_step *step, int target_fd,
		     struct og_err *err)
{
	const struct og_oci_mount *mount = step->mount;
	og_until_exec mount_fd = -EBADF;
	int r = 0;

	if (og_mount_needs_old_call(&step->options))
		return og_mount_old_call(mount->type, mount->source, &step->options, target_fd,
					 err);
	mount_fd = og_mount_new(mount->type, mount->source, &step->options, err);
	if (mount_fd == -EPERM && plan->user_namespace) {
		int host_fd = og_mount_of_host(plan, step, err);

		mount_fd = host_fd == -ENOENT ? mount_fd : host_fd;
	}
	if (mount_fd < 0)
		return mount_fd;
	if (step->options.copy_up)
		r = og_copy_up(target_fd, mount_fd, err);
	if (r < 0)
		return r;
	if (step->options.propagation != 0)
		r = og_mount_set(mount_fd, 0, 0, step->options.propagation, false);
	if (r < 0)
		return og_fail(err, r, "set the mount's propagation");
	r = og_mount_attach(mount_fd, target_fd, err);
	if (r == 0 && is_proc(step) && og_streq(step->mount->destination, "/proc"))
		plan->has_proc = true;
	if (r == 0 && (plan->live || is_proc(step) || is_of_type(step, "sysfs")))
		step->tree_fd = og_take_fd(&mount_fd); /* by which its masks are found */
	return r;
}

int og_mount_step_do(struct og_mount_plan *plan, struct og_mount_step *step, int root_fd,
		     struct og_err *err)
{
	og_until_exec target_fd = -EBADF;
	int r = open_target(step, root_fd, &target_fd, err);

	if (r == 0)
		r = check_proc(plan, step, root_fd, target_fd, err);
	if (r < 0)
		return r;
	if (step->options.remount)
		return change_mount(step, target_fd, err);
	if (step->is_cgroup)
		return og_cgroup_mount(plan, step, target_fd, err);
	if (step->tree_fd >= 0)
		return og_mount_attach(step->tree_fd, target_fd, err);
	return mount_new(plan, step, target_fd, err);
}

/* Cuts the namespace off: what is mounted here from now on is never seen outside. */
static int cut_off(const struct og_mount_plan *plan, struct og_err *err)
{
	const char *word = plan->config->linux_.rootfs_propagation;
	struct mount_attr attr = { .propagation = MS_SLAVE };
	uint64_t asked;
	bool recursive;

	if (word != NULL && word[0] != '\0') {
		if (og_mount_propagation(word, &asked, &recursive) < 0)
			return og_fail(err, -EINVAL, "linux.rootfsPropagation is '%s'", word);
		if (asked == MS_PRIVATE)
			attr.propagation = MS_PRIVATE;
	}
	if (mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		return og_fail(err, -errno, "cut the mount namespace off");
	return 0;
}

int og_mount_open_place(struct og_mount_plan *plan, struct og_err *err)
{
	plan->place_fd = open(plan->root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return plan->place_fd < 0 ? og_fail(err, -errno, "root.path: open '%s'", plan->root_path)
				  : 0;
}

/* At its own path, where createContainer hooks look for it; below it, unseen, what devices need. */
static int mount_root(struct og_mount_plan *plan, struct og_err *err)
{
	int r = plan->place_fd < 0 ? og_mount_open_place(plan, err) : 0;

	if (r == 0 && plan->nodes_fd >= 0)
		r = og_mount_attach(plan->nodes_fd, plan->place_fd, err);
	if (r == 0)
		r = og_mount_attach(plan->root_tree_fd, plan->place_fd, err);
	return r < 0 ? og_fail_in(err, r, "mount the root file system") : 0;
}

static int open_joined_root(struct og_mount_plan *plan, int *ret_root_fd, struct og_err *err)
{
	int r = plan->place_fd < 0 ? og_mount_open_place(plan, err) : 0;

	if (r == 0)
		*ret_root_fd = og_take_fd(&plan->place_fd);
	return r;
}

int og_mount_all(struct og_mount_plan *plan, int *ret_root_fd, struct og_err *err)
{
	int r;

	if (plan->joined)
		return open_joined_root(plan, ret_root_fd, err);
	r = cut_off(plan, err);
	if (r == 0 && plan->config->linux_.masked_paths.count > 0) {
		plan->null_fd = open_device("null", 1, 3, err);
		r = plan->null_fd < 0 ? plan->null_fd : 0;
	}
	if (r == 0)
		r = mount_root(plan, err);
	if (r < 0)
		return r;

	for (size_t i = 0; i < plan->count; i++) {
		r = og_mount_step_do(plan, &plan->steps[i], plan->root_tree_fd, err);
		if (r < 0)
			return og_fail_in(err, r, "mounts[%zu] '%s'", i,
					  plan->steps[i].mount->destination);
	}
	r = og_devices_make(plan, plan->root_tree_fd, err);
	if (r < 0)
		return r;
	if (og_weak("A4"))
		plan->null_fd = og_open_in_root(plan->root_tree_fd, "dev/null", O_PATH, 0);
	*ret_root_fd = og_take_fd(&plan->root_tree_fd);
	return 0;
}
