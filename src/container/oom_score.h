/* SPDX-License-Identifier: Apache-2.0 */
/* process.oomScoreAdj: /proc/PID/oom_score_adj (proc(5)) */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "format/oci_config.h"

/* Sets it for a process that has it not yet. */
int og_oom_score_set(pid_t pid, const struct og_oci_process *process, struct og_err *err);

/*
 * For an ordinary user: that file of a process that hides is root's, but children inherit the
 * value, so ours is changed for as long as it takes to make a child.
 */
struct og_oom_score {
	bool wanted;  /* something is to be done */
	int fd;	      /* owned */
	char own[16]; /* the value that it had */
};

/* Before og_hide_begin(). Opens nothing for root, or where the configuration does not ask for it. */
void og_oom_score_open(struct og_oom_score *score, const struct og_oci_process *process);
int og_oom_score_lend(struct og_oom_score *score, const struct og_oci_process *process,
		      struct og_err *err);
void og_oom_score_take_back(const struct og_oom_score *score);
void og_oom_score_done(struct og_oom_score *score);
