/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a process of the workload comes to be. The first gets namespaces of its own (guest/world.h),
 * all others join them. Between fork and exec a child tells how it goes over a socket: a failure,
 * or its terminal's master; its end without either means that the program runs.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "format/guest.h"

#define OG_CGROUP "/sys/fs/cgroup/workload" /* all processes of the workload */

struct og_launched {
	pid_t pid;
	int pid_fd;    /* owned */
	int report_fd; /* owned; for og_launch_report() */
	int fds[3];    /* owned, non-blocking: our ends of its streams; -1 where there is none */
};

/*
 * Starts the child. @main_pid_fd is that of the first process, negative when this is the first.
 * On success *@ret_launched is the caller's to close.
 */
int og_launch(const struct og_guest_start *start, int main_pid_fd, struct og_launched *ret_launched,
	      struct og_err *err);

/*
 * Reads what the child has to say. Returns 1 when the program runs; 0 when *@ret_terminal_fd is
 * the (non-blocking) master of its terminal, and more is to come; or its failure.
 */
int og_launch_report(int report_fd, int *ret_terminal_fd, struct og_err *err);
