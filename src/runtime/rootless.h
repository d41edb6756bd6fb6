/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who runs the runtime: root, or somebody who may do less. An ordinary user gets all rights that a
 * workload needs in a user namespace of his own; control groups are his only where a part of their
 * trees was given to him.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "runtime/cgroup.h"
#include "runtime/notes.h"

/* Whether this process is in a user namespace that somebody made: then even root may do less. */
bool og_rootless_inside(void);

/*
 * Reads --rootless (auto, true, false; NULL: auto) into whether control groups that may not be
 * used are to be done without, and og_rootless_inside(). Errors: -EINVAL.
 */
int og_rootless_read(const char *flag, bool *ret_lenient, bool *ret_inside, struct og_err *err);

/*
 * The folder of states where --root was not given: $XDG_RUNTIME_DIR/onggi-runtime for an ordinary
 * user, else /run/onggi-runtime. The caller's to free; NULL when memory ran out.
 */
char *og_rootless_root(void);

/* What of the kernel's settings keeps users from making user namespaces, or "". */
const char *og_rootless_obstacle(void);

/*
 * Takes those trees out of @cgroup in which this user may not have a group, and chooses groups
 * in the others where @cgroups_path is NULL: beside our own one, or below it. *@ret_denied (the
 * caller's) has the trees that were taken out, @dir being the group that this process is in, and
 * stays in. Errors: -ENOMEM.
 */
int og_rootless_cgroups(struct og_cgroup *cgroup, const char *cgroups_path, const char *id,
			struct og_cgroup **ret_denied, struct og_err *err);

/* A line for the log about @denied; nothing where there is none. */
void og_rootless_note(const struct og_cgroup *denied, struct og_notes *notes);
