/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onggi's commands, as tables. A command reads its options into a struct of its own, runs, and
 * gives an exit status, or a negative errno with a line that the program prints.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "client/options.h"
#include "client/session.h"

#define OG_EXIT_USAGE 125 /* as docker's: of `run`, and of every wrong use */

struct og_command {
	const char *name;
	const char *arguments; /* for the usage line */
	const char *summary;
	const struct og_option *options;
	size_t option_count;
	size_t values_size;
	void (*set_defaults)(void *values); /* NULL: all zero */
	int least, most;		    /* words besides options; most -1: any number */
	bool words_end_options;		    /* what follows the first word is the workload's */
	int failure;			    /* exit status of an error; 0: 1 */
	int (*run)(struct og_session *session, const void *values, int argc, char **argv,
		   struct og_err *err);
};

/* Each file's table, by its count: { NULL } ends it. */
extern const struct og_command og_run_commands[];
extern const struct og_command og_lifecycle_commands[];
extern const struct og_command og_control_commands[];
extern const struct og_command og_stats_commands[];
extern const struct og_command og_list_commands[];
extern const struct og_command og_show_commands[];
extern const struct og_command og_image_commands[];
extern const struct og_command og_registry_commands[];
extern const struct og_command og_stream_commands[];

/* Runs the program's whole command line. Returns its exit status. */
int og_client_main(int argc, char **argv);
