/* SPDX-License-Identifier: Apache-2.0 */
/* Routes below /containers that answer at once. */
#include <errno.h>
#include <signal.h>

#include "api/call.h"
#include "format/docker_create.h"
#include "format/docker_query.h"

static int create(struct call *call, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *body = NULL;
	struct og_json *answer;
	int r = read_json(call, &body, err);

	if (r == 0)
		r = og_engine_create(call->engine, query_text(call, "name"), body, &answer, err);
	return r < 0 ? r : reply_json(call, 201, answer);
}

static int list(struct call *call, struct og_err *err)
{
	static const char *const accepted[] = {
		"ancestor", "exited", "health",	 "id",	   "isolation", "is-task",
		"label",    "name",   "network", "status", NULL,
	};
	og_cleanup(og_json_freep) struct og_json *filters = NULL;
	struct og_json *answer;
	int64_t limit = 0;
	int r = og_filters_parse(og_http_query(call->request, "filters"), accepted, &filters, err);

	if (r == 0)
		r = query_int(call, "limit", -1, INT32_MAX, &limit, err);
	if (r == 0)
		r = og_engine_list(call->engine, filters, query_bool(call, "all", false),
				   limit < 0 ? 0 : (size_t)limit, &answer, err);
	return r < 0 ? r : reply_json(call, 200, answer);
}

static int inspect(struct call *call, struct og_err *err)
{
	struct og_json *answer;
	int r = og_engine_inspect(call->engine, call->param, &answer, err);

	return r < 0 ? r : reply_json(call, 200, answer);
}

static int start(struct call *call, struct og_err *err)
{
	int r = og_engine_start(call->engine, call->param, err);

	return r < 0 ? r : reply_empty(call, 204);
}

/* ?signal=; 0: none given. */
static int query_signal(const struct call *call, int *ret_signal, struct og_err *err)
{
	const char *text = query_text(call, "signal");

	*ret_signal = *text == '\0' ? 0 : og_signal_parse(text);
	if (*text != '\0' && *ret_signal == 0)
		return og_fail(err, -EINVAL, "Invalid signal: %s", text);
	return 0;
}

typedef int stop_fn(struct og_engine *engine, const char *name, int64_t timeout_s, int signal,
		    struct og_err *err);

static int stop_with(struct call *call, stop_fn *run, struct og_err *err)
{
	int64_t timeout_s = -1;
	int signal;
	int r = query_int(call, "t", -1, 86400, &timeout_s, err);

	if (r == 0)
		r = query_signal(call, &signal, err);
	if (r == 0)
		r = run(call->engine, call->param, timeout_s, signal, err);
	return r < 0 ? r : reply_empty(call, 204);
}

static int stop(struct call *call, struct og_err *err)
{
	return stop_with(call, og_engine_stop, err);
}

static int restart(struct call *call, struct og_err *err)
{
	return stop_with(call, og_engine_restart, err);
}

static int kill_(struct call *call, struct og_err *err)
{
	int signal;
	int r = query_signal(call, &signal, err);

	if (r == 0)
		r = og_engine_kill(call->engine, call->param, signal == 0 ? SIGKILL : signal, err);
	return r < 0 ? r : reply_empty(call, 204);
}

static int remove_(struct call *call, struct og_err *err)
{
	int r = 0;

	if (query_bool(call, "link", false))
		return og_fail(err, -ENOSYS, "links are not there");
	r = og_engine_remove(call->engine, call->param, query_bool(call, "force", false),
			     query_bool(call, "v", false), err);
	return r < 0 ? r : reply_empty(call, 204);
}

static int rename_(struct call *call, struct og_err *err)
{
	int r = og_engine_rename(call->engine, call->param, query_text(call, "name"), err);

	return r < 0 ? r : reply_empty(call, 204);
}

static int resize(struct call *call, struct og_err *err)
{
	int64_t rows = 0, columns = 0;
	int r = query_int(call, "h", 0, UINT16_MAX, &rows, err);

	if (r == 0)
		r = query_int(call, "w", 0, UINT16_MAX, &columns, err);
	if (r == 0)
		r = og_engine_resize(call->engine, call->param, (uint16_t)rows, (uint16_t)columns,
				     err);
	return r < 0 ? r : reply_empty(call, 200);
}

static int top(struct call *call, struct og_err *err)
{
	struct og_json *answer;
	int r = og_engine_top(call->engine, call->param, &answer, err);

	return r < 0 ? r : reply_json(call, 200, answer);
}

static int prune(struct call *call, struct og_err *err)
{
	static const char *const accepted[] = { "label", "until", NULL };
	og_cleanup(og_json_freep) struct og_json *filters = NULL;
	struct og_json *answer;
	int r = og_filters_parse(og_http_query(call->request, "filters"), accepted, &filters, err);

	if (r == 0)
		r = og_engine_prune(call->engine, filters, &answer, err);
	return r < 0 ? r : reply_json(call, 200, answer);
}

const struct route workload_routes[] = {
	{ "GET", "/containers/json", list, BODY_NONE },
	{ "POST", "/containers/create", create, BODY_JSON },
	{ "POST", "/containers/prune", prune, BODY_NONE },
	{ "GET", "/containers/{}/json", inspect, BODY_NONE },
	{ "GET", "/containers/{}/top", top, BODY_NONE },
	{ "POST", "/containers/{}/start", start, BODY_NONE },
	{ "POST", "/containers/{}/stop", stop, BODY_NONE },
	{ "POST", "/containers/{}/restart", restart, BODY_NONE },
	{ "POST", "/containers/{}/kill", kill_, BODY_NONE },
	{ "POST", "/containers/{}/rename", rename_, BODY_NONE },
	{ "POST", "/containers/{}/resize", resize, BODY_NONE },
	{ "DELETE", "/containers/{}", remove_, BODY_NONE },
	{},
};
