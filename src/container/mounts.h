/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mounts of a workload.
 *
 * They are made detached from every tree and put in place by moving them to a descriptor, which
 * was opened with openat2(RESOLVE_IN_ROOT) under the workload's root: whatever an image, or a
 * second workload that shares a volume, does with symbolic links meanwhile, nothing is mounted
 * or created outside. What comes from the host (the root file system, bind mounts, cgroups) is
 * opened by the runtime before the workload's namespaces exist; what belongs to the namespaces
 * (proc, sysfs, mqueue, devpts, tmpfs) is made inside.
 */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "container/mount_options.h"
#include "format/oci_config.h"
#include "runtime/cgroup.h"

struct og_mount_plan;

struct og_mount_request {
	const struct og_oci_config *config;
	const char *bundle;
	const struct og_cgroup *cgroup; /* may be NULL: then mounts of cgroups are refused */
	const struct og_cgroup *denied; /* shown read-only; may be NULL */
	bool user_namespace;		/* in which devices cannot be made */
	struct og_notes *notes;		/* may be NULL; outlives the plan */
	int user_fd;			/* the one that it joins; -EBADF: none, or a new one */
	bool live;   /* only the mounts, for a root that is there: og_mount_step_do() */
	bool joined; /* the mount namespace is another's: nothing is mounted in it */
};

/* Opens all that comes from the host. On success *@ret_plan is the caller's to free. */
int og_mount_plan_new(const struct og_mount_request *request, struct og_mount_plan **ret_plan,
		      struct og_err *err);
struct og_mount_plan *og_mount_plan_free(struct og_mount_plan *plan);
OG_DEFINE_CLEANUP(struct og_mount_plan, og_mount_plan_free)

/*
 * In the new mount namespace, with a user namespace: opens where the root file system goes, while
 * this process is still the host's root. Else og_mount_all() does that.
 */
int og_mount_open_place(struct og_mount_plan *plan, struct og_err *err);

/*
 * In the new mount namespace: cuts it off from the host's, mounts the root file system, on it
 * everything the configuration lists, and makes the devices. On success *@ret_root_fd (the
 * caller's) is the new root, not yet entered. In a joined mount namespace it is root.path there, and
 * nothing is mounted.
 */
int og_mount_all(struct og_mount_plan *plan, int *ret_root_fd, struct og_err *err);

/* Makes @root_fd the root, lets go of the host's, then read-only and masked paths. */
int og_mount_enter(const struct og_mount_plan *plan, int root_fd, bool no_pivot,
		   struct og_err *err);

/* Binds the terminal @slave_fd over /dev/console of @root_fd. */
int og_mount_console(int root_fd, int slave_fd, struct og_err *err);
