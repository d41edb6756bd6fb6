/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.seccomp as a filter: compiled by the runtime, installed by the workload's process.
 *
 * With SCMP_ACT_NOTIFY the kernel asks another program what is to become of a call. The
 * descriptor by which it asks is made with the filter, in the process that the filter is for, and
 * goes over linux.seccomp.listenerPath's socket. The filter may hold calls back that sending it
 * takes, or execve() itself: therefore a thread without the filter sends it, and the process
 * makes no call between the filter and execve().
 */
#pragma once

#include "base/cleanup.h"
#include "base/err.h"
#include "format/oci_config.h"
#include "runtime/isolation.h"

struct og_seccomp;

/*
 * Compiles @config, after a look at whether this kernel has what it asks for, and connects to the
 * listener's socket if it needs one. System calls that are not known are left out, as the
 * specification allows. Errors: -EINVAL, -ENOTSUP (both name the member).
 */
int og_seccomp_new(const struct og_oci_seccomp *config, struct og_seccomp **ret_seccomp,
		   struct og_err *err);
struct og_seccomp *og_seccomp_free(struct og_seccomp *seccomp);
OG_DEFINE_CLEANUP(struct og_seccomp, og_seccomp_free)

/*
 * The program is kept in the folder of the workload's state, which is the runtime's own, for
 * exec: og_seccomp_load() is og_seccomp_new() without the compiling, unless it is damaged.
 */
int og_seccomp_save(const struct og_seccomp *seccomp, int dir_fd, struct og_err *err);
int og_seccomp_load(const struct og_oci_seccomp *config, int dir_fd,
		    struct og_seccomp **ret_seccomp, struct og_err *err);

/*
 * By the process that the filter is for, while it still sees the host's /proc: what the listener
 * is told of it. Nothing, and for NULL too, where there is no listener.
 */
int og_seccomp_introduce(struct og_seccomp *seccomp, struct og_workload *workload,
			 enum og_status status, struct og_err *err);

/* One system call, so that a filter which forbids nearly everything can still be set up. */
int og_seccomp_install(const struct og_seccomp *seccomp, struct og_err *err);
