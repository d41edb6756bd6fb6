/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/call.h"
#include "api/route.h"

static const struct route *const tables[] = {
	system_routes, workload_routes, stream_routes,	 image_routes,
	volume_routes, control_routes,	registry_routes,
};

#define TABLE_COUNT (sizeof(tables) / sizeof(tables[0]))

/* What Docker has and we have not: named, so that nobody has to guess (501). */
static const char *const absent[] = {
	"/build",
	"/build/prune",
	"/commit",
	"/configs",
	"/configs/{*}",
	"/containers/{}/archive",
	"/containers/{}/attach/ws",
	"/containers/{}/changes",
	"/containers/{}/checkpoints",
	"/containers/{}/export",
	"/distribution/{*}/json",
	"/networks",
	"/networks/{*}",
	"/nodes",
	"/nodes/{*}",
	"/plugins",
	"/plugins/{*}",
	"/secrets",
	"/secrets/{*}",
	"/services",
	"/services/{*}",
	"/session",
	"/grpc",
	"/swarm",
	"/swarm/{*}",
	"/tasks",
	"/tasks/{*}",
	"/volumes/prune",
};

/* ---- errors ---- */

static const struct {
	int code;
	int status;
} statuses[] = {
	{ -ENOENT, 404 },   { -EINVAL, 400 },  { -ERANGE, 400 },     { -E2BIG, 400 },
	{ -ENOTUNIQ, 400 }, { -ENOEXEC, 400 }, { -EBADMSG, 400 },    { -EEXIST, 409 },
	{ -EBUSY, 409 },    { -ENOSYS, 501 },  { -EALREADY, 304 },   { -EACCES, 403 },
	{ -EPERM, 403 },    { -EFBIG, 413 },   { -ECONNRESET, 400 }, { -ENOSPC, 507 },
};

int error_status(int code)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		if (statuses[i].code == code)
			return statuses[i].status;
	}
	return 500;
}

const char *error_text(struct og_err *err)
{
	const char *words = strerrordesc_np(-err->code);
	size_t len = strlen(err->text);
	size_t tail = words == NULL ? 0 : strlen(words) + 2;

	if (error_status(err->code) < 500 && len > tail && tail > 0 &&
	    og_ends_with(err->text, words) && strncmp(err->text + len - tail, ": ", 2) == 0)
		err->text[len - tail] = '\0';
	return err->text;
}

char *og_api_error_body(int status, const char *text)
{
	og_cleanup(og_json_freep) struct og_json *json = og_json_new_object();
	og_auto_free char *body = NULL;

	(void)status;
	og_json_set_string(json, "message", text);
	body = og_json_write(json);
	return og_strdupf("%s\n", body);
}

static void reply_error(struct call *call, int status, const char *text)
{
	og_auto_free char *body = og_api_error_body(status, text);

	if (body == NULL || status == 304)
		og_http_reply(call->request, status, NULL, "", 0);
	else
		og_http_reply(call->request, status, OG_API_ERROR_TYPE, body, strlen(body));
}

static void log_failure(struct call *call, int status, const char *text)
{
	og_auto_free char *line = og_strdupf("%s %s: %d %s", og_http_method(call->request),
					     og_http_path(call->request), status, text);

	if (call->api->log != NULL && line != NULL)
		call->api->log(call->api->log_data, line);
}

/* ---- what routes use ---- */

int reply_json(struct call *call, int status, struct og_json *json)
{
	og_cleanup(og_json_freep) struct og_json *owned = json;
	og_auto_free char *text = og_json_write(json);
	og_auto_free char *line = og_strdupf("%s\n", text);

	if (line == NULL)
		return -ENOMEM;
	og_http_reply(call->request, status, "application/json", line, strlen(line));
	return 0;
}

int reply_empty(struct call *call, int status)
{
	og_http_reply(call->request, status, NULL, "", 0);
	return 0;
}

static int check_type(const struct call *call, struct og_err *err)
{
	const char *type = og_http_request_header(call->request, "Content-Type");
	size_t len = type == NULL ? 0 : strcspn(type, "; \t");

	if (len == strlen("application/json") && strncasecmp(type, "application/json", len) == 0)
		return 0;
	return og_fail(err, -EINVAL, "Content-Type specified (%s) must be 'application/json'",
		       type == NULL ? "" : type);
}

int read_json(struct call *call, struct og_json **ret_json, struct og_err *err)
{
	og_auto_free char *body = NULL;
	size_t len;
	int r = check_type(call, err);

	if (r == 0)
		r = og_http_read_body(call->request, OG_API_BODY_MAX, &body, &len, err);
	if (r < 0)
		return r;
	r = og_json_parse(body, len, ret_json, err);
	return r < 0 ? og_fail_in(err, r, "invalid JSON") : 0;
}

