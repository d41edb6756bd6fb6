/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks, how often, and may they: the server's policy. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "registry/ops_internal.h"
#include "registry/token_endpoint.h"

#define METRICS_PATH	   "/metrics"
#define METRICS_REPOSITORY "metrics"

/* ---- visits ---- */

static size_t set_of(const struct og_http_request *request)
{
	return ((uintptr_t)request >> 6) % OPS_VISIT_SETS;
}

static uint64_t now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

struct visit *visit_begin(struct og_registry_ops *ops, const struct og_http_request *request)
{
	struct visit *visit = calloc(1, sizeof(*visit));
	size_t set = set_of(request);

	if (visit == NULL)
		return NULL;
	visit->request = request;
	(void)clock_gettime(CLOCK_REALTIME, &visit->at);
	visit->start_us = now_us();
	(void)pthread_mutex_lock(&ops->visit_locks[set]);
	visit->next = ops->visits[set];
	ops->visits[set] = visit;
	(void)pthread_mutex_unlock(&ops->visit_locks[set]);
	return visit;
}

struct visit *visit_find(struct og_registry_ops *ops, const struct og_http_request *request)
{
	size_t set = set_of(request);
	struct visit *visit;

	(void)pthread_mutex_lock(&ops->visit_locks[set]);
	visit = ops->visits[set];
	while (visit != NULL && visit->request != request)
		visit = visit->next;
	(void)pthread_mutex_unlock(&ops->visit_locks[set]);
	return visit;
}

struct visit *visit_end(struct og_registry_ops *ops, const struct og_http_request *request)
{
	size_t set = set_of(request);
	struct visit **link, *visit;

	(void)pthread_mutex_lock(&ops->visit_locks[set]);
	link = &ops->visits[set];
	while (*link != NULL && (*link)->request != request)
		link = &(*link)->next;
	visit = *link;
	if (visit != NULL)
		*link = visit->next;
	(void)pthread_mutex_unlock(&ops->visit_locks[set]);
	return visit;
}

void og_registry_ops_done(struct og_http_request *request, void *data)
{
	struct og_registry_ops *ops = data;
	og_auto_free struct visit *visit = visit_end(ops, request);
	struct og_access_record record;

	if (visit == NULL)
		return;
	record = (struct og_access_record){
		.at = visit->at,
		.address = og_http_peer_address(request),
		.account = visit->identity.name,
		.method = og_http_method(request),
		.path = og_http_raw_path(request),
		.agent = og_http_request_header(request, "User-Agent"),
		.referer = og_http_request_header(request, "Referer"),
		.status = og_http_answer_status(request),
		.bytes = og_http_answer_bytes(request),
		.duration_us = now_us() - visit->start_us,
	};
	og_metrics_request(&ops->metrics, record.method, record.status, record.bytes,
			   record.duration_us);
	(void)atomic_fetch_sub(&ops->metrics.in_flight, 1);
	og_access_log_write(ops->access_log, &record);
	og_identity_done(&visit->identity);
}

void og_registry_ops_handle(struct og_http_request *request, void *data)
{
	struct og_registry_ops *ops = data;

	/* Without memory for it the request goes unanswered, which the server answers with 500. */
	if (visit_begin(ops, request) == NULL)
		return;
	(void)atomic_fetch_add(&ops->metrics.in_flight, 1);
	og_registry_handle(request, ops->registry);
}

/* ---- entry ---- */

static int limit(struct og_registry_ops *ops, struct og_rate *rate, const char *who,
		 unsigned tokens, unsigned *ret_retry_s, struct og_err *err)
{
	if (og_rate_take(rate, who, tokens, og_clock_ms(), ret_retry_s))
		return 0;
	og_metrics_add(&ops->metrics, OG_METRIC_RATE_LIMITED, 1);
	return og_fail_plain(err, -EBUSY, "too many requests; try again in %u s", *ret_retry_s);
}

static void count_failure(struct og_registry_ops *ops, const struct og_http_request *request)
{
	char name[INET6_ADDRSTRLEN];

	og_rate_name(og_http_peer_address(request), name);
	og_metrics_add(&ops->metrics, OG_METRIC_LOGIN_FAILURES, 1);
	og_rate_charge(ops->logins, name, og_clock_ms());
}

