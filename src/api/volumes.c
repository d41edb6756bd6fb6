/* SPDX-License-Identifier: Apache-2.0 */
/* Routes below /volumes. */
#include <errno.h>

#include "api/call.h"

static int list(struct call *call, struct og_err *err)
{
	struct og_json *answer;
	int r = og_volumes_list(call->engine, &answer, err);

	return r < 0 ? r : reply_json(call, 200, answer);
}

static int create(struct call *call, struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *body = NULL;
	const char *name = "", *driver = "";
	struct og_json *answer;
	int r = read_json(call, &body, err);

	if (r == 0)
		r = og_json_opt_string(body, "Name", &name, err);
	if (r == 0)
		r = og_json_opt_string(body, "Driver", &driver, err);
	if (r == 0 && *driver != '\0' && !og_streq(driver, "local"))
		r = og_fail(err, -ENOSYS, "volume driver '%s' is not there: use local", driver);
	if (r == 0 && og_json_count(og_json_get(body, "DriverOpts")) > 0)
		r = og_fail(err, -ENOSYS, "options of volumes are not there yet");
	if (r == 0)
		r = og_volumes_create(call->engine, name, &answer, err);
	return r < 0 ? r : reply_json(call, 201, answer);
}

static int inspect(struct call *call, struct og_err *err)
{
	struct og_json *answer;
	int r = og_volumes_inspect(call->engine, call->param, &answer, err);

	return r < 0 ? r : reply_json(call, 200, answer);
}

static int remove_(struct call *call, struct og_err *err)
{
	int r = og_volumes_remove(call->engine, call->param, query_bool(call, "force", false), err);

	return r < 0 ? r : reply_empty(call, 204);
}

const struct route volume_routes[] = {
	{ "GET", "/volumes", list, BODY_NONE },
	{ "POST", "/volumes/create", create, BODY_JSON },
	{ "GET", "/volumes/{}", inspect, BODY_NONE },
	{ "DELETE", "/volumes/{}", remove_, BODY_NONE },
	{},
};
