/* SPDX-License-Identifier: Apache-2.0 */
/* From a request to its handler: who asks, what for, and may they. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "registry/internal.h"

/* What a request without a body of its own may carry along: a form for tokens. */
#define SMALL_BODY_MAX (64U << 10)

typedef void serve_fn(struct call *call);

static const struct {
	enum og_registry_route route;
	const char *method;
	enum og_registry_action action;
	serve_fn *serve;
} routes[] = {
	{ OG_ROUTE_CATALOG, "GET", OG_REGISTRY_CATALOG, serve_catalog },
	{ OG_ROUTE_TAGS, "GET", OG_REGISTRY_READ, serve_tags },
	{ OG_ROUTE_REFERRERS, "GET", OG_REGISTRY_READ, serve_referrers },
	{ OG_ROUTE_MANIFEST, "GET", OG_REGISTRY_READ, serve_manifest },
	{ OG_ROUTE_MANIFEST, "PUT", OG_REGISTRY_CREATE, serve_manifest_put },
	{ OG_ROUTE_MANIFEST, "DELETE", OG_REGISTRY_DELETE, serve_manifest_delete },
	{ OG_ROUTE_BLOB, "GET", OG_REGISTRY_READ, serve_blob },
	{ OG_ROUTE_BLOB, "DELETE", OG_REGISTRY_DELETE, serve_blob_delete },
	{ OG_ROUTE_UPLOADS, "POST", OG_REGISTRY_CREATE, serve_upload_begin },
	{ OG_ROUTE_UPLOAD, "GET", OG_REGISTRY_CREATE, serve_upload_status },
	{ OG_ROUTE_UPLOAD, "PATCH", OG_REGISTRY_CREATE, serve_upload_patch },
	{ OG_ROUTE_UPLOAD, "PUT", OG_REGISTRY_CREATE, serve_upload_finish },
	{ OG_ROUTE_UPLOAD, "DELETE", OG_REGISTRY_CREATE, serve_upload_cancel },
};

#define ROUTES (sizeof(routes) / sizeof(routes[0]))

/* ---- answers ---- */

static char *error_text(const char *code, const char *message)
{
	og_cleanup(og_json_freep) struct og_json *root = og_json_new_object();
	struct og_json *errors = og_json_new_array(), *one = og_json_new_object();

	og_json_set_string(one, "code", code);
	og_json_set_string(one, "message", message);
	og_json_push(errors, one);
	og_json_set(root, "errors", errors);
	return og_json_write(root);
}

/* Of answers that are given before a handler is asked. */
char *og_registry_error_body(int status, const char *text)
{
	return error_text(status == 413	  ? "SIZE_INVALID"
			  : status == 429 ? "TOOMANYREQUESTS"
			  : status >= 500 ? "UNKNOWN"
					  : "UNSUPPORTED",
			  text);
}

void reply_error(struct call *call, int status, const char *code, const char *message)
{
	og_auto_free char *body = error_text(code, message);

	og_http_reply(call->request, status, "application/json", body, strlen(body));
}

void reply_failure(struct call *call, int r, const char *not_found, const struct og_err *err)
{
	static const struct {
		int r, status;
		const char *code; /* NULL: @not_found */
	} table[] = {
		{ -ENOENT, 404, NULL },		  { -EPERM, 403, "DENIED" },
		{ -EACCES, 403, "DENIED" },	  { -EDQUOT, 403, "DENIED" },
		{ -EEXIST, 409, "DENIED" },	  { -ENOSPC, 507, "UNKNOWN" },
		{ -ENOTSUP, 400, "UNSUPPORTED" }, { -ECONNRESET, 400, "SIZE_INVALID" },
	};

	const char *text = err->text[0] != '\0' ? err->text : strerror(-r), *code = "UNKNOWN";
	int status = 500;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].r == r) {
			status = table[i].status;
			code = table[i].code == NULL ? not_found : table[i].code;
		}
	}
	if (status >= 500) /* ours, not the client's */
		og_blob_store_log(&call->registry->store, "%s %s: %s",
				  og_http_method(call->request), og_http_path(call->request), text);
	reply_error(call, status, code, text);
}

/* ---- authorisation ---- */

bool may_silently(const struct call *call, const char *repository, enum og_registry_action action)
{
	const struct og_registry_policy *policy = &call->registry->options.policy;

	return policy->may == NULL || policy->may(policy->data, &call->caller, repository, action);
}

