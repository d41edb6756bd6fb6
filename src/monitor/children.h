/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that end: our own children, and those that were handed to us as the subreaper (the
 * workload's init and execs, whose parent, onggi-runtime, has gone before).
 */
#pragma once

#include <sys/types.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/loop.h"

struct og_children;

/* @status: 0 to 255, or 128 + N when signal N ended it. */
typedef void og_child_fn(int status, void *data);

/* Becomes the subreaper and watches SIGCHLD. On success *@ret_children is the caller's to free. */
int og_children_new(struct og_loop *loop, struct og_children **ret_children, struct og_err *err);

/* Accepts NULL. Always returns NULL. Free it after the loop's last run. */
struct og_children *og_children_free(struct og_children *children);
OG_DEFINE_CLEANUP(struct og_children, og_children_free)

/*
 * From now on until og_children_expected(), processes that nobody watches are remembered when
 * they end, since one of them may be asked for: an exec can end before its pid is known.
 */
void og_children_expect(struct og_children *children);
void og_children_expected(struct og_children *children);

/* Calls @fn once when @pid has ended, from the loop; at once if it is remembered. */
int og_children_watch(struct og_children *children, pid_t pid, og_child_fn *fn, void *data,
		      struct og_err *err);

/* Forgets a child just made, whose number an older process may have had. */
void og_children_is_new(struct og_children *children, pid_t pid);
