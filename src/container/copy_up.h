/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/err.h"

/*
 * Copies what is in the folder @source_fd into the empty one @target_fd (tmpcopyup): files,
 * folders, links, with owners, modes and times; of special files the FIFOs. Follows no link.
 * Errors: -ELOOP (deeper than any real tree), -ENOSPC and what else the target says.
 */
int og_copy_up(int source_fd, int target_fd, struct og_err *err);
