/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of onggi-runtime, by the command line that it shares with runc. */
#pragma once

#include <sys/types.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "monitor/children.h"

struct og_runtime {
	const char *program;
	const char *root;
	const char *isolation;
	const char *id;
	const char *dir; /* absolute; the working directory of each call, which keeps its log there */
	int dir_fd;
	struct og_children *children;
};

/* @err->code is 0 when the call succeeded; else @err is what onggi-runtime said. */
typedef void og_runtime_fn(const struct og_err *err, void *data);

/*
 * Runs `onggi-runtime COMMAND ARGUMENTS... ID LAST`; @arguments is NULL-terminated, @last may be
 * NULL. @fds are what it has as 0 to 2 (-1: /dev/null; NULL: all of them). @fn is called from the
 * loop when it has ended.
 */
int og_runtime_call(const struct og_runtime *runtime, const char *command,
		    const char *const *arguments, const char *last, const int fds[3],
		    og_runtime_fn *fn, void *data, struct og_err *err);
