/* SPDX-License-Identifier: Apache-2.0 */
/* Private to api/: the answer of a long operation, a JSON object a line. */
#pragma once

#include "api/call.h"

/* A stream of progress lines that begins with the first of them. */
struct call_progress {
	struct call *call;
	bool quiet;
	int begun; /* 0: not yet, 1: yes, or a negative errno */
};

int call_progress_begin(struct call_progress *progress);

/* An og_progress_fn: @data is the call_progress. */
int call_progress_step(void *data, const struct og_progress *step);

/* A line of one text. */
int call_progress_field(struct call_progress *progress, const char *key, const char *text);

/* Ends an operation: @code is its result. After the first line an error is one more line. */
int call_progress_finish(struct call_progress *progress, int code, struct og_err *err);

/* "name:tag" or "name@digest", the caller's to free; NULL when memory ran out. */
char *join_reference(const char *name, const char *tag);

/* NULL for "". */
const char *or_null(const char *text);
