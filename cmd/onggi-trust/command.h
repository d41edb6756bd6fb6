/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onggi-trust's commands, as tables: a file of commands has one, main.c lists them. A command reads
 * its options into a struct of its own, runs, and gives an exit status, or a negative errno with a
 * line that the program prints.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "client/options.h"

#define EXIT_USAGE 125 /* a wrong use, as onggi's and docker's */

/* What a command gives back for a wrong use that only it can see; the text names the option. */
#define TRUST_WRONG_USE (-EBADRQC)

struct trust_command {
	const char *name;      /* one word or more: "scan", "key generate" */
	const char *arguments; /* for the usage line */
	const char *summary;
	const struct og_option *options;
	size_t option_count;
	size_t values_size;
	int least, most; /* words besides options; most -1: any number */
	int failure;	 /* exit status of an error; 0: 1 */
	int (*run)(const void *values, int argc, char **argv, struct og_err *err);
};

/* Of a command that asks registries: the member "insecure", a struct og_words, of its options @type. */
#define TRUST_INSECURE(type)                                     \
	OG_OPTION(type, insecure, "insecure", 0, OG_OPTION_LIST, \
		  "HOST that may speak HTTP or show any certificate")

/* The members of a command that say what its options are, and into which struct they go. */
#define TRUST_OPTIONS(table, type)                                              \
	.options = (table), .option_count = sizeof(table) / sizeof((table)[0]), \
	.values_size = sizeof(type)

/* Each file's table, ended by {}. */
extern const struct trust_command trust_copy_commands[];
extern const struct trust_command trust_key_commands[];
extern const struct trust_command trust_policy_commands[];
extern const struct trust_command trust_scan_commands[];
extern const struct trust_command trust_scan_db_commands[];
extern const struct trust_command trust_sign_commands[];
extern const struct trust_command trust_verify_commands[];
extern const struct trust_command trust_vm_commands[];
