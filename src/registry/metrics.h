/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a registry has done, in Prometheus' text format 0.0.4. Numbers alone: no name that a client
 * chose becomes a label, so that there are never more series than are listed here. May be used by
 * many threads.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

#define OG_METRICS_METHODS 8U /* GET HEAD PUT POST PATCH DELETE OPTIONS and others */
#define OG_METRICS_BUCKETS 10U

enum og_metric {
	OG_METRIC_BLOB_PUSHES,
	OG_METRIC_MANIFEST_PUSHES,
	OG_METRIC_BLOB_PULLS,
	OG_METRIC_MANIFEST_PULLS,
	OG_METRIC_DELETES,
	OG_METRIC_PUSHED_BYTES, /* new to their repository */
	OG_METRIC_SENT_BYTES,
	OG_METRIC_LOGIN_FAILURES,
	OG_METRIC_RATE_LIMITED,
	OG_METRIC_QUOTA_REFUSALS,
	OG_METRIC_IMMUTABLE_REFUSALS,
	OG_METRIC_TOKENS_ISSUED,
	OG_METRIC_TAGS_EXPIRED,
	OG_METRIC_UPSTREAM_FETCHES,
	OG_METRIC_UPSTREAM_FAILURES,
	OG_METRIC_UPSTREAM_STALE,
	OG_METRIC_WEBHOOKS_SENT,
	OG_METRIC_WEBHOOKS_RETRIED,
	OG_METRIC_WEBHOOKS_LOST,
	OG_METRIC_COUNT,
};

struct og_metrics {
	_Atomic uint64_t values[OG_METRIC_COUNT];
	_Atomic uint64_t requests[OG_METRICS_METHODS][6]; /* by status / 100; 0: none */
	_Atomic uint64_t durations[OG_METRICS_BUCKETS + 1];
	_Atomic uint64_t duration_us;
	_Atomic int64_t in_flight;
};

void og_metrics_add(struct og_metrics *metrics, enum og_metric metric, uint64_t count);

/* A request is over. */
void og_metrics_request(struct og_metrics *metrics, const char *method, int status, uint64_t bytes,
			uint64_t duration_us);

void og_metrics_write(const struct og_metrics *metrics, struct og_text *text);

/* What the text is sent as. */
#define OG_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"