/* Asks for credentials where there is somebody to show them to; false: there is not. */
static bool reply_challenge(struct call *call, enum og_registry_action action, const char *text)
{
	const struct og_registry_policy *policy = &call->registry->options.policy;
	og_auto_free char *challenge = NULL;

	if (policy->challenge != NULL)
		challenge = policy->challenge(policy->data, call->request, call->path.name, action);
	if (challenge == NULL)
		return false;
	og_http_set_header(call->request, "WWW-Authenticate", challenge);
	reply_error(call, 401, "UNAUTHORIZED", text);
	return true;
}

bool may(struct call *call, enum og_registry_action action)
{
	if (may_silently(call, call->path.name, action))
		return true;
	if (!reply_challenge(call, action, "credentials are needed"))
		reply_error(call, 403, "DENIED", "the account may not do this here");
	return false;
}

/* ---- hooks ---- */

struct og_registry_event event_of(const struct call *call, enum og_registry_change change,
				  const char *digest)
{
	return (struct og_registry_event){
		.change = change,
		.request = call->request,
		.caller = &call->caller,
		.repository = call->path.name,
		.tag = call->path.by_digest ? "" : call->path.tag,
		.digest = digest,
		.previous = "",
		.media_type = "",
		.artifact_type = "",
		.subject = "",
		.from = "",
		.engine_name = "",
	};
}

bool before(struct call *call, const struct og_registry_event *event)
{
	const struct og_registry_hooks *hooks = &call->registry->options.hooks;
	struct og_err err = {};
	int r = 0;

	if (hooks->before != NULL)
		r = hooks->before(hooks->data, call->registry, event, &err);
	if (r == -EACCES && call->caller.account[0] == '\0' &&
	    reply_challenge(call, OG_REGISTRY_READ, err.text))
		return false;
	if (r < 0)
		reply_failure(call, r, "DENIED", &err);
	return r >= 0;
}

void after(struct call *call, const struct og_registry_event *event)
{
	const struct og_registry_hooks *hooks = &call->registry->options.hooks;

	if (hooks->after != NULL)
		hooks->after(hooks->data, call->registry, event);
}

bool fetch_missing(struct call *call, const char *reference, bool is_manifest, bool *ret_answered)
{
	const struct og_registry_hooks *hooks = &call->registry->options.hooks;
	struct og_err err = {};
	int r;

	*ret_answered = false;
	if (hooks->missing == NULL)
		return false;
	r = hooks->missing(hooks->data, call->registry, call->path.name, reference, is_manifest,
			   &err);
	if (r == 0 || r == -ENOENT)
		return r == 0;
	reply_error(call, 502, "UNKNOWN",
		    err.text[0] != '\0' ? err.text : "the registry behind this one failed");
	*ret_answered = true;
	return false;
}

int refresh_tag(struct call *call, const char *digest, struct og_err *err)
{
	const struct og_registry_hooks *hooks = &call->registry->options.hooks;

	if (hooks->refresh == NULL || call->path.by_digest)
		return 0;
	return hooks->refresh(hooks->data, call->registry, call->path.name, call->path.tag, digest,
			      err);
}

/* ---- requests ---- */

static bool path_is_fine(struct call *call)
{
	static const struct {
		int status;
		const char *code, *text;
	} faults[] = {
		[OG_PATH_BAD_NAME] = { 400, "NAME_INVALID", "this is no name of a repository" },
		[OG_PATH_BAD_DIGEST] = { 400, "DIGEST_INVALID",
					 "this is no digest: sha256: or sha512: and lower-case "
					 "hexadecimal digits" },
		[OG_PATH_BAD_TAG] = { 400, "TAG_INVALID", "this is no tag" },
		[OG_PATH_BAD_UPLOAD] = { 404, "BLOB_UPLOAD_UNKNOWN", "there is no such upload" },
	};

	const char *path = og_http_path(call->request);
	enum og_registry_path_fault fault = og_registry_path_parse(path, &call->path);

	/* Who sends the slash of a name in disguise means something else by it (A55). */
	if (fault == OG_PATH_FINE && og_http_slash_escaped(call->request) &&
	    call->path.route != OG_ROUTE_UNKNOWN)
		fault = OG_PATH_BAD_NAME;
	if (fault == OG_PATH_FINE)
		return true;
	reply_error(call, faults[fault].status, faults[fault].code, faults[fault].text);
	return false;
}

