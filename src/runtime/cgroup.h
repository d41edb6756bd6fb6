/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups (cgroups(7)): the trees that this host has, version 1 one controller or some at
 * a time, version 2, or both at once (hybrid), are found by looking at where they are mounted.
 * A workload has one folder in each tree.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "format/oci_config.h"
#include "runtime/notes.h"

#define OG_CGROUP_TREES_MAX 32 /* Linux has 14 controllers; each may be a tree */

struct og_cgroup_tree {
	char *mount_point;
	char *controllers; /* "cpu,cpuacct" or "name=systemd"; "" for version 2 */
	char *own;	   /* our own group's path in it, as the mount shows it */
	char *dir;	   /* the workload's folder, absolute */
	bool v2;
};

struct og_scope;

struct og_cgroup {
	struct og_cgroup_tree trees[OG_CGROUP_TREES_MAX];
	size_t count;
	struct og_scope *scope; /* owned; NULL: the folders are ours (runtime/cgroup_scope.h) */
	bool lenient; /* runtime/rootless.h: rules for devices that this user may not set are none */
};

/*
 * Finds the trees and the folders for @cgroups_path: absolute below the trees' tops, relative
 * below our own group, NULL "/onggi-ID". Nothing is made. *@ret_cgroup is the caller's to free.
 * Errors: -EINVAL (".." in it), -ENOENT (no tree is mounted), -EBUSY (others are there).
 */
int og_cgroup_find(const char *cgroups_path, const char *id, struct og_cgroup **ret_cgroup,
		   struct og_err *err);

/* Likewise, of a workload that runs: then they hold its processes. */
int og_cgroup_find_running(const char *cgroups_path, const char *id, struct og_cgroup **ret_cgroup,
			   struct og_err *err);
struct og_cgroup *og_cgroup_free(struct og_cgroup *cgroup);
OG_DEFINE_CLEANUP(struct og_cgroup, og_cgroup_free)

/* To and from the state: what is needed to find the folders again, however mounts changed. */
struct og_json *og_cgroup_save(const struct og_cgroup *cgroup);
int og_cgroup_load(const struct og_json *saved, struct og_cgroup **ret_cgroup, struct og_err *err);

/*
 * Makes the folders. Where that fails @cgroup is, after, what was made until then: nothing of
 * others can be ended with it. Errors: -EBUSY (another's processes are in one of them).
 */
int og_cgroup_make(struct og_cgroup *cgroup, const struct og_oci_resources *resources,
		   struct og_err *err);

/* Errors: -EBUSY (the folder of @tree is there, with processes in it or below, or frozen). */
int og_cgroup_refuse_used(const struct og_cgroup_tree *tree, struct og_err *err);

/* Lets go of all trees from the one at @index on; what they have stays. */
void og_cgroup_forget(struct og_cgroup *cgroup, size_t index);

/*
 * Sets the limits of new groups. The text of an error names the field and the file; what the
 * specification lets pass is noted. 0 counts as not set where runc has it so, -1 as no limit.
 */
int og_cgroup_limit(const struct og_cgroup *cgroup, const struct og_oci_resources *resources,
		    struct og_notes *notes, struct og_err *err);

/*
 * Changes those limits that @resources has, and no others. Nothing of it need be remembered: what
 * holds is what the kernel says.
 */
int og_cgroup_update(const struct og_cgroup *cgroup, const struct og_oci_resources *resources,
		     struct og_notes *notes, struct og_err *err);

#define OG_CPU_SHARES_MIN 2 /* of version 1's kernel */
#define OG_CPU_SHARES_MAX 262144

/* The cpu.weight of version 2, 1 to 10000, for the cpu.shares of version 1. */
uint64_t og_cgroup_weight(uint64_t shares);

/* A descriptor of the version 2 folder for CLONE_INTO_CGROUP, -ENOENT where there is no such. */
int og_cgroup_v2_fd(const struct og_cgroup *cgroup);

/*
 * Likewise of the group that @pid is in, if that is @cgroup's or one below: a version 2 group that
 * has handed controllers on takes no process itself.
 */
int og_cgroup_v2_fd_of(const struct og_cgroup *cgroup, pid_t pid);

/*
 * Existing groups below @cgroup's: each word is "PATH" (in every tree) or "CONTROLLER,...:PATH".
 * *@ret_cgroup is the caller's to free. Errors: -EINVAL (no such controller), -ENOENT, -EXDEV.
 */
int og_cgroup_below(const struct og_cgroup *cgroup, const char *const *words, size_t count,
		    struct og_cgroup **ret_cgroup, struct og_err *err);

/* Moves @pid. With @skip_v2 it is there already. */
int og_cgroup_join(const struct og_cgroup *cgroup, pid_t pid, bool skip_v2, struct og_err *err);

/*
 * Entering by oneself: the descriptors are opened by the runtime, where the paths are the host's,
 * and a process of one thread then moves itself. In version 1, unlike being moved, that takes no
 * lock that waits for RCU (0.2 ms instead of 8 to 13 on Linux 5.18 and later).
 */
struct og_cgroup_entry {
	int fds[OG_CGROUP_TREES_MAX]; /* owned */
	size_t count;
	int v2_fd; /* owned; -EBADF: there is no version 2 tree */
};

int og_cgroup_entry_open(const struct og_cgroup *cgroup, struct og_cgroup_entry *ret_entry,
			 struct og_err *err);
void og_cgroup_entry_done(struct og_cgroup_entry *entry);
int og_cgroup_enter(const struct og_cgroup_entry *entry, bool skip_v2, struct og_err *err);

/* Sends @signal to every process in it, once. Returns how many there were, or an error. */
int og_cgroup_signal(const struct og_cgroup *cgroup, int signal, struct og_err *err);

/* Kills everything in it and removes its folders with those below. May be repeated. */
int og_cgroup_destroy(const struct og_cgroup *cgroup, struct og_err *err);

/* Whether its processes are frozen. */
bool og_cgroup_frozen(const struct og_cgroup *cgroup);

/*
 * Freezes its processes, or lets them go on; returns when that is so. Errors: -ETIMEDOUT (one
 * would not stop: then all go on), -ENOTSUP (no freezer here).
 */
int og_cgroup_freeze(const struct og_cgroup *cgroup, bool frozen, struct og_err *err);

/* Version 1's frozen do not die: what was sent SIGKILL is thawed by this. */
void og_cgroup_let_die(const struct og_cgroup *cgroup);

/* The processes in it and below, as our PID namespace numbers them; the caller's to free. */
int og_cgroup_pids(const struct og_cgroup *cgroup, pid_t **ret_pids, size_t *ret_count,
		   struct og_err *err);

/* The tree that has @controller ("memory"), or NULL. */
const struct og_cgroup_tree *og_cgroup_tree(const struct og_cgroup *cgroup, const char *controller);
