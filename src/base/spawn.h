/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running other programs. Between fork and exec nothing of ours runs (posix_spawn(3)), so this is
 * safe beside threads, and a child inherits exactly the descriptors that were named for it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

#define OG_SPAWN_FDS_MAX 64

struct og_spawn_fd {
	int child_fd;  /* the number it has in the child */
	int parent_fd; /* ours, stays ours; -1: /dev/null */
};

struct og_spawn {
	const char *path;	       /* absolute, or looked up in PATH when it has no slash */
	char *const *argv;	       /* NULL-terminated */
	char *const *envp;	       /* NULL-terminated; NULL: our own */
	const char *cwd;	       /* NULL: our own */
	const struct og_spawn_fd *fds; /* all else is closed, 0 to 2 are /dev/null unless named */
	size_t fd_count;
	bool new_session; /* setsid(): no terminal, and no signals of ours */
};

/*
 * Starts a program with default signal handling and an empty signal mask. On success *@ret_pid is
 * a child to be waited for. Errors: -ENOENT and what else execve() says, -E2BIG (too many fds).
 */
int og_spawn(const struct og_spawn *spawn, pid_t *ret_pid, struct og_err *err);

/*
 * Runs a program to its end and gives what it wrote. *@ret_output (may be NULL: not collected)
 * holds its standard output and standard error, at most @max_bytes, the caller's to free; the
 * rest is read and dropped. Returns its exit status (0 to 255), 128 + N when signal N ended it, or
 * a negative errno.
 */
int og_spawn_wait(const struct og_spawn *spawn, size_t max_bytes, char **ret_output,
		  struct og_err *err);

/* waitpid() that is never interrupted. Returns a status as og_spawn_wait(), or a negative errno. */
int og_wait_status(pid_t pid);
