/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of this isolation's table (runtime/isolation.h), and what two of them share. */
#pragma once

#include "container/launch.h"

int og_container_create(struct og_workload *workload, const struct og_create_options *options,
			struct og_err *err);
int og_container_exec(struct og_workload *workload, const struct og_exec_options *options,
		      pid_t *ret_pid, struct og_err *err);

int og_container_mounts(struct og_workload *workload, const struct og_oci_config *mounts, bool add,
			struct og_err *err);

/*
 * The CLONE_NEW* flags of namespaces that process @pid is in and this one is not: to join what one is
 * in already fails for user namespaces. Errors: -ESRCH.
 */
int og_namespaces_that_differ(pid_t pid, struct og_err *err);

int og_container_checkpoint(struct og_workload *workload, const struct og_criu_options *options,
			    struct og_err *err);
int og_container_restore(struct og_workload *workload, const struct og_criu_options *options,
			 struct og_err *err);
