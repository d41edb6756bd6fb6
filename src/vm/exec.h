/* SPDX-License-Identifier: Apache-2.0 */
/* One more process in a running VM; see struct og_isolation. */
#pragma once

#include "runtime/isolation.h"

int og_vm_exec(struct og_workload *workload, const struct og_exec_options *options, pid_t *ret_pid,
	       struct og_err *err);
