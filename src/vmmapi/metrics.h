/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Firecracker's metrics: on each flush a line of JSON, groups of counters that say what was added
 * since the last line. The machine's counters are in memory that it shares with this process.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/metrics.h"
#include "vmmapi/bodies.h"

#define OG_API_COUNTERS_MAX  48
#define OG_METRICS_PERIOD_MS 60000U

struct og_vmmapi;

struct og_metrics_output {
	int fd; /* owned; negative: nobody wants them */
	bool emit_id;
	struct og_pair properties[OG_API_PROPERTIES_MAX];
	unsigned n_properties;

	struct og_metrics *shared; /* borrowed; may be NULL */
	struct og_metrics *before; /* as the last line had them; borrowed; NULL where @shared is */

	/* By place in og_routes. */
	struct og_request_counters {
		uint64_t count, fails;
	} requests[OG_API_COUNTERS_MAX], requests_before[OG_API_COUNTERS_MAX];

	uint64_t deprecated_calls, deprecated_calls_before;
	uint64_t missed, missed_before; /* lines that could not be written */
	uint64_t startup_us, startup_cpu_us;

	/* How long the last of each took, in microseconds. */
	uint64_t pause_us, resume_us, full_snapshot_us, diff_snapshot_us, load_us;
};

int og_metrics_configure(struct og_metrics_output *output, const struct og_api_metrics *config,
			 struct og_err *err);

/* Writes a line. Errors: -ENOENT (no output is configured), those of writing. */
int og_metrics_flush(struct og_metrics_output *output, const struct og_vmmapi *api,
		     struct og_err *err);

/* The line's document, the caller's to free; the next one begins where this one ends. */
struct og_json *og_metrics_collect(struct og_metrics_output *output, const struct og_vmmapi *api);
