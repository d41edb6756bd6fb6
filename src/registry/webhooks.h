/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notifications to configured URLs, and to no others: a push, pull or deletion as JSON of the form that
 * distribution's notifications have (application/vnd.docker.distribution.events.v2+json, one event
 * a request). With a secret X-Onggi-Signature says "sha256=" and HMAC-SHA-256 of the body in
 * hexadecimal digits. No redirect is followed.
 *
 * Each hook has a queue and a thread of its own, so that one that is slow holds up neither the others
 * nor a client. A delivery that fails is tried again after 1, 2, 4 ... seconds, at most 5 minutes;
 * what does not fit in the queue or fails for the last time is counted and lost. A queue does not
 * outlive the process.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "registry/config.h"
#include "registry/metrics.h"

#define OG_WEBHOOK_QUEUE_MAX  1000U /* notifications that wait, of each hook */
#define OG_WEBHOOK_SECRET_MAX 4096U /* bytes of a secret's file */
#define OG_WEBHOOK_TYPE	      "application/vnd.docker.distribution.events.v2+json"

/* All texts are borrowed for the call, "" where there is none. */
struct og_notification {
	enum og_config_events action;
	const char *repository, *tag, *digest, *media_type;
	const char *base_url; /* of this registry: "https://registry.example.org" */
	const char *account, *address, *agent, *method;
	uint64_t bytes;
};

struct og_webhooks;

/* Starts the threads. @config and @metrics must outlive it; @log may be NULL, and is called in any thread. */
int og_webhooks_new(const struct og_registry_config *config, struct og_metrics *metrics,
		    void (*log)(void *data, const char *line), void *log_data,
		    struct og_webhooks **ret_webhooks, struct og_err *err);

/* Ends the threads; what waits is lost. Accepts NULL. Always returns NULL. */
struct og_webhooks *og_webhooks_free(struct og_webhooks *webhooks);
OG_DEFINE_CLEANUP(struct og_webhooks, og_webhooks_free)

/* Puts it into the queues of those who want it. Never waits. Accepts NULL. */
void og_webhooks_notify(struct og_webhooks *webhooks, const struct og_notification *notification);

/* The body of the request, the caller's to free; NULL: no memory. */
char *og_notification_write(const struct og_notification *notification, const char *id,
			    const char *moment);
