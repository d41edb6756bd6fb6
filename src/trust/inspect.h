/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks into images, folders, disks and bills of materials, and makes an inventory (inventory.h) of
 * each. Nothing is run, mounted or unpacked. What is read is a stranger's: damaged databases of a
 * distribution's packages are an error, since nothing could be said of what they hide; damaged
 * files of a language's packages are passed over, as the language itself would.
 *
 * On success *@ret_inventory is the caller's to free. Errors of all: -EBADMSG (damaged), -E2BIG,
 * -EFBIG (a limit), -ENOMEM, what reading says.
 */
#pragma once

#include "trust/inventory.h"

/* A root file system below @dir_fd. Links are not followed, other file systems not entered. */
int og_inspect_folder(int dir_fd, const char *target, struct og_inventory **ret_inventory,
		      struct og_err *err);
