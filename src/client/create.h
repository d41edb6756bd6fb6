/* SPDX-License-Identifier: Apache-2.0 */
/* What `run` and `create` share: their options, and the request that follows from them. */
#pragma once

#include "base/json.h"
#include "client/options.h"
#include "client/session.h"

struct og_create_options {
	bool interactive, tty, detach, remove;
	bool read_only, privileged, publish_all, init, no_healthcheck, oom_kill_disable, quiet;
	bool sig_proxy;
	const char *name, *user, *workdir, *entrypoint, *hostname, *domainname;
	const char *isolation, *runtime, *network, *restart, *stop_signal, *platform, *pull;
	const char *cidfile, *detach_keys, *cpus, *cpuset_cpus, *cpuset_mems, *log_driver;
	const char *ipc, *pid, *uts, *userns, *cgroupns, *cgroup_parent, *mac_address, *ip;
	int64_t memory, memory_swap, memory_reservation, shm_size;
	int64_t pids_limit, cpu_shares, cpu_period, cpu_quota, stop_timeout, oom_score_adj;
	int64_t memory_swappiness;
	struct og_words env, env_file, volumes, mounts, tmpfs, labels, label_file, attach;
	struct og_words cap_add, cap_drop, security_opt, ulimit, publish, expose, add_host;
	struct og_words dns, dns_search, dns_option, devices, group_add, log_opt, sysctl, links;
	struct og_words network_alias, annotations, volumes_from, storage_opt;
};

extern const struct og_option og_create_option_table[];
#define OG_CREATE_OPTION_COUNT 78

/* Those that `run` has besides. */
#define OG_RUN_OPTIONS_FIRST 3

/* What the options are before any is read. */
void og_create_defaults(struct og_create_options *options);

/* The body of POST /containers/create. Errors: -EINVAL with a line for the user; files of env. */
int og_create_body(const struct og_create_options *options, const char *image, int argc,
		   char **argv, struct og_json **ret_body, struct og_err *err);

/* --cpus and --restart as members of a HostConfig or an update. @cpus may be NULL. */
int og_set_cpus(struct og_json *host, const char *cpus, struct og_err *err);
int og_set_restart(struct og_json *host, const char *text, struct og_err *err);

/*
 * Creates the workload, and pulls its image first where that is missing or --pull says so. Prints
 * the daemon's warnings. *@ret_id is the caller's to free. Returns 0 or a negative errno.
 */
int og_create_workload(struct og_session *session, const struct og_create_options *options,
		       int argc, char **argv, char **ret_id, struct og_err *err);
