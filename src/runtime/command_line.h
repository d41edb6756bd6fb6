/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: runc's commands and flags, as tables. */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "runtime/isolation.h"

#define OG_ARGS_LIST_MAX 256 /* of --env and its like; more go into a --process file */

struct og_args_list {
	const char *items[OG_ARGS_LIST_MAX];
	size_t count;
};

/* Everything any command may be told. Text points into argv. */
struct og_args {
	/* global */
	const char *root, *isolation, *log, *log_format;
	char *own_root; /* owned: what root is where it was not given */
	const char *rootless;
	bool debug, systemd_cgroup, help, version;
	const char *ignored; /* flags of runc's that say nothing here */
	bool ignored_flag;
	/* create, run, exec */
	const char *bundle, *pid_file, *console_socket, *pidfd_socket, *preserve_fds;
	bool no_pivot, no_new_keyring, detach, keep, spec_rootless;
	/* exec */
	const char *process, *cwd, *user;
	struct og_args_list env, additional_gids, caps, cgroups;
	bool tty, no_new_privs, ignore_paused;
	/* checkpoint, restore */
	const char *criu, *image_path, *work_path, *parent_path, *manage_cgroups_mode, *lsm_profile,
		*lsm_mount_context;
	bool leave_running, pre_dump, tcp_established, tcp_skip_in_flight, tcp_close, ext_unix_sk,
		shell_job, file_locks, link_remap, auto_dedup;
	struct og_args_list empty_ns;
	/* kill, delete, list */
	bool all, force, quiet;
	const char *format;
	/* events */
	const char *interval;
	bool stats;

	struct {
		const char *resources, *memory, *memory_reservation, *memory_swap, *kernel_memory;
		const char *cpu_share, *cpu_period, *cpu_quota, *cpu_burst, *cpu_rt_period;
		const char *cpu_rt_runtime, *cpu_idle, *cpuset_cpus, *cpuset_mems, *pids_limit;
		const char *blkio_weight, *rdt;
	} update;

	/* what is left: the ID and more */
	char **words;
	int word_count;
};

struct og_context {
	const struct og_args *args;
	const struct og_isolation *const *isolations; /* ended by NULL */
	const char *default_isolation;
};

/* Returns the exit status that the program ends with, or a negative errno. */
typedef int og_command_fn(const struct og_context *context, struct og_err *err);

struct og_command {
	const char *name;
	const char *words; /* for the usage text */
	const char *help;
	int min_words, max_words; /* -1: any number, and flags end at the first */
	og_command_fn *run;
};

/* NULL where there is no such command. */
const struct og_command *og_command_find(const char *name);

/* Fills @ret_args from what stands before the command. Returns the index of the command's name. */
int og_args_read_global(int argc, char **argv, struct og_args *ret_args, struct og_err *err);

/* ... and from what stands behind it. */
int og_args_read_command(const struct og_command *command, int argc, char **argv,
			 struct og_args *args, struct og_err *err);

/* Logs what was noted on the way, at level warning: to --log, or else to standard error. */
void og_args_log_notes(const struct og_args *args, const struct og_notes *notes);

/* The whole program: reads the command line, runs the command, says what failed. */
int og_runtime_main(int argc, char **argv, const struct og_isolation *const *isolations);
