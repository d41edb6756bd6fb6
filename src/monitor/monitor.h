/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/err.h"

/*
 * The whole life of the monitor of the workload whose folder in the exec root is @dir (absolute;
 * also the working directory), as client.h describes it. @lower_fd, @ready_fd: descriptors as of
 * config.h, taken over; @lower_fd is -1 when there is none. What happens before the workload is
 * ready is reported on @ready_fd, and then -EREMOTEIO is returned: it needs no further word.
 */
int og_monitor_run(const char *dir, int lower_fd, int ready_fd, struct og_err *err);
