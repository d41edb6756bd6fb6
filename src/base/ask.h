/* SPDX-License-Identifier: Apache-2.0 */
/* Asks a person at a terminal for one line. */
#pragma once

#include <stdbool.h>

#include "base/err.h"

#define OG_ASK_MAX 4096U /* bytes of a line: a terminal's own bound */

/*
 * Asks @question on the terminal @fd. @secret: what is typed is not shown, from the moment that the
 * question is there. On success *@ret_line, without its end, is the caller's to free.
 *
 * Errors: -ENOTTY (no terminal), -ENODATA (nothing was typed), -ECANCELED (Ctrl-C), -ENOMEM.
 */
int og_ask(int fd, const char *question, bool secret, char **ret_line, struct og_err *err);
