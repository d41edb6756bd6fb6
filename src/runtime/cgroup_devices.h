/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which devices a workload may open and make: by the lists of version 1, or by an eBPF program of
 * version 2. Nothing is allowed but what the configuration's rules allow and the devices that
 * every workload has; of two rules about one device the later counts.
 */
#pragma once

#include "runtime/cgroup.h"

int og_cgroup_devices(const struct og_cgroup *cgroup, const struct og_oci_resources *resources,
		      struct og_err *err);
