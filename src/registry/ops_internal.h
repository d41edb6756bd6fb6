/* SPDX-License-Identifier: Apache-2.0 */
/* What ops.c, guard.c, keeper.c and retention.c share. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "access/access.h"
#include "registry/access_log.h"
#include "registry/cache.h"
#include "registry/config.h"
#include "registry/metrics.h"
#include "registry/ops.h"
#include "registry/rate.h"
#include "registry/webhooks.h"

#define OPS_VISIT_SETS 64U

/* One request, from its first moment to its last byte. */
struct visit {
	struct visit *next;
	const struct og_http_request *request;
	struct timespec at;
	uint64_t start_us;
	struct og_identity identity;
};

struct og_registry_ops {
	struct og_registry_config *config;
	struct og_registry *registry; /* borrowed; NULL before the start */
	struct og_access *access;
	struct og_permissions *metrics_readers; /* NULL: nobody here */
	struct og_rate *requests, *logins;	/* NULL: no limit */
	struct og_access_log *access_log;	/* NULL: none */
	struct og_metrics metrics;
	struct og_webhooks *webhooks;
	struct og_cache *cache; /* NULL: there is no upstream */
	struct og_http_server *metrics_server;
	void (*log)(void *data, const char *line);
	void *log_data;

	/* Visits by their request, between handle and done. */
	pthread_mutex_t visit_locks[OPS_VISIT_SETS];
	struct visit *visits[OPS_VISIT_SETS];

	/* retention.c */
	pthread_t retention;
	bool retention_started;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* of CLOCK_MONOTONIC */
	bool stop;
};

/* ---- guard.c ---- */

struct visit *visit_begin(struct og_registry_ops *ops, const struct og_http_request *request);
struct visit *visit_find(struct og_registry_ops *ops, const struct og_http_request *request);
/* Takes it out of the table; the caller frees it. NULL: there is none. */
struct visit *visit_end(struct og_registry_ops *ops, const struct og_http_request *request);

void guard_fill(struct og_registry_ops *ops, struct og_registry_policy *policy);

/* "https://registry.example.org", the caller's to free; NULL: no memory. */
char *guard_base_url(const struct og_registry_ops *ops, const struct og_http_request *request);

/* ---- keeper.c ---- */

void keeper_fill(struct og_registry_ops *ops, struct og_registry_hooks *hooks);

/* ---- retention.c ---- */

int retention_start(struct og_registry_ops *ops, struct og_err *err);
void retention_stop(struct og_registry_ops *ops);

void ops_log(const struct og_registry_ops *ops, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
