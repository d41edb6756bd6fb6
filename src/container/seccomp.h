/* SPDX-License-Identifier: Apache-2.0 */
/* linux.seccomp as a filter: compiled by the runtime, installed by the workload's process. */
#pragma once

#include "base/cleanup.h"
#include "base/err.h"
#include "format/oci_config.h"

struct og_seccomp;

/*
 * Compiles @config. System calls that this version of the library does not know are left out, as
 * the specification allows. Errors: -EINVAL (names the field).
 */
int og_seccomp_new(const struct og_oci_seccomp *config, struct og_seccomp **ret_seccomp,
		   struct og_err *err);
struct og_seccomp *og_seccomp_free(struct og_seccomp *seccomp);
OG_DEFINE_CLEANUP(struct og_seccomp, og_seccomp_free)

/*
 * Compiling costs more than all else of an exec, so the filter is kept in the folder of the
 * workload's state, which is the runtime's own.
 */
int og_seccomp_save(const struct og_seccomp *seccomp, int dir_fd, struct og_err *err);
int og_seccomp_load(int dir_fd, struct og_seccomp **ret_seccomp, struct og_err *err);

/* One system call, so that a filter which forbids nearly everything can still be set up. */
int og_seccomp_install(const struct og_seccomp *seccomp, struct og_err *err);