bool query_bool(const struct call *call, const char *name, bool otherwise)
{
	static const char *const no[] = { "", "0", "no", "false", "none" };
	const char *text = og_http_query(call->request, name);

	if (text == NULL)
		return otherwise;
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		if (strcasecmp(text, no[i]) == 0)
			return false;
	}
	return true;
}

int query_int(const struct call *call, const char *name, int64_t min, int64_t max,
	      int64_t *ret_value, struct og_err *err)
{
	const char *text = og_http_query(call->request, name);

	if (text == NULL || *text == '\0')
		return 0;
	if (og_parse_i64(text, min, max, ret_value) < 0)
		return og_fail(err, -EINVAL, "%s='%s' is no number from %lld to %lld", name, text,
			       (long long)min, (long long)max);
	return 0;
}

const char *query_text(const struct call *call, const char *name)
{
	const char *text = og_http_query(call->request, name);

	return text == NULL ? "" : text;
}

int write_json_line(struct call *call, struct og_json *json)
{
	og_cleanup(og_json_freep) struct og_json *owned = json;
	og_auto_free char *text = og_json_write(json);
	og_auto_free char *line = og_strdupf("%s\r\n", text);

	return line == NULL ? -ENOMEM : og_http_write(call->request, line, strlen(line));
}

/* ---- dispatch ---- */

/* HEAD is GET without the body, which the server leaves out. */
static bool method_fits(const struct route *route, const char *method)
{
	return og_streq(route->method, method) ||
	       (og_streq(method, "HEAD") && og_streq(route->method, "GET"));
}

static const struct route *find_route(const char *method, const char *path, char **ret_param,
				      bool *ret_path_known)
{
	*ret_path_known = false;
	for (size_t i = 0; i < TABLE_COUNT; i++) {
		for (const struct route *route = tables[i]; route->method != NULL; route++) {
			og_auto_free char *param = NULL;

			if (!og_route_match(route->pattern, path, &param))
				continue;
			*ret_path_known = true;
			if (!method_fits(route, method))
				continue;
			*ret_param = og_take_ptr(param);
			return route;
		}
	}
	return NULL;
}

static bool is_absent(const char *path)
{
	for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
		og_auto_free char *param = NULL;

		if (og_route_match(absent[i], path, &param))
			return true;
	}
	return false;
}

static int check_version(enum og_version_fit fit, const char *version, struct og_err *err)
{
	if (fit == OG_VERSION_TOO_NEW)
		return og_fail(err, -EINVAL,
			       "client version %s is too new. Maximum supported API version is %s",
			       version, OG_API_VERSION);
	if (fit == OG_VERSION_TOO_OLD)
		return og_fail(err, -EINVAL,
			       "client version %s is too old. Minimum supported API version is %s, "
			       "please upgrade your client to a newer version",
			       version, OG_API_VERSION_MIN);
	return 0;
}

static int dispatch(struct call *call, struct og_err *err)
{
	og_auto_free char *param = NULL;
	const char *method = og_http_method(call->request);
	const struct route *route;
	char version[12] = "";
	const char *path;
	bool known;
	int r = check_version(og_route_version(og_http_path(call->request), &path, version),
			      version, err);

	if (r < 0)
		return r;
	route = is_absent(path) ? NULL : find_route(method, path, &param, &known);
	if (route != NULL) {
		call->param = param;
		return route->run(call, err);
	}
	if (is_absent(path))
		return og_fail(err, -ENOSYS, "%s %s is not there yet in onggi", method, path);
	if (known)
		return og_fail(err, -EPERM, "%s is not a method of %s", method, path);
	return og_fail(err, -ENOENT, "page not found");
}

void og_api_handle(struct og_http_request *request, void *data)
{
	struct og_api *api = data;
	struct call call = { .api = api, .engine = api->engine, .request = request };
	struct og_err err = {};
	int r;

	og_http_set_header(request, "Api-Version", OG_API_VERSION);
	og_http_set_header(request, "Docker-Experimental", "false");
	og_http_set_header(request, "Ostype", "linux");
	og_http_set_header(request, "Server", "onggi/" OG_VERSION " (linux)");
	r = dispatch(&call, &err);
	if (r == 0)
		return;
	if (err.code != r) {
		/* No text, or one of an earlier failure. */
		if (err.code == 0)
			(void)snprintf(err.text, sizeof(err.text), "%s", strerrordesc_np(-r));
		err.code = r;
	}
	if (error_status(r) >= 400 && r != -EPIPE)
		log_failure(&call, error_status(r), err.text);
	if (!og_http_answered(request))
		reply_error(&call, error_status(r), error_text(&err));
}

uint64_t og_api_body_max(const char *method, const char *path)
{
	og_auto_free char *param = NULL;
	const struct route *route;
	char version[12];
	const char *rest;
	bool known;

	(void)og_route_version(path, &rest, version);
	route = find_route(method, rest, &param, &known);
	return route != NULL && route->body == BODY_STREAM ? UINT64_MAX : OG_API_BODY_MAX;
}
