/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of ecosystems, as OSV has them ("Debian:12", "Alpine:v3.18", "npm"), and of the packages in
 * them. Records and installed packages meet in one form.
 */
#pragma once

#include <stddef.h>

#include "format/vulnerability.h"

/*
 * "Ubuntu:22.04:LTS" -> "Ubuntu:22.04", "Red Hat:enterprise_linux:9::baseos" -> "Red Hat:9", "SUSE:Linux
 * Enterprise Module for Basesystem 15 SP5-LTSS" -> "SUSE:15.5"; others as they are. Errors: -ENOENT (one whose versions have no order here), -EINVAL (too long, control bytes).
 */
int og_ecosystem_normalize(const char *ecosystem, char ret_ecosystem[OG_ECOSYSTEM_MAX]);

/*
 * Of a distribution, from ID and VERSION_ID of its os-release(5): "debian", "12.4" -> "Debian:12".
 * Errors: -ENOENT (not known, or it has no version).
 */
int og_ecosystem_of_os(const char *os_id, const char *os_version,
		       char ret_ecosystem[OG_ECOSYSTEM_MAX]);

/* The name under which a package is found: PyPI's by PEP 503, others as they are. -EINVAL: too long. */
int og_ecosystem_package(const char *ecosystem, const char *name,
			 char ret_name[OG_VULN_NAME_MAX + 1]);
