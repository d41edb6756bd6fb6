/* SPDX-License-Identifier: Apache-2.0 */
/* The operations behind the API (og_vmmapi_ops) by a machine in a process of its own. */
#pragma once

#include "base/loop.h"
#include "vmm/process.h"
#include "vmm/x86/cpu_template.h"
#include "vmmapi/mmds.h"
#include "vmmapi/socket_file.h"
#include "vmmapi/vmmapi.h"

/* Large and best static. Zeroed, then og_bind_init(). */
struct og_bind {
	struct og_loop *loop;
	struct og_vmm_config config;
	struct og_process process; /* control_fd negative: there is none; room: it waits */
	struct og_source *ended, *broker;
	int status; /* the machine's exit status, once it has ended */
	bool jail, forkable;
	bool confined; /* this process has nothing left but to serve a machine that runs */

	/*
	 * Goes on as @process's front, with its counters, in another process, and returns in this
	 * one alone.
	 */
	int (*clone)(void *data, const struct og_process *process, struct og_metrics *metrics,
		     const struct og_api_fork *params, struct og_err *err);
	void *clone_data;

	struct og_disk_part parts[OG_VMM_DISKS_MAX];
	struct og_cpu_template cpu_template;
	char cmdline[OG_API_CMDLINE_MAX + 128];
	struct og_socket_file vsock_file;
	int vsock_fd;  /* the machine listens at it; negative: none */
	int serial_fd; /* where the serial port leads, if it is a file */
	int tap_fds[OG_VMM_NETS_MAX], share_fds[OG_VMM_SHARES_MAX];
	struct og_bind_mmds *mmds; /* bind_net.c's; owned; NULL: there is no such service */
	size_t mmds_bytes;
	char *state; /* a snapshot's; owned while a machine begins from it */
};

extern const struct og_vmmapi_ops og_bind_ops;

/* @loop is stopped when the machine has ended. */
void og_bind_init(struct og_bind *bind, struct og_loop *loop, bool jail);
void og_bind_done(struct og_bind *bind);

/* Fills bind->config in from @api. Errors: -EOPNOTSUPP (names what there is not), files, sockets. */
int og_bind_configure(struct og_bind *bind, struct og_vmmapi *api, struct og_err *err);

/* Before anything is configured: makes a process that waits to be the machine, and watches it. */
int og_bind_prepare(struct og_bind *bind, struct og_err *err);

/* Starts bind->config, in the process that waits, if one does, and watches it. */
int og_bind_launch(struct og_bind *bind, struct og_vmmapi *api, struct og_err *err);

/* bind_runtime.c */
int og_bind_update(void *data, struct og_vmmapi *api, enum og_api_update update, const void *body,
		   struct og_err *err);
int og_bind_query(void *data, struct og_vmmapi *api, enum og_api_query query,
		  struct og_json **ret_json, struct og_err *err);
int og_bind_pin(struct og_bind *bind, const struct og_api_pin *pin, struct og_err *err);

/* bind_net.c. Errors: those of taps, whose interface is named. */
int og_bind_nets(struct og_bind *bind, const struct og_vmmapi *api, struct og_err *err);
void og_bind_close_nets(struct og_bind *bind);
int og_bind_send_mmds(struct og_bind *bind, const struct og_vmmapi *api, struct og_err *err);

/* bind_fs.c. Errors: those of the folder or of its server, with its name. */
int og_bind_shares(struct og_bind *bind, const struct og_vmmapi *api, struct og_err *err);
void og_bind_close_shares(struct og_bind *bind);

/* bind_snapshot.c */
int og_bind_snapshot(void *data, struct og_vmmapi *api, const struct og_api_snapshot_create *create,
		     struct og_err *err);
int og_bind_load(void *data, struct og_vmmapi *api, const struct og_api_snapshot_load *load,
		 struct og_err *err);

/* bind_fork.c */
int og_bind_fork(void *data, struct og_vmmapi *api, const struct og_api_fork *params,
		 struct og_err *err);

/* In the clone's front: nothing of the first one's is this one's any more. */
int og_bind_adopt(struct og_bind *bind, struct og_loop *loop, const struct og_process *process,
		  const struct og_api_fork *params, struct og_err *err);

/* What a rate limiter of the API is to a device; @limiter may be one that did not come. */
void og_limit_convert(const struct og_api_limiter *limiter, struct og_limit_config *ret_limit);

/* cpu_config.c: what the API's texts mean. Errors: -EINVAL. */
int og_cpu_config_convert(const struct og_api_cpu_config *from, struct og_cpu_template *ret_to,
			  struct og_err *err);
