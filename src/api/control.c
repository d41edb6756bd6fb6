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

const struct route control_routes[] = {
	{ "POST", "/containers/{}/pause", pause_, BODY_NONE },
	{ "POST", "/containers/{}/unpause", unpause, BODY_NONE },
	{},
};
