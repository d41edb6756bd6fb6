/* SPDX-License-Identifier: Apache-2.0 */
/* A terminal of the workload's own devpts, and handing its master to who asked for it. */
#pragma once

#include "base/err.h"
#include "format/oci_config.h"

/* Connects to the socket that a caller listens on. Returns a descriptor. */
int og_console_connect(const char *path, struct og_err *err);

/*
 * Makes a terminal on the devpts at /dev/pts of @root_fd, sends its master over @socket_fd
 * (SCM_RIGHTS, as runc does), and gives the slave, the caller's.
 */
int og_console_make(int root_fd, int socket_fd, const struct og_oci_process *process,
		    int *ret_slave_fd, struct og_err *err);

/* Makes it the controlling terminal and standard streams of this session's leader. */
int og_console_take(int slave_fd, struct og_err *err);

/* The other side: receives a master. Returns its descriptor. */
int og_console_receive(int socket_fd, struct og_err *err);
