/* SPDX-License-Identifier: Apache-2.0 */
/* Workloads on disk: ROOT/ID/state.json and what belongs to it. */
#pragma once

#include "base/cleanup.h"
#include "runtime/isolation.h"

#define OG_ID_MAX      1024    /* bytes; as runc */
#define OG_OCI_VERSION "1.3.0" /* of the runtime specification, as the state says */

/* Letters, digits, and "_+-." not at the front, so that an ID is always a plain file name. */
int og_id_check(const char *id, struct og_err *err);

/*
 * Makes ROOT (0700, if missing) and ROOT/ID for a new workload from @bundle's config.json.
 * Nothing of state.json is written yet. On success *@ret_workload is the caller's to free.
 * Errors: -EEXIST (the ID is taken), and what reading the bundle says.
 */
int og_workload_new(const char *root, const char *id, const char *bundle, const char *isolation,
		    struct og_workload **ret_workload, struct og_err *err);

/*
 * Reads ROOT/ID. A folder whose creation was interrupted before state.json existed is a stopped
 * workload without pid and config. Errors: -ENOENT (no such workload).
 */
int og_workload_load(const char *root, const char *id, struct og_workload **ret_workload,
		     struct og_err *err);

/*
 * The same, once nobody else is at work on it (who creates it, who deletes it); the others wait
 * until it is freed. What they did meanwhile is seen.
 */
int og_workload_load_locked(const char *root, const char *id, struct og_workload **ret_workload,
			    struct og_err *err);

/* Writes state.json, whole or not at all. */
int og_workload_save(struct og_workload *workload, struct og_err *err);

/* Removes ROOT/ID. */
int og_workload_remove(const char *root, struct og_workload *workload, struct og_err *err);

/* Adds NAME=VALUE to the environment of its program. For create: it is not saved. */
int og_workload_add_env(struct og_workload *workload, const char *name, const char *value,
			struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_workload *og_workload_free(struct og_workload *workload);
OG_DEFINE_CLEANUP(struct og_workload, og_workload_free)

/*
 * Found by looking at the process: @isolation may be NULL (then never paused). One that `run` has
 * not finished making counts as creating, not as running.
 */
enum og_status og_workload_status(struct og_workload *workload,
				  const struct og_isolation *isolation);
const char *og_status_name(enum og_status status);

/* Field 22 of /proc/PID/stat, 0 when there is no such process or it is a zombie. */
uint64_t og_pid_start(pid_t pid);

/* The state object of the specification (runtime.md, State), as hooks and `state` see it. */
struct og_json *og_workload_state_json(struct og_workload *workload, enum og_status status);
