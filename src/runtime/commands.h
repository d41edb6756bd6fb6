/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the table of commands. */
#pragma once

#include "runtime/command_line.h"
#include "runtime/state.h"

og_command_fn og_command_create, og_command_start, og_command_run, og_command_state,
	og_command_kill, og_command_delete, og_command_exec, og_command_list, og_command_spec,
	og_command_features, og_command_mounts, og_command_pause, og_command_resume,
	og_command_update, og_command_ps, og_command_events, og_command_checkpoint,
	og_command_restore;

/* The row of the table with that name, or of the command line's choice for NULL. */
const struct og_isolation *og_isolation_find(const struct og_context *context, const char *name,
					     struct og_err *err);

/* Loads the workload that the command line names, and finds its isolation. */
int og_workload_open(const struct og_context *context, struct og_workload **ret_workload,
		     const struct og_isolation **ret_isolation, struct og_err *err);

/* Runs the program of a created workload, and the poststart hooks. */
int og_workload_start(struct og_workload *workload, const struct og_isolation *isolation,
		      struct og_err *err);

/* Runs the poststart hooks of one that runs; ends it where one fails. */
int og_workload_poststart(struct og_workload *workload, const struct og_isolation *isolation,
			  struct og_err *err);

/* Ends what is left of it, removes it, runs the poststop hooks. */
int og_workload_delete(const struct og_context *context, struct og_workload *workload,
		       const struct og_isolation *isolation, struct og_err *err);

/* Writes @pid to --pid-file, if there is one. */
int og_pid_file_write(const struct og_args *args, pid_t pid, struct og_err *err);

/* From here on signals wait for og_foreground(): called before a program starts that gets them. */
void og_foreground_begin(void);

/*
 * In the foreground: hands signals on to @pid, and this terminal's bytes to and from
 * @terminal_fd (-1: none), until @pid has ended. Returns its exit status, 128 + N for a signal.
 */
int og_foreground(pid_t pid, int terminal_fd, struct og_err *err);
