/* SPDX-License-Identifier: Apache-2.0 */
#include "vmmapi/routes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GET		 OG_HTTP_GET
#define PUT		 OG_HTTP_PUT
#define PATCH		 OG_HTTP_PATCH
#define ID(type, member) .id_at = offsetof(struct type, member)

const struct og_route og_routes[] = {
	{ GET, "/", .counter = "instance_info", .handle = og_get_instance },
	{ PUT, "/actions", &og_body_action, .counter = "actions", .handle = og_put_action },
	{ GET, "/balloon", .fails = "Balloon config error", .handle = og_get_balloon },
	{ PUT, "/balloon", &og_body_balloon, .phase = OG_BEFORE_START,
	  .fails = "Balloon config error", .handle = og_put_balloon },
	{ PATCH, "/balloon", &og_body_balloon_update, .phase = OG_AFTER_START,
	  .fails = "Balloon update error", .handle = og_patch_balloon },
	{ GET, "/balloon/statistics", .phase = OG_AFTER_START, .fails = "Balloon config error",
	  .handle = og_get_balloon_stats },
	{ PATCH, "/balloon/statistics", &og_body_balloon_stats_update, .phase = OG_AFTER_START,
	  .fails = "Balloon update error", .handle = og_patch_balloon_stats },
	{ PATCH, "/balloon/hinting/start", &og_body_hinting, .body_optional = true,
	  .phase = OG_AFTER_START, .fails = "Balloon config error", .handle = og_hinting_start },
	{ GET, "/balloon/hinting/status", .phase = OG_AFTER_START, .fails = "Balloon config error",
	  .handle = og_hinting_status },
	{ PATCH, "/balloon/hinting/stop", .body_optional = true, .phase = OG_AFTER_START,
	  .fails = "Balloon config error", .handle = og_hinting_stop },
	{ PUT, "/boot-source", &og_body_boot, .phase = OG_BEFORE_START,
	  .fails = "Boot source error", .counter = "boot_source", .handle = og_put_boot },
	{ PUT, "/cpu-config", &og_body_cpu_config, .phase = OG_BEFORE_START,
	  .fails = "Configure CPU error", .counter = "cpu_cfg", .handle = og_put_cpu_config },
	{ PUT, "/drives/{}", &og_body_drive, ID(og_api_drive, drive_id), .phase = OG_BEFORE_START,
	  .fails = "Drive config error", .counter = "drive", .handle = og_put_drive },
	{ PATCH, "/drives/{}", &og_body_drive_update, ID(og_api_drive_update, drive_id),
	  .phase = OG_AFTER_START, .fails = "Drive config error", .counter = "drive",
	  .handle = og_patch_drive },
	{ PUT, "/pmem/{}", &og_body_pmem, ID(og_api_pmem, id), .phase = OG_BEFORE_START,
	  .fails = "Pmem config error", .counter = "pmem", .handle = og_put_pmem },
	{ PATCH, "/pmem/{}", &og_body_pmem_update, ID(og_api_pmem_update, id),
	  .phase = OG_AFTER_START, .fails = "Pmem config error", .counter = "pmem",
	  .handle = og_patch_pmem },
	{ PUT, "/logger", &og_body_logger, .phase = OG_BEFORE_START, .fails = "Logger error",
	  .counter = "logger", .handle = og_put_logger },
	{ GET, "/machine-config", .counter = "machine_cfg", .handle = og_get_machine },
	{ PUT, "/machine-config", &og_body_machine, .phase = OG_BEFORE_START,
	  .fails = "Machine config error", .counter = "machine_cfg", .handle = og_put_machine },
	{ PATCH, "/machine-config", &og_body_machine_update, .phase = OG_BEFORE_START,
	  .fails = "Machine config error", .counter = "machine_cfg", .handle = og_patch_machine },
	{ PUT, "/metrics", &og_body_metrics, .phase = OG_BEFORE_START, .fails = "Metrics error",
	  .counter = "metrics", .handle = og_put_metrics },
	{ GET, "/mmds", .counter = "mmds", .handle = og_get_mmds },
	{ PUT, "/mmds", .any_json = true, .fails = "MMDS error", .counter = "mmds",
	  .handle = og_put_mmds },
	{ PATCH, "/mmds", .any_json = true, .fails = "MMDS error", .counter = "mmds",
	  .handle = og_patch_mmds },
	{ PUT, "/mmds/config", &og_body_mmds_config, .phase = OG_BEFORE_START,
	  .fails = "MMDS config error", .counter = "mmds", .handle = og_put_mmds_config },
	{ PUT, "/entropy", &og_body_entropy, .phase = OG_BEFORE_START,
	  .fails = "Entropy config error", .handle = og_put_entropy },
	{ PUT, "/serial", &og_body_serial, .phase = OG_BEFORE_START, .fails = "Serial config error",
	  .counter = "serial", .handle = og_put_serial },
	{ GET, "/hotplug/memory", .phase = OG_AFTER_START, .fails = "Memory hotplug config error",
	  .counter = "hotplug_memory", .handle = og_get_hotplug },
	{ PUT, "/hotplug/memory", &og_body_hotplug, .phase = OG_BEFORE_START,
	  .fails = "Memory hotplug config error", .counter = "hotplug_memory",
	  .handle = og_put_hotplug },
	{ PATCH, "/hotplug/memory", &og_body_hotplug_update, .phase = OG_AFTER_START,
	  .fails = "Memory hotplug update error", .counter = "hotplug_memory",
	  .handle = og_patch_hotplug },
	{ PUT, "/network-interfaces/{}", &og_body_net, ID(og_api_net, iface_id),
	  .phase = OG_BEFORE_START, .fails = "Network config error", .counter = "network",
	  .handle = og_put_net },
	{ PATCH, "/network-interfaces/{}", &og_body_net_update, ID(og_api_net_update, iface_id),
	  .phase = OG_AFTER_START, .fails = "Network config error", .counter = "network",
	  .handle = og_patch_net },
	{ PUT, "/snapshot/create", &og_body_snapshot_create, .phase = OG_AFTER_START,
	  .fails = "Create snapshot error", .handle = og_put_snapshot_create },
	{ PUT, "/snapshot/load", &og_body_snapshot_load, .phase = OG_BEFORE_START,
	  .fails = "Load snapshot error", .handle = og_put_snapshot_load },
	{ GET, "/version", .counter = "vmm_version", .handle = og_get_version },
	{ PATCH, "/vm", &og_body_vm_state, .phase = OG_AFTER_START, .handle = og_patch_vm },
	{ GET, "/vm/config", .handle = og_get_config },
	{ PUT, "/vsock", &og_body_vsock, .phase = OG_BEFORE_START, .fails = "Vsock config error",
	  .counter = "vsock", .handle = og_put_vsock },
	/* Ours. */
	{ PUT, "/fork", &og_body_fork, .phase = OG_AFTER_START, .fails = "Fork error",
	  .handle = og_put_fork },
	{ PUT, "/fs/{}", &og_body_fs, ID(og_api_fs, id), .phase = OG_BEFORE_START,
	  .fails = "Shared folder error", .handle = og_put_fs },
	{ PUT, "/pin", &og_body_pin, .fails = "Pin error", .handle = og_put_pin },
};

