/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands that are other programs: what is judged about images (onggi-trust), so that this one
 * links neither parsers of packages nor cryptography, and VMs without an engine (onggi-vm).
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"

/* Is @name the first word of a command of another program's? */
bool og_programs_have(const char *name);

/* Is it no command by itself, only with a second word? */
bool og_programs_are_group(const char *name);

/* The lines of those commands for onggi's own list; only those with the first word @only, unless NULL. */
void og_programs_print(FILE *out, const char *only);

/*
 * Becomes the program that has the command at @argv's beginning, with all of @argv; @host (may be
 * NULL) is where the daemon listens. Returns only when that fails.
 * Errors: -EINVAL (no such second word), what execve(2) says.
 */
int og_programs_exec(char **argv, const char *host, struct og_err *err);
