/* SPDX-License-Identifier: Apache-2.0 */
/* The API as a table: a row a method and path. */
#pragma once

#include "vmmapi/http.h"
#include "vmmapi/vmmapi.h"

enum og_route_phase {
	OG_ALWAYS,
	OG_BEFORE_START,
	OG_AFTER_START,
};

/*
 * *@ret_json may be set, the caller's to free: then the status is 200, else 204. Errors: -EFBIG
 * (413), anything else is 400; the text becomes the fault message behind the route's @fails.
 */
typedef int og_route_fn(struct og_vmmapi *api, const void *body, struct og_json **ret_json,
			struct og_err *err);

struct og_route {
	enum og_http_method method;
	const char *path; /* "{}" at its end is the id of what the body describes */
	const struct og_body *body;
	bool any_json;	    /* the body is a struct og_json of any content */
	bool body_optional; /* without one, the handler gets the defaults */
	size_t id_at;	    /* of a path with "{}": where the body's id is in its struct */
	enum og_route_phase phase;
	const char *fails;   /* "Drive config error"; NULL: nothing in front */
	const char *counter; /* "drive" of put_api_requests; NULL: not counted */
	og_route_fn *handle;
};

extern const struct og_route og_routes[];
extern const unsigned og_n_routes;

/* Handlers, by file. */
og_route_fn og_put_boot, og_put_machine, og_patch_machine, og_put_cpu_config, og_put_drive,
	og_put_pmem, og_put_net, og_put_vsock, og_put_balloon, og_put_entropy, og_put_hotplug,
	og_put_serial, og_put_mmds_config, og_put_fs; /* devices.c */
og_route_fn og_put_logger, og_put_metrics, og_put_mmds, og_patch_mmds, og_get_mmds, og_get_instance,
	og_get_version, og_get_machine, og_get_balloon, og_get_config; /* service.c */
og_route_fn og_put_action, og_patch_vm, og_put_snapshot_create, og_put_snapshot_load, og_put_fork,
	og_put_pin, og_patch_drive, og_patch_pmem, og_patch_net, og_patch_balloon,
	og_patch_balloon_stats, og_get_balloon_stats, og_hinting_start, og_hinting_status,
	og_hinting_stop, og_patch_hotplug, og_get_hotplug; /* runtime.c */
