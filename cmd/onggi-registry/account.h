/* SPDX-License-Identifier: Apache-2.0 */
/* onggi-registry account: the registry's own accounts. */
#pragma once

#include "base/err.h"
#include "options.h"

/* Runs what @options say on the accounts of the registry in @root; a server may go on meanwhile. */
int account(const char *root, const struct options *options, struct og_err *err);
