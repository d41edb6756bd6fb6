/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The face of the hypervisor: Firecracker's REST API, its JSON configuration file and its command
 * line, in a process of its own in front of the machine's. What is set before the start is kept
 * here as plain data (bodies.h); the start turns it into a struct og_vmm_config (bind.c). What is
 * asked for afterwards becomes commands (vmm/control.h).
 *
 *	http	bytes <-> a request's head
 *	body	tables of fields <-> JSON
 *	routes	a row a method and path: body, phase, handler
 *	server	the Unix socket
 *	mmds	what the guest is told of metadata; runs in the machine's process
 *
 * A request's handling does no I/O but through og_vmmapi_ops, and opening files that it names.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "vmmapi/bodies.h"
#include "vmmapi/logger.h"
#include "vmmapi/metrics.h"
#include "vmmapi/mmds_store.h"

/* As Firecracker; an instance's name is at most 64 characters. */
#define OG_API_PAYLOAD_MAX	 51200U
#define OG_API_PAYLOAD_MAX_LIMIT (16U << 20) /* it is held in memory */
#define OG_API_SOCKET_DEFAULT	 "/run/firecracker.socket"
#define OG_API_ID_DEFAULT	 "anonymous-instance"

enum og_api_phase {
	OG_API_NOT_STARTED,
	OG_API_RUNNING,
	OG_API_PAUSED,
};

struct og_vmmapi;

/* What can be changed of a machine that was started, each by its body. */
enum og_api_update {
	OG_UPDATE_DRIVE,	 /* struct og_api_drive_update */
	OG_UPDATE_PMEM,		 /* struct og_api_pmem_update */
	OG_UPDATE_NET,		 /* struct og_api_net_update */
	OG_UPDATE_BALLOON,	 /* struct og_api_balloon_update */
	OG_UPDATE_BALLOON_STATS, /* struct og_api_balloon_stats_update */
	OG_UPDATE_HINTING_START, /* struct og_api_hinting */
	OG_UPDATE_HINTING_STOP,	 /* NULL */
	OG_UPDATE_HOTPLUG,	 /* struct og_api_hotplug_update */
	OG_UPDATE_PIN,		 /* struct og_api_pin */
	OG_UPDATE_MMDS,		 /* NULL: the store's text */
	OG_UPDATE_CTRL_ALT_DEL,	 /* NULL */
	OG_UPDATES
};

/* What can be asked of one. */
enum og_api_query {
	OG_QUERY_BALLOON_STATS,
	OG_QUERY_HINTING,
	OG_QUERY_HOTPLUG,
	OG_QUERIES
};

/* What is behind the API. Each returns 0 or a negative errno with a text for the fault message. */
struct og_vmmapi_ops {
	/* Starts the machine that @api describes; it runs afterwards. */
	int (*start)(void *data, struct og_vmmapi *api, struct og_err *err);
	int (*pause)(void *data, struct og_err *err);
	int (*resume)(void *data, struct og_err *err);
	/* Makes a machine of a snapshot; it is paused afterwards, unless @load wants it to run. */
	int (*load)(void *data, struct og_vmmapi *api, const struct og_api_snapshot_load *load,
		    struct og_err *err);
	/* Of a machine that is paused. */
	int (*snapshot)(void *data, struct og_vmmapi *api,
			const struct og_api_snapshot_create *create, struct og_err *err);
	/* The machine's clone, with an API of its own. */
	int (*fork)(void *data, struct og_vmmapi *api, const struct og_api_fork *fork,
		    struct og_err *err);
	int (*update)(void *data, struct og_vmmapi *api, enum og_api_update update,
		      const void *body, struct og_err *err);
	/* On success *@ret_json is the caller's to free. */
	int (*query)(void *data, struct og_vmmapi *api, enum og_api_query query,
		     struct og_json **ret_json, struct og_err *err);
};

/* A file that was named by a body, open as long as that body is in force. */
struct og_api_opened_drive {
	struct og_api_drive body;
	int fd;
};

struct og_api_opened_pmem {
	struct og_api_pmem body;
	int fd;
};

struct og_vmmapi {
	const struct og_vmmapi_ops *ops;
	void *data; /* of @ops */

	char id[OG_VMM_ID_MAX];
	enum og_api_phase phase;
	bool touched; /* something of the machine was set: no snapshot can be loaded */
	bool pci;

	struct og_api_machine machine;
	struct og_api_cpu_config cpu_config;
	bool has_cpu_config;
	struct og_api_boot boot;
	int kernel_fd, initrd_fd; /* negative: not set */
	struct og_api_opened_drive drives[OG_VMM_DISKS_MAX];
	unsigned n_drives;
	struct og_api_opened_pmem pmems[OG_VMM_PMEMS_MAX];
	unsigned n_pmems;
	struct og_api_net nets[OG_VMM_NETS_MAX];
	unsigned n_nets;
	struct og_api_fs shares[OG_VMM_SHARES_MAX];
	unsigned n_shares;
	struct og_api_vsock vsock;
	struct og_api_balloon balloon;
	struct og_api_entropy entropy;
	struct og_api_hotplug hotplug;
	struct og_api_serial serial;
	struct og_api_mmds_config mmds_config;
	struct og_api_pin pins[OG_VMM_CPUS_MAX];
	unsigned n_pins;
	bool has_vsock, has_balloon, has_entropy, has_hotplug, has_serial, has_mmds_config;

	struct og_logger logger;
	struct og_metrics_output metrics;
	struct og_mmds_store mmds;
};

/* @api is zeroed; it is large and best static. */
void og_vmmapi_init(struct og_vmmapi *api, const struct og_vmmapi_ops *ops, void *data);
void og_vmmapi_done(struct og_vmmapi *api);

struct og_api_reply {
	int status;	 /* of HTTP */
	char *body;	 /* the caller's to free; NULL: none */
	bool deprecated; /* the request used what Firecracker calls so */
};

struct og_http_request;

/*
 * Carries one request out. @body has @request->content_length bytes. *@ret_reply is always set: an
 * error is a status and {"fault_message": "..."}.
 */
void og_vmmapi_request(struct og_vmmapi *api, const struct og_http_request *request,
		       const char *body, struct og_api_reply *ret_reply);

/*
 * Opens what a body names, without waiting: a named pipe has no writer yet. *@ret_fd is the caller's.
 * Errors: what open() says, with the path.
 */
int og_vmmapi_open(const char *path, int flags, int *ret_fd, struct og_err *err);

/* {"fault_message": text}, the caller's to free. */
char *og_vmmapi_fault(const char *text);

/*
 * Configures @api by the JSON of a configuration file: a member a body, named as in
 * GET /vm/config. Errors: -EINVAL, and those of the handlers; the text names the member.
 */
int og_vmmapi_configure(struct og_vmmapi *api, const char *text, size_t len, struct og_err *err);

/* Likewise by what a snapshot kept: without kernel, log and metrics, which are not the machine's. */
int og_vmmapi_restore(struct og_vmmapi *api, const char *text, size_t len, struct og_err *err);

/* As if no machine and no device had been configured. */
void og_vmmapi_forget(struct og_vmmapi *api);

/* Everything that is configured, as GET /vm/config shows it; the caller's to free. */
struct og_json *og_vmmapi_describe(const struct og_vmmapi *api);
