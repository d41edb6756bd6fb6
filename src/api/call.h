/* SPDX-License-Identifier: Apache-2.0 */
/* Private to api/: one call of a route, and what all routes use. */
#pragma once

#include "api/api.h"
#include "base/json.h"
#include "base/text.h"

struct call {
	struct og_api *api;
	struct og_engine *engine;
	struct og_http_request *request;
	const char *param; /* what the route's placeholder stands for; NULL: it has none */
};

/* Answers, or returns a negative errno with a text for the client. */
typedef int call_fn(struct call *call, struct og_err *err);

enum route_body {
	BODY_NONE, /* one is passed over */
	BODY_JSON,
	BODY_STREAM, /* of any length */
};

struct route {
	const char *method;
	const char *pattern;
	call_fn *run;
	enum route_body body;
};

/* Each ends with a row of NULL. */
extern const struct route system_routes[];
extern const struct route workload_routes[];
extern const struct route stream_routes[];
extern const struct route image_routes[];
extern const struct route registry_routes[];
extern const struct route volume_routes[];
extern const struct route control_routes[];

/* Answers with a document, which is taken over. Returns 0. */
int reply_json(struct call *call, int status, struct og_json *json);
int reply_empty(struct call *call, int status);

/* Reads and parses the body. Errors: -EINVAL (no JSON, or another content type), -EFBIG. */
int read_json(struct call *call, struct og_json **ret_json, struct og_err *err);

/* "1", "true" and so on as Docker reads it; absent: @otherwise. */
bool query_bool(const struct call *call, const char *name, bool otherwise);
int query_int(const struct call *call, const char *name, int64_t min, int64_t max,
	      int64_t *ret_value, struct og_err *err);
const char *query_text(const struct call *call, const char *name); /* "" when absent */

/* The text of an error for people: without the errno's own words where ours say it all. */
const char *error_text(struct og_err *err);
int error_status(int code);

/* One JSON document and CR LF into a stream. Takes @json over. Errors: those of og_http_write(). */
int write_json_line(struct call *call, struct og_json *json);
