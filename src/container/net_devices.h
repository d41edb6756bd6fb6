/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "format/oci_config.h"

/*
 * linux.netDevices: moves interfaces of this process's network namespace to that of @pid, with their
 * names there and their permanent addresses, and sets them up. A name may end in %d: the first
 * number that is free. What was moved ends with the workload, or goes back to the host, as the
 * kernel has it. Errors: -ENODEV, -EEXIST, and what the kernel says.
 */
int og_net_devices_move(const struct og_oci_linux *config, pid_t pid, struct og_err *err);
