/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process that reads a stranger's bytes gives up before it does, for good: new privileges,
 * capabilities, and with Landlock (5.13 and later) all of the file system but what it has open and one
 * folder to read in. Threads there must be none.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

struct og_confine {
	int folder_fd;	/* stays readable, with all below it; negative: none */
	bool read_any;	/* keeps CAP_DAC_READ_SEARCH: files of others in that folder */
	bool temporary; /* files without a name may be made in the folder for such */
};

/* A kernel without Landlock is no error. Errors: what the kernel says. */
int og_confine(const struct og_confine *confine, struct og_err *err);
