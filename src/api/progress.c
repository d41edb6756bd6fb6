/* SPDX-License-Identifier: Apache-2.0 */
#include "api/progress.h"

#include <errno.h>

int call_progress_begin(struct call_progress *progress)
{
	if (progress->begun == 0) {
		int r = og_http_stream(progress->call->request, 200, "application/json", NULL);

		progress->begun = r < 0 ? r : 1;
	}
	return progress->begun < 0 ? progress->begun : 0;
}

static struct og_json *progress_json(const struct og_progress *step)
{
	struct og_json *json = og_json_new_object();
	struct og_json *detail = og_json_new_object();

	og_json_set_string(json, "status", step->text);
	if (step->id == NULL) {
		(void)og_json_free(detail);
		return json;
	}
	if (step->current > 0 || step->total > 0) {
		og_json_set_int(detail, "current", (int64_t)step->current);
		if (step->total > 0)
			og_json_set_int(detail, "total", (int64_t)step->total);
	}
	og_json_set(json, "progressDetail", detail);
	og_json_set_string(json, "id", step->id);
	return json;
}

int call_progress_step(void *data, const struct og_progress *step)
{
	struct call_progress *progress = data;
	int r = progress->quiet ? 0 : call_progress_begin(progress);

	if (r == 0 && !progress->quiet)
		r = write_json_line(progress->call, progress_json(step));
	/* While the body is still coming, lines that find no room are dropped. */
	return r == -EPIPE ? -ECANCELED : 0;
}

int call_progress_finish(struct call_progress *progress, int code, struct og_err *err)
{
	struct og_json *json, *detail;

	if (code >= 0 || progress->begun != 1)
		return code;
	json = og_json_new_object();
	detail = og_json_new_object();
	og_json_set_string(detail, "message", error_text(err));
	og_json_set(json, "errorDetail", detail);
	og_json_set_string(json, "error", err->text);
	(void)write_json_line(progress->call, json);
	return code;
}

int call_progress_field(struct call_progress *progress, const char *key, const char *text)
{
	struct og_json *json = og_json_new_object();
	int r = call_progress_begin(progress);

	og_json_set_string(json, key, text);
	if (r < 0) {
		(void)og_json_free(json);
		return r;
	}
	return write_json_line(progress->call, json);
}