static void serve_ping(struct call *call)
{
	if (may(call, OG_REGISTRY_PING))
		og_http_reply(call->request, 200, "application/json", "{}", 2);
}

static void serve_other(struct call *call)
{
	const struct og_registry_policy *policy = &call->registry->options.policy;

	if (policy->other == NULL || !policy->other(policy->data, call->request, &call->caller))
		reply_error(call, 404, "UNSUPPORTED", "there is nothing here");
}

/* What else this path is good for (RFC 9110, section 15.5.6). */
static void reply_not_allowed(struct call *call)
{
	og_auto_text allowed = {};

	if (call->path.route == OG_ROUTE_PING)
		og_text_add(&allowed, "GET, HEAD");
	for (size_t i = 0; i < ROUTES; i++)
		if (routes[i].route == call->path.route)
			og_text_addf(&allowed, "%s%s%s", allowed.len > 0 ? ", " : "",
				     routes[i].method,
				     og_streq(routes[i].method, "GET") ? ", HEAD" : "");
	if (!allowed.failed)
		og_http_set_header(call->request, "Allow", allowed.buf);
	reply_error(call, 405, "UNSUPPORTED", "this method is not served here");
}

static void dispatch(struct call *call)
{
	const char *method = og_http_method(call->request);
	bool known = false;

	call->head = og_streq(method, "HEAD");
	if (call->head)
		method = "GET";
	if (call->path.route == OG_ROUTE_PING && og_streq(method, "GET")) {
		serve_ping(call);
		return;
	}
	for (size_t i = 0; i < ROUTES; i++) {
		if (routes[i].route != call->path.route)
			continue;
		known = true;
		if (!og_streq(routes[i].method, method))
			continue;
		if (may(call, routes[i].action))
			routes[i].serve(call);
		return;
	}
	if (known || call->path.route == OG_ROUTE_PING)
		reply_not_allowed(call);
	else
		serve_other(call);
}

static void refuse_entry(struct call *call, int r, unsigned retry_s, const struct og_err *err)
{
	const struct og_registry_policy *policy = &call->registry->options.policy;
	og_auto_free char *challenge = NULL;
	char seconds[16];

	if (r == -EBUSY) {
		(void)snprintf(seconds, sizeof(seconds), "%u", retry_s);
		og_http_set_header(call->request, "Retry-After", seconds);
		reply_error(call, 429, "TOOMANYREQUESTS",
			    err->text[0] != '\0' ? err->text : "too many requests");
	} else if (r == -EACCES) {
		if (policy->challenge != NULL)
			challenge = policy->challenge(policy->data, call->request, call->path.name,
						      OG_REGISTRY_PING);
		if (challenge != NULL)
			og_http_set_header(call->request, "WWW-Authenticate", challenge);
		reply_error(call, 401, "UNAUTHORIZED",
			    err->text[0] != '\0' ? err->text : "wrong credentials");
	} else {
		reply_failure(call, r, "UNKNOWN", err);
	}
}

void og_registry_handle(struct og_http_request *request, void *data)
{
	struct call call = { .registry = data, .request = request };
	const struct og_registry_policy *policy = &call.registry->options.policy;
	struct og_err err = {};
	unsigned retry_s = 1;
	int r = 0;

	og_http_set_header(request, "Docker-Distribution-Api-Version", "registry/2.0");
	if (policy->enter != NULL)
		r = policy->enter(policy->data, request, &call.caller, &retry_s, &err);
	if (r < 0) {
		refuse_entry(&call, r, retry_s, &err);
		return;
	}
	if (path_is_fine(&call))
		dispatch(&call);
	if (policy->leave != NULL)
		policy->leave(policy->data, request, &call.caller);
}

uint64_t og_registry_body_max(const char *method, const char *path)
{
	struct og_registry_path parsed;

	(void)og_registry_path_parse(path, &parsed);
	switch (parsed.route) {
	case OG_ROUTE_UPLOADS:
	case OG_ROUTE_UPLOAD:
		return og_streq(method, "GET") ? SMALL_BODY_MAX : INT64_MAX;
	case OG_ROUTE_MANIFEST:
		return OG_MANIFEST_BYTES_MAX;
	case OG_ROUTE_UNKNOWN:
	case OG_ROUTE_PING:
	case OG_ROUTE_CATALOG:
	case OG_ROUTE_TAGS:
	case OG_ROUTE_BLOB:
	case OG_ROUTE_REFERRERS:
	default:
		return SMALL_BODY_MAX;
	}
}