/* In a header, or in the form by which a token is asked for. */
static bool shows_credentials(const struct og_http_request *request)
{
	return og_http_request_header(request, "Authorization") != NULL ||
	       (og_streq(og_http_method(request), "POST") &&
		og_streq(og_http_path(request), OG_TOKEN_PATH));
}

static int identify(struct og_registry_ops *ops, const struct og_http_request *request,
		    struct visit *visit, unsigned *ret_retry_s, struct og_err *err)
{
	const char *authorization = og_http_request_header(request, "Authorization");
	char name[INET6_ADDRSTRLEN];
	int r = 0;

	/* Where nobody needs to show anything, what is shown is nobody's business. */
	if (ops->access == NULL)
		return 0;
	/* Who has guessed wrongly too often is not even listened to: a check costs us more than them. */
	og_rate_name(og_http_peer_address(request), name);
	if (shows_credentials(request))
		r = limit(ops, ops->logins, name, 0, ret_retry_s, err);
	if (r == 0)
		r = og_access_identify(ops->access, authorization, og_http_client_name(request),
				       &visit->identity, err);
	if (r == -EACCES)
		count_failure(ops, request);
	return r;
}

static int enter(void *data, struct og_http_request *request, struct og_registry_caller *ret_caller,
		 unsigned *ret_retry_s, struct og_err *err)
{
	struct og_registry_ops *ops = data;
	struct visit *visit = visit_find(ops, request);
	char name[INET6_ADDRSTRLEN];
	int r;

	if (visit == NULL)
		return og_fail(err, -ENOMEM, "request");
	r = identify(ops, request, visit, ret_retry_s, err);
	if (r < 0)
		return r;
	og_rate_name(og_http_peer_address(request), name);
	r = limit(ops, ops->requests,
		  visit->identity.kind == OG_SUBJECT_ANYBODY ? name : visit->identity.name, 1,
		  ret_retry_s, err);
	if (r < 0)
		return r;
	(void)snprintf(ret_caller->account, sizeof(ret_caller->account), "%s",
		       visit->identity.name);
	ret_caller->state = visit;
	return 0;
}

static unsigned right_of(enum og_registry_action action)
{
	switch (action) {
	case OG_REGISTRY_READ:
		return OG_RIGHT_READ;
	case OG_REGISTRY_CREATE:
		return OG_RIGHT_CREATE;
	case OG_REGISTRY_UPDATE:
		return OG_RIGHT_UPDATE;
	case OG_REGISTRY_DELETE:
		return OG_RIGHT_DELETE;
	case OG_REGISTRY_PING:
	case OG_REGISTRY_CATALOG:
		break;
	}
	return 0;
}

/*
 * The ping is how a client learns whether to sign in: nobody in particular is answered only where
 * nobody needs to. (With rules for anybody clients ask for a token without credentials.)
 */
static bool may_ping(const struct og_registry_ops *ops, const struct og_identity *identity)
{
	return ops->config->open || identity->kind != OG_SUBJECT_ANYBODY || identity->has_token;
}

static bool may(void *data, const struct og_registry_caller *caller, const char *repository,
		enum og_registry_action action)
{
	const struct og_registry_ops *ops = data;
	const struct visit *visit = caller->state;
	unsigned right = right_of(action);

	if (ops->access == NULL)
		return true;
	if (action == OG_REGISTRY_PING)
		return may_ping(ops, &visit->identity);
	/* A token for the catalog names no repositories: what its account may read is listed. */
	if (action == OG_REGISTRY_CATALOG)
		return og_access_may_list(ops->access, &visit->identity) &&
		       (repository[0] == '\0' ||
			(og_access_rights_of_account(ops->access, &visit->identity, repository) &
			 OG_RIGHT_READ) != 0);
	return (og_access_rights(ops->access, &visit->identity, repository) & right) != 0;
}

/* ---- what to show ---- */

static bool is_host(const char *text)
{
	return text != NULL && text[0] != '\0' &&
	       text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				 ".-_:[]")] == '\0';
}

