/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is judged about images is done by another program, onggi-trust, so that this one links
 * neither parsers of packages nor cryptography.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"

/* Is @name the first word of one of onggi-trust's commands? */
bool og_trust_has(const char *name);

/* Those that belong into onggi's own list of commands. */
void og_trust_print(FILE *out);

/*
 * Becomes onggi-trust with @argv, whose first word is the command; @host (may be NULL) is where the
 * daemon listens. Returns only when that fails.
 */
int og_trust_exec(char **argv, const char *host, struct og_err *err);
