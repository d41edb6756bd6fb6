/* SPDX-License-Identifier: Apache-2.0 */
/* What mounts.c, rootfs.c and devices.c share of a plan. */
#pragma once

#include "container/mounts.h"

struct og_mount_step {
	const struct og_oci_mount *mount;
	size_t index; /* in mounts */
	struct og_mount_options options;
	int tree_fd; /* of a bind mount: a detached clone; of a mounted procfs or sysfs: its root */
	bool is_file;
	bool is_cgroup;
};

struct og_cgroup_view {
	char *name; /* folder below the mount: "cpu,cpuacct"; "" for version 2 alone */
};

struct og_mount_plan {
	const struct og_oci_config *config;
	bool user_namespace;
	int user_fd;	 /* a namespace with the workload's own mapping, once a mount wants it */
	char *root_path; /* absolute, of the host */
	bool joined, live;
	int place_fd; /* where the root file system goes; in the new mount namespace */
	int nodes_fd; /* a tmpfs with linux.devices in it, by their number; -EBADF: not needed */
	int root_tree_fd;
	int null_fd;	   /* the host's /dev/null, known to be it; opened inside */
	dev_t proc_device; /* the image's folder /proc, once it was looked at */
	ino_t proc_inode;
	int device_fds[6];    /* of the default devices, with a user namespace: there is no mknod */
	int *more_device_fds; /* likewise, of linux.devices; NULL: they are made */
	struct og_notes *notes;
	struct og_mount_step *steps;
	size_t count;
	struct og_cgroup_view views[OG_CGROUP_TREES_MAX];
	size_t view_count;
	int view_fds[OG_CGROUP_TREES_MAX]; /* of each: a detached clone */
	bool views_are_bare; /* their attributes are still to be set, by a recursive call */
	bool has_proc;	     /* procfs is at /proc */
};

struct og_default_device {
	const char *name; /* below /dev */
	unsigned int major, minor;
};

/*
 * A detached mount of the host's node at that path, in *@ret_fd; a pipe, which needs no right to be
 * made, is left as it is. Errors: -ENODEV (the host has no such device there).
 */
int og_device_of_host(const struct og_oci_device *device, int *ret_fd, struct og_err *err);

/*
 * In a user namespace only what belongs to its own namespaces can be mounted. Where the workload
 * shares the host's, a clone of what the host has mounted shows the same. Returns a descriptor of
 * a detached mount, or -ENOENT where that is no help.
 */
int og_mount_of_host(const struct og_mount_plan *plan, const struct og_mount_step *step,
		     struct og_err *err);

/* Leaves out what a devpts in a user namespace cannot be given: a group that is not mapped. */
void og_mount_leave_out_gid(const struct og_mount_plan *plan, struct og_mount_step *step);

extern const struct og_default_device og_default_devices[6];

/*
 * With a user namespace, where mknod(2) makes nothing that can be opened: makes linux.devices in a
 * file system of the host's, to be bound from there.
 */
int og_devices_plan(struct og_mount_plan *plan, struct og_err *err);

/*
 * One mount, in @root_fd. Where the plan is live, its descriptor stays in @step->tree_fd.
 */
int og_mount_step_do(struct og_mount_plan *plan, struct og_mount_step *step, int root_fd,
		     struct og_err *err);

/* Devices and links of the specification, in /dev of @root_fd unless that is a bind mount. */
int og_devices_make(const struct og_mount_plan *plan, int root_fd, struct og_err *err);

/* A detached mount of the files of this workload's groups. */
int og_cgroup_mount(const struct og_mount_plan *plan, const struct og_mount_step *step,
		    int target_fd, struct og_err *err);
