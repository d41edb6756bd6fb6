/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OCI runtime contract (runtime.md, runtime-linux.md of the runtime specification): a bundle
 * becomes a workload with a state and a life cycle. How it is isolated is an og_isolation: a table
 * of operations that container/ (the host's kernel) and vm/ (a hypervisor) each fill in once, and
 * that cmd/onggi-runtime ties together. This part must never know either of them.
 *
 * What is on disk: ROOT/ID/ (0700) with state.json, config.json (the bundle's, as it was at
 * create), start.sock (there from create to start) and what the isolation keeps there itself.
 * Deleting needs ROOT/ID/ and nothing else, so `delete --force` cleans up after a SIGKILL at any
 * moment, if the isolation follows the rule at create below.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/json.h"
#include "format/oci_config.h"
#include "runtime/notes.h"

enum og_status {
	OG_STATUS_CREATING,
	OG_STATUS_CREATED,
	OG_STATUS_RUNNING,
	OG_STATUS_PAUSED,
	OG_STATUS_STOPPED,
};

/* One workload, as state.json holds it. Strings are owned by the workload (runtime/state.h). */
struct og_workload {
	const char *id;
	const char *bundle; /* absolute */
	const char *isolation;
	int dir_fd; /* ROOT/ID */
	const struct og_oci_config *config;
	const char *config_text; /* what config was read from */

	/* Set by the isolation before og_workload_save(). */
	pid_t pid;	    /* init; for a VM its supervisor; 0 while there is none */
	uint64_t pid_start; /* field 22 of /proc/PID/stat: tells a reused pid apart */
	struct og_json *
		extra; /* the isolation's own: an object, owned by the workload, kept in state.json */
	struct og_notes notes; /* what is to be logged besides errors; owned */
};

struct og_create_options {
	const char *console_socket; /* path; NULL: none */
	unsigned preserve_fds;	    /* descriptors 3 to 3 + N - 1 are handed on */
	bool no_pivot;
	bool no_new_keyring;
	/*
	 * The pty master to be used where the process wants a terminal and the caller has no
	 * console socket (`run` in the foreground): *@console_fd is set to it. NULL: not wanted.
	 */
	int *console_fd;
	/*
	 * For `run`, which starts at once what it makes: the isolation may go on to the user's
	 * process by itself. It sets *@started where it has done so, and makes no start.sock then.
	 * NULL: it waits for `start`.
	 */
	bool *started;
	bool in_user_namespace;	    /* this process is, to begin with */
	const char *systemd_helper; /* control groups of systemd's: onggi-systemd; NULL: our own */
	bool lenient_cgroups;	    /* do without those that this user may not have */
};

struct og_exec_options {
	const struct og_oci_process *process;
	const char *console_socket;
	int *console_fd; /* as for create */
	unsigned preserve_fds;
	const char *const *cgroups; /* "[CONTROLLER,...:]PATH" below the workload's own */
	size_t cgroup_count;	    /* 0: that itself */
};

struct og_oom_watch; /* runtime/cgroup_events.h */

/* Of checkpoint and restore; paths are the caller's and of the host. */
struct og_criu_options {
	const char *criu;	 /* the program; NULL: criu in PATH */
	const char *image_path;	 /* folder of the files; is there */
	const char *work_path;	 /* folder of CRIU's log; NULL: the files' (restore: the state's) */
	const char *parent_path; /* of the pre-dump before it, relative to image_path, or NULL */
	const char *manage_cgroups; /* as CRIU has it; NULL: our groups, made anew */
	const char *lsm_profile, *lsm_mount_context;
	bool leave_running, pre_dump;
	bool tcp_established, tcp_skip_in_flight, tcp_close;
	bool ext_unix_sk, shell_job, file_locks, link_remap, auto_dedup, empty_network;
};

struct og_isolation {
	const char *name; /* of --isolation: "container", "vm" */

	/*
	 * Makes everything up to, but not including, the user's process.
	 *
	 * Before anything is made that would outlive a SIGKILL of this process, @workload->extra
	 * must say how to find it and og_workload_save() must have been called; once the pid is
	 * known, pid and pid_start are set and it is saved again. On success a process listens on
	 * ROOT/ID/start.sock (og_gate_open()) or has gone on (@started), is a child of this process with this process's
	 * stdio (or a terminal whose master went to the console socket), and its wait status will
	 * be the workload's. On failure everything made is gone again.
	 *
	 * Hooks: the isolation calls og_hooks_run() for prestart, createRuntime and (in the
	 * workload's namespaces) createContainer and startContainer; the rest is done for it.
	 */
	int (*create)(struct og_workload *workload, const struct og_create_options *options,
		      struct og_err *err);

	/* Sends @signal to the first process, or with @all to every process. -ESRCH: none there. */
	int (*kill)(struct og_workload *workload, int signal, bool all, struct og_err *err);

	/* Kills what is left and removes what create made outside of ROOT/ID. May be repeated. */
	int (*destroy)(struct og_workload *workload, struct og_err *err);

	/*
	 * Starts one more process in a running workload: *@ret_pid is a child of this process
	 * with this process's stdio, whose wait status is that of the process.
	 */
	int (*exec)(struct og_workload *workload, const struct og_exec_options *options,
		    pid_t *ret_pid, struct og_err *err);

	/* Whether a live workload is paused. NULL: it never is. */
	bool (*paused)(struct og_workload *workload);

	/* ---- NULL, all below: it cannot be done with this isolation ---- */

	/* Stops every process, or lets it go on. Returns when that is so. */
	int (*pause)(struct og_workload *workload, bool paused, struct og_err *err);

	/* Sets those limits that @resources has, and leaves the others as they are. */
	int (*update)(struct og_workload *workload, const struct og_oci_resources *resources,
		      struct og_err *err);

	/*
	 * Mounts in a running workload what @mounts lists (all or none), in the way of create, or
	 * removes what is mounted at their destinations.
	 */
	int (*mounts)(struct og_workload *workload, const struct og_oci_config *mounts, bool add,
		      struct og_err *err);

	/* Every process in it, as this process's PID namespace numbers them; the caller's to free. */
	int (*pids)(struct og_workload *workload, pid_t **ret_pids, size_t *ret_count,
		    struct og_err *err);

	/*
	 * Writes a running or paused workload to files, as @options say, and ends it unless
	 * @leave_running or @pre_dump.
	 */
	int (*checkpoint)(struct og_workload *workload, const struct og_criu_options *options,
			  struct og_err *err);

	/* As create, and it runs: its processes are those of the files. */
	int (*restore)(struct og_workload *workload, const struct og_criu_options *options,
		       struct og_err *err);

	/* What it uses, in the shape of runc's `events --stats` ("data"); the caller's. */
	int (*stats)(struct og_workload *workload, struct og_json **ret_stats, struct og_err *err);

	/* Listens for the end of its memory; the caller's to end. */
	int (*oom)(struct og_workload *workload, struct og_oom_watch *ret_watch,
		   struct og_err *err);

	/* Adds what it has to say about this host to the annotations of `features`. May be NULL. */
	void (*features)(struct og_json *annotations);
};
