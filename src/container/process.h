/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last steps before a program runs, the same for a workload's first process and for exec:
 * limits, user, directory, capabilities, seccomp. Everything that can fail for a reason in the
 * configuration is found out before og_process_exec().
 */
#pragma once

#include "container/label.h"
#include "container/seccomp.h"
#include "format/oci_config.h"

struct og_process_setup {
	const struct og_oci_config *config; /* the workload's; of its process only @process counts */
	const struct og_oci_process *process;
	const struct og_seccomp *seccomp; /* NULL: none */
	unsigned preserve_fds;
	bool make_cwd;	     /* a missing working directory is made */
	bool user_namespace; /* ours: groups may be refused */
};

/* What og_process_exec() is to run; points into the configuration and into itself. */
struct og_program {
	char *path;	  /* owned */
	const char **env; /* owned; its strings are not, but HOME */
	char *home;	  /* owned */
	/* Descriptors, -EBADF where there is none; execve() closes them. */
	struct og_labels labels;
	int landlock_fd;
};

/* In the workload's root already. Ends with the process's own user and no capability too many. */
int og_process_become(const struct og_process_setup *setup, struct og_program *ret_program,
		      struct og_err *err);

/* Installs the seccomp filter and runs the program. Returns only a failure. */
int og_process_exec(const struct og_process_setup *setup, const struct og_program *program,
		    struct og_err *err);
