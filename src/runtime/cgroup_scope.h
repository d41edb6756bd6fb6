/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second driver: systemd owns the trees, and a workload's groups are those of a transient
 * scope. systemd makes the folders of the controllers that it knows and is told those limits that it
 * has properties for, so that it does not take them back; then everything is as without it: what
 * is missing is made, and all limits are written.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "runtime/cgroup.h"
#include "runtime/systemd.h"

struct og_scope {
	char *unit;   /* "onggi-x.scope" */
	char *slice;  /* "system.slice" */
	char *helper; /* OG_SYSTEMD_HELPER, absolute */
	char *token;  /* its description, which tells it from another of that name */
	bool user;    /* of the user's manager, not the system's */
	bool started; /* before, its folders may be another's */
	/* A member of the scope from its start until the workload's processes are: no scope is empty. */
	struct og_systemd keeper;
};

/*
 * As og_cgroup_find(), for @cgroups_path "SLICE:PREFIX:NAME", each of which may be empty; NULL:
 * "system.slice:onggi:ID" ("user.slice:..." with @user). @helper is copied. Nothing is made.
 */
int og_scope_find(const char *cgroups_path, const char *id, const char *helper, bool user,
		  struct og_cgroup **ret_cgroup, struct og_err *err);

/*
 * Starts the scope with those of @resources that systemd knows, and corrects the folders of
 * @cgroup to where systemd put it. Errors: og_systemd_ask()'s; then there is no scope of
 * ours, or systemd will find it empty and remove it.
 */
int og_scope_start(struct og_cgroup *cgroup, const struct og_oci_resources *resources,
		   struct og_err *err);

/*
 * Whether only systemd may move processes into it: an ordinary user may not write to the groups
 * above the one that he is in.
 */
bool og_scope_moves(const struct og_cgroup *cgroup);
int og_scope_attach(struct og_cgroup *cgroup, pid_t pid, struct og_err *err);

/* Once the workload's processes are in it. */
void og_scope_release(struct og_scope *scope);

/* Tells it of changed limits. */
int og_scope_update(const struct og_cgroup *cgroup, const struct og_oci_resources *resources,
		    struct og_err *err);

/* Removes the scope. Where no systemd answers there is none. May be repeated. */
int og_scope_stop(const struct og_scope *scope, struct og_err *err);

/* To and from the state. */
struct og_json *og_scope_save(const struct og_scope *scope);
int og_scope_load(const struct og_json *saved, struct og_scope **ret_scope, struct og_err *err);
struct og_scope *og_scope_free(struct og_scope *scope);
OG_DEFINE_CLEANUP(struct og_scope, og_scope_free)

/* ---- shared by its files ---- */

/* "a-b.slice" is "/a.slice/a-b.slice", "-.slice" is "". NULL: no name of a slice. */
char *og_slice_path(const char *slice);

/* Adds [["NAME", "TYPE", VALUE], ...] to @list. @v2: the trees' version. */
void og_scope_properties(const struct og_oci_resources *resources, bool v2, struct og_json *list);
void og_scope_property(struct og_json *list, const char *name, const char *type,
		       struct og_json *value);
