/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process that serves one folder of the host to a guest (server.h), apart from everything else:
 * own user, PID, mount, network, IPC, UTS and cgroup namespaces; the folder is all the files there
 * are; a handful of capabilities over its files, or none; every system call but those that serving
 * files takes kills it. It ends when its socket is closed.
 *
 * Started by root it sees all users as they are; by anybody else, or where the host gives no such
 * namespace, all files are made as the one user that started it.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

struct og_fs_share {
	int dir_fd; /* a folder, or a single file: then the folder shared has that alone, as "file" */
	bool readonly;
};

/*
 * Starts it. The caller has one thread. dir_fd stays the caller's. *@ret_fd is the guest's end of a
 * socket (server.h); the process is a child, which is not waited for.
 * Errors: -ENOTDIR, those of the kernel, with texts.
 */
int og_fs_start(const struct og_fs_share *share, int *ret_fd, struct og_err *err);
