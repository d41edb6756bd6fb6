/* SPDX-License-Identifier: Apache-2.0 */
/* onggid's command line, named as dockerd's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define LIST_MAX 64

struct options {
	const char *hosts[LIST_MAX + 1]; /* NULL-terminated */
	size_t host_count;
	const char *insecure[LIST_MAX + 1]; /* NULL-terminated */
	size_t insecure_count;
	const char *data_root;
	const char *exec_root;
	const char *pidfile;
	const char *group;
	const char *log_level;
	const char *policy;
	bool debug;
	bool version;
	bool help;
};

/* Errors: -EINVAL (names the option). */
int options_read(int argc, char **argv, struct options *ret_options, struct og_err *err);

void options_help(void);
