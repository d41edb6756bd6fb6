/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of limits share: one value is one file (cgroup_limits.c), or many (_lists.c). */
#pragma once

#include "runtime/cgroup.h"

#define OG_LIMIT_VALUE_MAX 4096 /* as much as the kernel takes in one write */

#define OG_LIMIT_FIELD_MAX 64 /* "blockIO.throttleWriteIOPSDevice[18446744073709551615]" */

/* What the rows' functions look at. */
struct og_limiting {
	const struct og_cgroup *cgroup;
	const struct og_oci_resources *res;
	bool update; /* there may be other limits already */
	bool v2;     /* of the field's controller */
	char field[OG_LIMIT_FIELD_MAX];
	struct og_notes *notes;
	struct og_err *err;
};

/*
 * Writes @text to the file of @controller: to @v1_file where a version 1 tree has it, else to
 * @v2_file; NULL where there is none. An error names the field.
 */
int og_limit_write(const struct og_limiting *limiting, const char *controller, const char *v1_file,
		   const char *v2_file, const char *text);

/* The lists of linux.resources: each sets what it has of them. */
typedef int og_limit_list_fn(struct og_limiting *limiting);
og_limit_list_fn og_limit_throttles, og_limit_weights, og_limit_hugepages, og_limit_priorities,
	og_limit_rdma, og_limit_unified;
