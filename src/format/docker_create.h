/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of POST /containers/create (Docker Engine API 1.41): Config with HostConfig inside.
 *
 * Unknown members are skipped as Docker does, and names are matched exactly, so that what was
 * checked is what is run (A34). A member that asks for something that is not there yet is refused
 * with -ENOSYS and named, never ignored; values by which it says "nothing asked" pass. No I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"

#define OG_CREATE_MOUNTS_MAX 512U   /* the kernel allows 100,000 in a namespace; people use ten */
#define OG_CREATE_LIST_MAX   16384U /* elements of Cmd, Env, Labels ... */

enum og_mount_type {
	OG_MOUNT_BIND,	 /* @source is a path of the host */
	OG_MOUNT_VOLUME, /* @source is a volume's name, NULL: anonymous */
	OG_MOUNT_TMPFS,
};

/* One of Binds, Mounts, Tmpfs or Volumes. Strings are owned by the og_create. */
struct og_create_mount {
	enum og_mount_type type;
	char *source;
	char *target; /* absolute and clean: no "..", never "/" (A30) */
	bool read_only;
	bool no_copy;	     /* a volume is not filled from the image */
	bool make_source;    /* Binds: a missing source is made a directory, as Docker does */
	char *propagation;   /* "rprivate" ...; NULL: default */
	char *tmpfs_options; /* "size=64m,mode=1777"; NULL: default */
};

struct og_create_ulimit {
	const char *name; /* "nofile" */
	int64_t soft, hard;
};

enum og_network_mode {
	OG_NETWORK_DEFAULT, /* "", "default", "bridge": none today, said in Warnings */
	OG_NETWORK_NONE,
	OG_NETWORK_HOST,
};

/*
 * Text and JSON values are borrowed from the body's tree. Lists are arrays of strings, maps are
 * objects of strings; NULL: not given.
 */
struct og_create {
	const char *image; /* NULL when not given */
	const char *user, *working_dir, *hostname, *domainname,
		*stop_signal; /* "" when not given */
	bool tty, open_stdin, stdin_once, attach_stdin, attach_stdout, attach_stderr;
	int64_t stop_timeout_s; /* -1: not given */
	const struct og_json *env, *cmd, *entrypoint, *labels;

	/* HostConfig */
	bool auto_remove, privileged, readonly_rootfs, init, oom_kill_disable;
	bool no_new_privileges, seccomp_unconfined;
	const char *seccomp_profile; /* JSON text, NULL: the default one */
	const char *isolation;	     /* "container" or "vm" */
	enum og_network_mode network;
	const char *restart_policy; /* "no", "always", "unless-stopped", "on-failure" */
	int64_t restart_max;
	const char *ipc_mode, *pid_mode, *uts_mode, *cgroupns_mode; /* "", "host", "private" ... */
	const char *log_type;					    /* "json-file", "none" */
	int64_t log_max_bytes, log_max_files;			    /* 0: default */
	int64_t memory, memory_swap, memory_reservation, memory_swappiness; /* 0, 0, 0, -1: unset */
	int64_t cpu_shares, cpu_period, cpu_quota, nano_cpus, blkio_weight, pids_limit, shm_size;
	int64_t oom_score_adj;
	int64_t console_rows, console_columns;
	const char *cpuset_cpus, *cpuset_mems;
	const struct og_json *cap_add, *cap_drop, *group_add, *extra_hosts;
	const struct og_json *dns, *dns_search, *dns_options, *sysctls, *masked_paths,
		*readonly_paths;

	struct og_create_mount *mounts; /* by target no two the same; shallow before deep */
	size_t mount_count;
	struct og_create_ulimit *ulimits;
	size_t ulimit_count;
};

/*
 * Reads @body, an object, which must outlive *@ret_create (the caller's to free).
 * Errors: -EINVAL, -ERANGE, -E2BIG (a mistake of the client's), -ENOSYS (not there yet), -ENOMEM.
 */
int og_create_decode(const struct og_json *body, struct og_create **ret_create, struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_create *og_create_free(struct og_create *create);
OG_DEFINE_CLEANUP(struct og_create, og_create_free)

/*
 * A new body in which what was not given comes from the image's configuration (@image_config is
 * the whole document), by Docker's rules: Env and Labels are joined by name, Cmd counts only when
 * Entrypoint was not given. Nothing but Env, Cmd, Entrypoint, Labels, Volumes, ExposedPorts,
 * WorkingDir, User and StopSignal is ever taken from an image (A27).
 */
struct og_json *og_create_complete(const struct og_json *body, const struct og_json *image_config);

/* "/a/./b//../c" -> "/a/c", never above "/". NULL when @path is not absolute or memory ran out. */
char *og_clean_path(const char *path);

/* Containers' names: [a-zA-Z0-9][a-zA-Z0-9_.-]+, at most 255; a leading '/' is Docker's habit. */
bool og_name_is_valid(const char *name);

/* "SIGTERM", "TERM", "15" -> 15; 0: no such signal. */
int og_signal_parse(const char *text);
