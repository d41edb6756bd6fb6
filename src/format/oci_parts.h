/* SPDX-License-Identifier: Apache-2.0 */
/* What oci_config.c and oci_check.c share. */
#pragma once

#include "format/oci_config.h"

/* Each may also fill in what was left out. Errors: -EINVAL; the text names the member's path. */
int og_oci_check_process(struct og_oci_process *process, struct og_err *err);
int og_oci_check_resources(const struct og_oci_resources *resources, struct og_err *err);
int og_oci_check_config(struct og_oci_config *config, struct og_err *err);
