/* SPDX-License-Identifier: Apache-2.0 */
/* The last steps of a new process: its user, limits, directory and capabilities, then its program. */
#pragma once

#include "base/err.h"
#include "format/guest.h"
#include "format/passwd.h"

/* Who it will be: start->user looked up in the root that is now "/", else the numbers given. */
int og_become_user(const struct og_guest_start *start, struct og_user *ret_user,
		   struct og_err *err);

/*
 * Becomes @user with the limits, capabilities and directory of @start, and executes its program.
 * Returns only when that failed: -ENOENT (no such program), -EACCES, or what the kernel says.
 */
int og_become(const struct og_guest_start *start, const struct og_user *user, struct og_err *err);
