/* SPDX-License-Identifier: Apache-2.0 */
/* Routes below /containers about what a running workload may use. */
#include "api/call.h"

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

const struct route control_routes[] = {
	{ "POST", "/containers/{}/pause", pause_, BODY_NONE },
	{ "POST", "/containers/{}/unpause", unpause, BODY_NONE },
	{ "POST", "/containers/{}/update", update, BODY_JSON },
	{},
};