const unsigned og_n_routes = sizeof(og_routes) / sizeof(og_routes[0]);

_Static_assert(sizeof(og_routes) / sizeof(og_routes[0]) <= OG_API_COUNTERS_MAX,
	       "each route has its counters");

#define JSON_FAILS "An error occurred when deserializing the json body of a request"

/* What is known of one request while it is served. */
struct call {
	struct og_vmmapi *api;
	const struct og_http_request *request;
	const char *body;
	const struct og_route *route;
	const char *id; /* of a path with "{}"; not terminated */
	size_t id_len;
	struct og_json *json; /* the body's, owned */
	struct og_json *answer;
	bool deprecated;
};

char *og_vmmapi_fault(const char *text)
{
	struct og_json *json = og_json_new_object();
	char *written;

	og_json_set_string(json, "fault_message", text);
	written = og_json_write(json);
	(void)og_json_free(json);
	return written;
}

static bool path_matches(const struct og_route *route, struct call *call)
{
	const struct og_http_request *request = call->request;
	size_t fixed = strcspn(route->path, "{");
	size_t len = request->path_len;

	if (route->path[fixed] == '\0') {
		while (len > 1 && request->path[len - 1] == '/')
			len--;
		return len == fixed && memcmp(request->path, route->path, fixed) == 0;
	}
	/* "/drives" is the place of an id that is missing. */
	if (len == fixed - 1 && memcmp(request->path, route->path, len) == 0) {
		call->id_len = 0;
		return true;
	}
	if (len < fixed || memcmp(request->path, route->path, fixed) != 0)
		return false;
	call->id = request->path + fixed;
	call->id_len = len - fixed;
	return true;
}

