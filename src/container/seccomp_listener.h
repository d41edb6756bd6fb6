/* SPDX-License-Identifier: Apache-2.0 */
/* linux.seccomp.listenerPath: who answers for SCMP_ACT_NOTIFY, and how it gets to. */
#pragma once

#include <linux/filter.h>

#include "base/err.h"
#include "runtime/isolation.h"

/* Connects to the unix socket @path. Returns a descriptor, the caller's, or a negative errno. */
int og_listener_connect(const char *path, struct og_err *err);

/*
 * The container process state (config-linux.md) of the calling process, the caller's to free.
 * @metadata may be NULL.
 */
int og_listener_message(struct og_workload *workload, enum og_status status, const char *metadata,
			char **ret_message, struct og_err *err);

/*
 * Installs @program for the calling process, which has one thread, and sends its listener and
 * @message over @socket_fd. After success the only call to make is execve().
 */
int og_listener_install(const struct sock_fprog *program, unsigned int flags, int socket_fd,
			const char *message, struct og_err *err);
