/* SPDX-License-Identifier: Apache-2.0 */
/* What mounts.c, rootfs.c and devices.c share of a plan. */
#pragma once

#include "container/mounts.h"

struct og_mount_step {
	const struct og_oci_mount *mount;
	struct og_mount_options options;
	int tree_fd; /* of a bind mount: a detached clone; else -EBADF */
	bool is_file;
	bool is_cgroup;
};

struct og_cgroup_view {
	char *name; /* folder below the mount: "cpu,cpuacct"; "" for version 2 alone */
	int tree_fd;
};

struct og_mount_plan {
	const struct og_oci_config *config;
	bool user_namespace;
	int user_fd;	 /* a namespace with the workload's own mapping, once a mount wants it */
	char *root_path; /* absolute, of the host */
	int root_tree_fd;
	int null_fd;	   /* the host's /dev/null, known to be it; opened inside */
	dev_t proc_device; /* the image's folder /proc, once it was looked at */
	ino_t proc_inode;
	int device_fds[6]; /* of the default devices, with a user namespace: there is no mknod */
	struct og_mount_step *steps;
	size_t count;
	struct og_cgroup_view views[OG_CGROUP_TREES_MAX];
	size_t view_count;
};

struct og_default_device {
	const char *name; /* below /dev */
	unsigned int major, minor;
};

extern const struct og_default_device og_default_devices[6];

/* Devices and links of the specification, in /dev of @root_fd unless that is a bind mount. */
int og_devices_make(const struct og_mount_plan *plan, int root_fd, struct og_err *err);

/* A detached mount of the files of this workload's groups. */
int og_cgroup_mount(const struct og_mount_plan *plan, const struct og_mount_step *step,
		    int target_fd, struct og_err *err);