/* Shown in a fault, which is JSON and a line: nothing but what can be read. */
static void readable(const char *text, size_t len, char *buf, size_t size)
{
	size_t n = len < size - 1 ? len : size - 1;

	for (size_t i = 0; i < n; i++)
		buf[i] = text[i] >= ' ' && text[i] < 0x7f ? text[i] : '?';
	buf[n] = '\0';
}

static int find_route(struct call *call, struct og_err *err)
{
	const struct og_http_request *request = call->request;
	char method[16], path[200];

	for (unsigned i = 0; i < og_n_routes; i++) {
		if (og_routes[i].method == request->method && path_matches(&og_routes[i], call)) {
			call->route = &og_routes[i];
			return 0;
		}
	}
	readable(request->method_text, request->method_len, method, sizeof(method));
	readable(request->path + 1, request->path_len - 1, path, sizeof(path));
	return og_fail_plain(err, -EINVAL, "Invalid request method and/or path: %s %s.", method,
			     path);
}

static int check_id(const struct call *call, struct og_err *err)
{
	char id[OG_VMM_ID_MAX] = "";

	if (strchr(call->route->path, '{') == NULL)
		return 0;
	if (call->id_len == 0)
		return og_fail_plain(err, -EINVAL, "The ID cannot be empty.");
	if (call->id_len >= sizeof(id))
		return og_fail_plain(err, -EINVAL, "The ID is longer than %d characters.",
				     OG_VMM_ID_MAX - 1);
	memcpy(id, call->id, call->id_len);
	if (og_api_check_id(id) != NULL)
		return og_fail_plain(
			err, -EINVAL,
			"API Resource IDs can only contain alphanumeric characters and "
			"underscores.");
	return 0;
}

static int check_has_body(const struct call *call, struct og_err *err)
{
	bool has = call->request->content_length > 0;
	bool takes = call->route->body != NULL || call->route->any_json;

	if (has && !takes && !call->route->body_optional)
		return og_fail_plain(err, -EINVAL, "GET request cannot have a body.");
	if (!has && takes && !call->route->body_optional)
		return og_fail_plain(err, -EINVAL, "Empty %s request.",
				     call->request->method == OG_HTTP_PUT ? "PUT" : "PATCH");
	return 0;
}

static int check_same_id(const struct call *call, const uint8_t *data, struct og_err *err)
{
	const char *id = (const char *)data + call->route->id_at;

	if (call->id_len == 0 ||
	    (strlen(id) == call->id_len && memcmp(id, call->id, call->id_len) == 0))
		return 0;
	return og_fail_plain(
		err, -EINVAL,
		"The id from the path [%.*s] does not match the id from the body [%s]!",
		(int)call->id_len, call->id, id);
}

/* What the words after the colon are about. */
static int in_json(int r, struct og_err *err)
{
	char text[OG_ERR_TEXT_MAX];

	memcpy(text, err->text, sizeof(text));
	return og_fail_plain(err, r, JSON_FAILS ": %.*s.", (int)(sizeof(text) - 100), text);
}

