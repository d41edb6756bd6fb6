/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which devices a workload may open and make: by the lists of version 1, or by an eBPF program of
 * version 2. Nothing is allowed but what the configuration's rules allow and the devices that
 * every workload has; of two rules about one device the later counts.
 */
#pragma once

#include "runtime/cgroup.h"

/*
 * With @update there may be a list or a program already: it is changed so that nothing is denied
 * meanwhile that both allow. Errors: -EINVAL (cgroup_rules.h), -ENOTSUP.
 */
int og_cgroup_devices(const struct og_cgroup *cgroup, const struct og_oci_resources *resources,
		      bool update, struct og_err *err);
