/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.intelRdt: shares of cache and memory bandwidth, by the resctrl file system (config-linux.md,
 * IntelRdt). A workload is in the group `closID`, or in one of its own name that is made and removed
 * with it; with enableMonitoring also in a group below that, which only counts.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/json.h"
#include "format/oci_config.h"

#define OG_RESCTRL_KEY "resctrl" /* of the workload's extra */

struct og_resctrl {
	const struct og_oci_intel_rdt *config;
	const char *id; /* of the workload */
	bool made;	/* the group is ours */
	bool monitored; /* so is one below it */
};

/* The file system, where the host has it mounted. Returns a descriptor, or -ENODEV. */
int og_resctrl_open(struct og_err *err);

/* Whether the configuration makes sense, and a group of the workload's own is not another's. */
int og_resctrl_check(int root_fd, const struct og_resctrl *resctrl, struct og_err *err);

/* What og_resctrl_prepare() will make after that, to be kept before it does. */
struct og_json *og_resctrl_save(const struct og_resctrl *resctrl);

/*
 * Makes the groups, or finds them, and sets or compares the schemata. Errors: -ENOENT (closID has no
 * group and no schema to make one with), -EINVAL (a group that is there has another schema).
 */
int og_resctrl_prepare(int root_fd, struct og_resctrl *resctrl, struct og_err *err);

/* Puts a process, and what it starts from then on, into them. */
int og_resctrl_enter(int root_fd, const struct og_resctrl *resctrl, pid_t pid, struct og_err *err);

/* Removes what was made, by what og_resctrl_save() gave. What is gone already is success. */
int og_resctrl_remove(int root_fd, const struct og_json *saved, struct og_err *err);
