/* SPDX-License-Identifier: Apache-2.0 */
/* onggi-registry's command line. */
#pragma once

#include <stdbool.h>

#include "base/err.h"

#define OPTIONS_WORDS_MAX 2

struct options {
	const char *command;		      /* "serve", "gc", "scrub", "account" */
	const char *words[OPTIONS_WORDS_MAX]; /* behind "account": what to do, and with which */
	unsigned word_count;
	const char *addr;   /* NULL: the configuration's, or :5000 */
	const char *root;   /* NULL: likewise, or /var/lib/onggi-registry */
	const char *config; /* NULL: none */
	const char *tls_cert, *tls_key, *tls_client_ca;
	const char *rate;   /* bytes a second of a scrub, NULL: as fast as it goes */
	const char *groups; /* of an account: "GROUP,GROUP"; NULL: not given */
	bool dry_run;
	bool version;
	bool help;
};

/* Errors: -EINVAL (names the option). */
int options_read(int argc, char **argv, struct options *ret_options, struct og_err *err);

void options_help(void);
