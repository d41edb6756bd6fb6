/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's reports of a long work (pull, load, push ...): a JSON object a line. */
#pragma once

#include <stdio.h>

#include "client/http.h"

/*
 * Shows the body of @http on @out until its end: on a terminal one line for each part, with a bar
 * that moves; elsewhere a line for each new state. @quiet: only what has no part, and no bars.
 * An error in it becomes ours (-EREMOTEIO). *@ret_last (may be NULL) is the last status, the
 * caller's to free.
 */
int og_progress_show(struct og_http *http, FILE *out, bool quiet, char **ret_last,
		     struct og_err *err);
