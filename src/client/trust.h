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
bool og_trust_has(const char *name);

/* Those that belong into onggi's own list of commands. */
void og_trust_print(FILE *out);

/*
 * Becomes that program with @argv, whose first word is the command; @host (may be NULL) is where the
 * daemon listens. Returns only when that fails.
 */
int og_trust_exec(char **argv, const char *host, struct og_err *err);