static int read_request(struct call *call, uint8_t *data, struct og_err *err)
{
	const struct og_route *route = call->route;
	int r = check_id(call, err);

	if (r == 0)
		r = check_has_body(call, err);
	if (r < 0 || (route->body == NULL && !route->any_json))
		return r;
	if (call->request->content_length == 0)
		call->json = og_json_new_object();
	else
		r = og_json_parse(call->body, (size_t)call->request->content_length, &call->json,
				  err);
	if (r == 0 && route->body != NULL)
		r = og_body_read(route->body, call->json, data, err);
	if (r < 0)
		return in_json(r, err);
	return strchr(route->path, '{') != NULL ? check_same_id(call, data, err) : 0;
}

static int check_phase(const struct call *call, struct og_err *err)
{
	bool started = call->api->phase != OG_API_NOT_STARTED;

	if (started && call->route->phase == OG_BEFORE_START)
		return og_fail_plain(err, -EBUSY,
				     "The requested operation is not supported after starting the "
				     "microVM.");
	if (!started && call->route->phase == OG_AFTER_START)
		return og_fail_plain(err, -EBUSY,
				     "The requested operation is not supported before starting the "
				     "microVM.");
	return 0;
}

/* As Firecracker says it: some fields, and the first version of metadata. */
static bool is_deprecated(const struct og_route *route, const uint8_t *data)
{
	if (route->body == &og_body_mmds_config)
		return ((const struct og_api_mmds_config *)(const void *)data)->version == 0;
	return route->body != NULL && og_body_is_deprecated(route->body, data);
}

static int handle(struct call *call, const uint8_t *data, struct og_err *err)
{
	const struct og_route *route = call->route;
	int r = check_phase(call, err);

	if (r < 0)
		return r;
	call->deprecated = is_deprecated(route, data);
	call->api->metrics.deprecated_calls += call->deprecated;
	r = route->handle(call->api, route->any_json ? (const void *)call->json : data,
			  &call->answer, err);
	return r < 0 && route->fails != NULL ? og_fail_in(err, r, "%s", route->fails) : r;
}

static int serve(struct call *call, struct og_err *err)
{
	size_t size = 0;
	og_auto_free uint8_t *data = NULL;
	int r = find_route(call, err);

	if (r < 0)
		return r;
	call->api->metrics.requests[call->route - og_routes].count++;
	if (call->route->body != NULL)
		size = call->route->body->size;
	data = calloc(1, size + 1);
	if (data == NULL)
		return og_fail(err, -ENOMEM, "read the request");
	r = read_request(call, data, err);
	if (r == 0)
		r = handle(call, data, err);
	if (r < 0)
		call->api->metrics.requests[call->route - og_routes].fails++;
	return r;
}

/* The log names each request and how it went, as Firecracker's does; metadata stays out of it. */
static void log_request(const struct call *call, const struct og_api_reply *reply,
			const struct og_err *err)
{
	char method[16], path[200];

	readable(call->request->method_text, call->request->method_len, method, sizeof(method));
	readable(call->request->path, call->request->path_len, path, sizeof(path));
	og_log(&call->api->logger, OG_LEVEL_INFO, "api_server",
	       "The API server received a %s request on \"%s\".", method, path);
	if (reply->status >= 400)
		og_log(&call->api->logger, OG_LEVEL_ERROR, "api_server",
		       "Received Error. Status code: %d %s. Message: %s", reply->status,
		       og_http_reason(reply->status), err->text);
	else
		og_log(&call->api->logger, OG_LEVEL_INFO, "api_server",
		       "The request was executed successfully. Status code: %d %s.", reply->status,
		       og_http_reason(reply->status));
}

void og_vmmapi_request(struct og_vmmapi *api, const struct og_http_request *request,
		       const char *body, struct og_api_reply *ret_reply)
{
	struct call call = { .api = api, .request = request, .body = body };
	struct og_err err = {};
	int r = serve(&call, &err);

	*ret_reply = (struct og_api_reply){ .status = 204, .deprecated = call.deprecated };
	if (r < 0) {
		ret_reply->status = r == -EFBIG ? 413 : 400;
		ret_reply->body = og_vmmapi_fault(err.text);
	} else if (call.answer != NULL) {
		ret_reply->status = 200;
		ret_reply->body = og_json_write(call.answer);
	}
	log_request(&call, ret_reply, &err);
	(void)og_json_free(call.answer);
	(void)og_json_free(call.json);
}
