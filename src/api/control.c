/* SPDX-License-Identifier: Apache-2.0 */
/* Routes below /containers about what a running workload may use. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "api/call.h"
#include "base/clock.h"

static int pause_(struct call *call, struct og_err *err)
{
	int r = og_engine_pause(call->engine, call->param, true, err);

	return r < 0 ? r : reply_empty(call, 204);
}

static int unpause(struct call *call, struct og_err *err)
{
	int r = og_engine_pause(call->engine, call->param, false, err);

	return r < 0 ? r : reply_empty(call, 204);
}

static int update(struct call *call, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *body = NULL;
	struct og_json *answer;
	int r = read_json(call, &body, err);

	if (r == 0)
		r = og_engine_update(call->engine, call->param, body, err);
	if (r < 0)
		return r;
	answer = og_json_new_object();
	og_json_set(answer, "Warnings", NULL);
	return reply_json(call, 200, answer);
}

/* ---- stats ---- */

#define STATS_INTERVAL_MS 1000

/* One look; what was seen before is its "precpu_stats". *@ret_json is the caller's. */
static int look(struct call *call, const char *id, const struct og_json *before,
		struct og_json **ret_json, struct og_err *err)
{
	int r = og_engine_stats(call->engine, id, ret_json, err);

	if (r < 0 || before == NULL)
		return r;
	og_json_set(*ret_json, "preread", og_json_copy(og_json_get(before, "read")));
	og_json_set(*ret_json, "precpu_stats", og_json_copy(og_json_get(before, "cpu_stats")));
	return 0;
}

/* -EPIPE: the client has left. */
static int await_next(struct call *call, uint64_t next)
{
	struct pollfd fd = { .fd = og_http_gone_fd(call->request), .events = POLLIN };
	uint64_t now = og_clock_ms();
	int n = poll(&fd, 1, now < next ? (int)(next - now) : 0);

	return n > 0 ? -EPIPE : n < 0 && errno != EINTR ? -errno : 0;
}

/* Until the client leaves or the workload is removed. @json is taken over. */
static int stream_stats(struct call *call, struct og_json *json, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *last = json;
	og_auto_free char *id = strdup(og_json_string(og_json_get(json, "id"), ""));
	uint64_t next = og_clock_ms();
	int r = id == NULL ? -ENOMEM : og_http_stream(call->request, 200, "application/json", err);

	while (r == 0) {
		struct og_json *new = NULL;

		r = write_json_line(call, og_json_copy(last));
		next += STATS_INTERVAL_MS;
		if (r == 0)
			r = await_next(call, next);
		if (r == 0)
			r = look(call, id, last, &new, err);
		if (r == 0) {
			(void)og_json_free(last);
			last = new;
		}
	}
	return r == -ENOENT ? 0 : r;
}

static int stats(struct call *call, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *first = NULL;
	struct og_json *second;
	uint64_t next = og_clock_ms() + STATS_INTERVAL_MS;
	int r = look(call, call->param, NULL, &first, err);

	if (r < 0)
		return r;
	if (query_bool(call, "stream", true))
		return stream_stats(call, og_take_ptr(first), err);
	if (query_bool(call, "one-shot", false) ||
	    og_streq(og_json_string(og_json_get(first, "read"), ""), OG_CLOCK_NEVER))
		return reply_json(call, 200, og_take_ptr(first));
	r = await_next(call, next);
	if (r == 0)
		r = look(call, call->param, first, &second, err);
	return r < 0 ? r : reply_json(call, 200, second);
}

const struct route control_routes[] = {
	{ "POST", "/containers/{}/pause", pause_, BODY_NONE },
	{ "POST", "/containers/{}/unpause", unpause, BODY_NONE },
	{ "POST", "/containers/{}/update", update, BODY_JSON },
	{ "GET", "/containers/{}/stats", stats, BODY_NONE },
	{},
};
