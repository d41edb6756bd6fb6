/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/metrics.h"

#include <inttypes.h>

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define PREFIX	    "onggi_registry_"

static const struct {
	const char *name, *help;
} metrics_table[OG_METRIC_COUNT] = {
	[OG_METRIC_BLOB_PUSHES] = { "blob_pushes_total", "Blobs uploaded or mounted." },
	[OG_METRIC_MANIFEST_PUSHES] = { "manifest_pushes_total", "Manifests pushed." },
	[OG_METRIC_BLOB_PULLS] = { "blob_pulls_total", "Blobs pulled." },
	[OG_METRIC_MANIFEST_PULLS] = { "manifest_pulls_total", "Manifests pulled." },
	[OG_METRIC_DELETES] = { "deletes_total", "Tags, manifests and blobs deleted." },
	[OG_METRIC_PUSHED_BYTES] = { "pushed_bytes_total", "Bytes new to their repository." },
	[OG_METRIC_SENT_BYTES] = { "sent_bytes_total", "Bytes of answers." },
	[OG_METRIC_LOGIN_FAILURES] = { "login_failures_total", "Credentials that were refused." },
	[OG_METRIC_RATE_LIMITED] = { "rate_limited_total", "Requests answered with 429." },
	[OG_METRIC_QUOTA_REFUSALS] = { "quota_refusals_total", "Pushes over a quota." },
	[OG_METRIC_IMMUTABLE_REFUSALS] = { "immutable_refusals_total",
					   "Changes of immutable tags." },
	[OG_METRIC_TOKENS_ISSUED] = { "tokens_issued_total", "Bearer tokens issued." },
	[OG_METRIC_TAGS_EXPIRED] = { "tags_expired_total", "Tags removed by retention." },
	[OG_METRIC_UPSTREAM_FETCHES] = { "upstream_fetches_total",
					 "Manifests and blobs fetched from upstream." },
	[OG_METRIC_UPSTREAM_FAILURES] = { "upstream_failures_total",
					  "Fetches from upstream that failed." },
	[OG_METRIC_UPSTREAM_STALE] = { "upstream_stale_total",
				       "Tags served although upstream was away." },
	[OG_METRIC_WEBHOOKS_SENT] = { "webhooks_sent_total", "Notifications delivered." },
	[OG_METRIC_WEBHOOKS_RETRIED] = { "webhooks_retried_total", "Deliveries tried again." },
	[OG_METRIC_WEBHOOKS_LOST] = { "webhooks_lost_total", "Notifications given up." },
};

static const char *const methods[OG_METRICS_METHODS] = { "GET",	  "HEAD",   "PUT",     "POST",
							 "PATCH", "DELETE", "OPTIONS", "other" };

static const uint64_t bucket_us[OG_METRICS_BUCKETS] = { 500,	  2000,	    10000,   50000,
							100000,	  500000,   1000000, 5000000,
							30000000, 300000000 };

void og_metrics_add(struct og_metrics *metrics, enum og_metric metric, uint64_t count)
{
	(void)atomic_fetch_add_explicit(&metrics->values[metric], count, memory_order_relaxed);
}

void og_metrics_request(struct og_metrics *metrics, const char *method, int status, uint64_t bytes,
			uint64_t duration_us)
{
	size_t m = 0, bucket = 0, class = status >= 100 && status < 600 ? (size_t)status / 100 : 0;

	while (m + 1 < OG_METRICS_METHODS && !og_streq(method, methods[m]))
		m++;
	while (bucket < OG_METRICS_BUCKETS && duration_us > bucket_us[bucket])
		bucket++;
	(void)atomic_fetch_add_explicit(&metrics->requests[m][class], 1, memory_order_relaxed);
	(void)atomic_fetch_add_explicit(&metrics->durations[bucket], 1, memory_order_relaxed);
	(void)atomic_fetch_add_explicit(&metrics->duration_us, duration_us, memory_order_relaxed);
	og_metrics_add(metrics, OG_METRIC_SENT_BYTES, bytes);
}

static void write_requests(const struct og_metrics *metrics, struct og_text *text)
{
	og_text_add(text,
		    "# HELP " PREFIX "requests_total Requests by method and class of status.\n"
		    "# TYPE " PREFIX "requests_total counter\n");
	for (size_t m = 0; m < OG_METRICS_METHODS; m++)
		for (size_t class = 1; class < COUNT_OF(metrics->requests[0]); class ++) {
			uint64_t count = atomic_load_explicit(&metrics->requests[m][class],
							      memory_order_relaxed);

			if (count > 0)
				og_text_addf(text,
					     PREFIX "requests_total{method=\"%s\",status=\"%zuxx\"}"
						    " %" PRIu64 "\n",
					     methods[m], class, count);
		}
}

static void write_durations(const struct og_metrics *metrics, struct og_text *text)
{
	uint64_t sum_us = atomic_load_explicit(&metrics->duration_us, memory_order_relaxed);
	uint64_t total = 0;

	og_text_add(text, "# HELP " PREFIX "request_duration_seconds How long requests took.\n"
			  "# TYPE " PREFIX "request_duration_seconds histogram\n");
	for (size_t i = 0; i <= OG_METRICS_BUCKETS; i++) {
		total += atomic_load_explicit(&metrics->durations[i], memory_order_relaxed);
		og_text_add(text, PREFIX "request_duration_seconds_bucket{le=\"");
		if (i < OG_METRICS_BUCKETS)
			og_text_addf(text, "%g", (double)bucket_us[i] / 1e6);
		else
			og_text_add(text, "+Inf");
		og_text_addf(text, "\"} %" PRIu64 "\n", total);
	}
	og_text_addf(text,
		     PREFIX "request_duration_seconds_sum %" PRIu64 ".%06" PRIu64 "\n" PREFIX
			    "request_duration_seconds_count %" PRIu64 "\n",
		     sum_us / 1000000, sum_us % 1000000, total);
}

void og_metrics_write(const struct og_metrics *metrics, struct og_text *text)
{
	write_requests(metrics, text);
	write_durations(metrics, text);
	og_text_addf(text,
		     "# HELP " PREFIX "requests_in_flight Requests being handled.\n"
		     "# TYPE " PREFIX "requests_in_flight gauge\n" PREFIX
		     "requests_in_flight %" PRId64 "\n",
		     atomic_load_explicit(&metrics->in_flight, memory_order_relaxed));
	for (size_t i = 0; i < OG_METRIC_COUNT; i++)
		og_text_addf(text,
			     "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s counter\n" PREFIX
			     "%s %" PRIu64 "\n",
			     metrics_table[i].name, metrics_table[i].help, metrics_table[i].name,
			     metrics_table[i].name,
			     atomic_load_explicit(&metrics->values[i], memory_order_relaxed));
}
