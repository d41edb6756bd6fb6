/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A workload's config.json (OCI runtime-spec 1.2) from what was asked for, by Docker's rules and
 * defaults. Does no I/O: what has to be looked up was looked up by the caller.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "format/docker_create.h"
#include "format/passwd.h"

/* Processes of a workload that was given no limit: a fork bomb stays its own problem (A25). */
#define OG_SPEC_PIDS_DEFAULT 4096

/* One more mount, behind the default ones. Borrowed. */
struct og_spec_mount {
	const char *type; /* "bind", "tmpfs" */
	const char *source;
	const char *target;
	bool read_only;
	const char *propagation;   /* NULL: rprivate */
	const char *tmpfs_options; /* comma-separated, for tmpfs; NULL: none */
};

struct og_spec {
	const char *id;
	const struct og_create *create;
	const char *const *args; /* NULL-terminated */
	const char *hostname;
	const struct og_user *user;
	const uint32_t *more_groups; /* GroupAdd, resolved */
	size_t more_group_count;
	const struct og_spec_mount *mounts;
	size_t mount_count;
	const char *vm_disks; /* value of the annotation, NULL: a container */
};

/*
 * On success *@ret_config is the caller's. Errors: -EINVAL (a capability that does not exist, a ulimit
 * that does not), -ENOSYS.
 */
int og_spec_make(const struct og_spec *spec, struct og_json **ret_config, struct og_err *err);

/* Its linux.resources without devices: what may be changed while it runs. The caller's. */
struct og_json *og_spec_limits(const struct og_create *create);

/*
 * The `process` object of a further process in a workload. @body is that of POST
 * /containers/x/exec, checked by the caller: Cmd, Env, WorkingDir, Privileged, Tty are used.
 */
int og_spec_exec_process(const struct og_create *create, const struct og_user *user,
			 const char *hostname, const struct og_json *body,
			 struct og_json **ret_process, struct og_err *err);
