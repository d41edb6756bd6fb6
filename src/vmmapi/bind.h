/* SPDX-License-Identifier: Apache-2.0 */
/* The operations behind the API (og_vmmapi_ops) by a machine in a process of its own. */
#pragma once

#include "base/loop.h"
#include "vmm/process.h"
#include "vmm/x86/cpu_template.h"
#include "vmmapi/vmmapi.h"

/* Large and best static. Zeroed, then og_bind_init(). */
struct og_bind {
	struct og_loop *loop;
	struct og_vmm_config config;
	struct og_process process; /* control_fd negative: none was started */
	struct og_source *ended;
	int status; /* the machine's exit status, once it has ended */
	bool jail;

	struct og_disk_part parts[OG_VMM_DISKS_MAX];
	struct og_cpu_template cpu_template;
	char cmdline[OG_API_CMDLINE_MAX + 128];
};

extern const struct og_vmmapi_ops og_bind_ops;

/* @loop is stopped when the machine has ended. */
void og_bind_init(struct og_bind *bind, struct og_loop *loop, bool jail);
void og_bind_done(struct og_bind *bind);

/* cpu_config.c: what the API's texts mean. Errors: -EINVAL. */
int og_cpu_config_convert(const struct og_api_cpu_config *from, struct og_cpu_template *ret_to,
			  struct og_err *err);
