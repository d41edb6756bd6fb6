/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "format/oci_config.h"
#include "runtime/cgroup.h"
#include "runtime/notes.h"

/*
 * CRIU gives processes the rights that its images say. Which a workload may have is said by the
 * bundle that it is restored with: -EPERM where a process in @cgroup, stopped as it is, has a
 * capability that @config gives to none, or lacks its seccomp filter. That no_new_privs is gone,
 * which CRIU does not restore in every version, is a note.
 */
int og_restored_check(const struct og_oci_config *config, const struct og_cgroup *cgroup,
		      struct og_notes *notes, struct og_err *err);