char *guard_base_url(const struct og_registry_ops *ops, const struct og_http_request *request)
{
	const char *host = request != NULL ? og_http_request_header(request, "Host") : NULL;

	if (ops->config->url != NULL)
		return strdup(ops->config->url);
	return og_strdupf("%s://%s", request != NULL && og_http_is_tls(request) ? "https" : "http",
			  is_host(host) ? host : "localhost");
}

static const char *words_of(enum og_registry_action action)
{
	return action == OG_REGISTRY_READ     ? "pull"
	       : action == OG_REGISTRY_DELETE ? "delete"
					      : "pull,push";
}

/* Would a token, or another one, help? Who has shown a password or certificate has none to gain. */
static bool would_help(const struct og_registry_ops *ops, const struct og_identity *identity,
		       const char *repository, enum og_registry_action action)
{
	if (identity->kind == OG_SUBJECT_ANYBODY)
		return true;
	if (!identity->has_token)
		return false;
	return right_of(action) == 0 ||
	       (og_access_rights_of_account(ops->access, identity, repository) &
		right_of(action)) != 0;
}

static char *challenge(void *data, struct og_http_request *request, const char *repository,
		       enum og_registry_action action)
{
	struct og_registry_ops *ops = data;
	struct visit *visit = visit_find(ops, request);
	og_auto_free char *base = guard_base_url(ops, request);
	struct og_text text = {};

	if (base == NULL || visit == NULL || ops->access == NULL ||
	    !would_help(ops, &visit->identity, repository, action))
		return NULL;
	og_text_addf(&text, "Bearer realm=\"%s" OG_TOKEN_PATH "\",service=\"%s\"", base,
		     og_tokens_service(og_access_tokens(ops->access)));
	if (action == OG_REGISTRY_CATALOG)
		og_text_add(&text, ",scope=\"registry:catalog:*\"");
	else if (repository[0] != '\0' && right_of(action) != 0)
		og_text_addf(&text, ",scope=\"repository:%s:%s\"", repository, words_of(action));
	if (visit->identity.has_token)
		og_text_add(&text, ",error=\"insufficient_scope\"");
	return og_text_take(&text);
}

/* ---- other paths ---- */

static void serve_metrics(struct og_registry_ops *ops, struct og_http_request *request,
			  const struct og_identity *identity)
{
	struct og_subject subject = { .kind = identity->kind,
				      .name = identity->name,
				      .groups = identity->groups };
	og_auto_text text = {};

	if (identity->kind == OG_SUBJECT_CLIENT)
		subject.name += strlen("client:");
	if (identity->has_token ||
	    og_permissions_rights(ops->metrics_readers, &subject, METRICS_REPOSITORY) == 0) {
		if (identity->kind == OG_SUBJECT_ANYBODY)
			og_http_set_header(request, "WWW-Authenticate", "Basic realm=\"metrics\"");
		og_http_reply(request, identity->kind == OG_SUBJECT_ANYBODY ? 401 : 403,
			      "text/plain", "not for you\n", strlen("not for you\n"));
		return;
	}
	og_metrics_write(&ops->metrics, &text);
	og_http_reply(request, 200, OG_METRICS_TYPE, text.buf, text.len);
}

static bool other(void *data, struct og_http_request *request,
		  const struct og_registry_caller *caller)
{
	struct og_registry_ops *ops = data;
	const struct visit *visit = caller->state;
	const char *path = og_http_path(request);

	if (og_streq(path, OG_TOKEN_PATH) && ops->access != NULL) {
		if (og_token_endpoint_serve(ops->access, &visit->identity, request) == -EACCES)
			count_failure(ops, request);
		else if (og_http_answer_status(request) == 200)
			og_metrics_add(&ops->metrics, OG_METRIC_TOKENS_ISSUED, 1);
		return true;
	}
	if (og_streq(path, METRICS_PATH) && ops->metrics_readers != NULL) {
		serve_metrics(ops, request, &visit->identity);
		return true;
	}
	return false;
}

void guard_fill(struct og_registry_ops *ops, struct og_registry_policy *policy)
{
	policy->data = ops;
	policy->enter = enter;
	policy->may = may;
	policy->challenge = challenge;
	policy->other = other;
}
