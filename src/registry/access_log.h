/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line for each request: JSON, or the "combined" form that log readers know. What a client sent is
 * never more than a part of its own field: quotes, backslashes, control characters and bytes beyond
 * ASCII are escaped in both (A60).
 *
 * A file is opened again when somebody has moved it away, so that logs are rotated without a word to
 * us. May be used by many threads.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"

#define OG_ACCESS_LOG_FIELD_MAX 1024U /* bytes of a client's text that are written; more is cut */

struct og_access_record {
	struct timespec at;
	const char *address, *account; /* "" where there is none */
	const char *method, *path;
	const char *agent, *referer; /* NULL: not sent */
	int status;
	uint64_t bytes; /* of the answer's body */
	uint64_t duration_us;
};

/* Adds the record and a newline. */
void og_access_record_json(const struct og_access_record *record, struct og_text *text);
void og_access_record_combined(const struct og_access_record *record, struct og_text *text);

struct og_access_log;

/* @path "-": standard output. On success *@ret_log is the caller's to free. */
int og_access_log_open(const char *path, bool combined, struct og_access_log **ret_log,
		       struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_access_log *og_access_log_free(struct og_access_log *log);
OG_DEFINE_CLEANUP(struct og_access_log, og_access_log_free)

/* Writes a line. Where that fails (a full disk) it is lost: the requests go on. Accepts NULL. */
void og_access_log_write(struct og_access_log *log, const struct og_access_record *record);
