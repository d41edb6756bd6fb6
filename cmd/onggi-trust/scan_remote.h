/* SPDX-License-Identifier: Apache-2.0 */
/* What is not here: images of an engine or a registry, and the roots of running workloads. */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "client/options.h"

/* Each returns a descriptor of an archive in a file without a name, the caller's, or an error. */
int scan_fetch_image(const char *name, struct og_err *err);
int scan_fetch_registry(const char *name, const struct og_words *insecure, struct og_err *err);

/*
 * The root folder of a workload that runs as a container, as it is now; of one in a VM (*@ret_vm) the archive
 * of its image. Likewise a descriptor.
 */
int scan_open_workload(const char *name, bool *ret_vm, struct og_err *err);
