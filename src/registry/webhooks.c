/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/webhooks.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/http_client.h"
#include "base/io.h"
#include "base/json.h"
#include "base/password.h"
#include "base/text.h"

#define ID_BYTES       16U
#define BACKOFF_MAX_S  300U
#define ANSWER_MAX     4096U /* bytes of an answer that are read, and not looked at */
#define SIGNATURE_NAME "X-Onggi-Signature: sha256="

struct waiting {
	struct waiting *next;
	char body[];
};

struct hook {
	const struct og_config_webhook *config;
	struct og_webhooks *all;
	char *secret; /* owned; NULL: none */
	size_t secret_len;
	pthread_t thread;
	bool started;
	/* Guarded by the lock of @all. */
	struct waiting *first, **last;
	size_t count;
	uint64_t deadline_ms; /* of the request under way; the hook's thread only */
};

struct og_webhooks {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* of CLOCK_MONOTONIC */
	bool stop;
	struct og_metrics *metrics;
	void (*log)(void *data, const char *line);
	void *log_data;
	size_t count;
	struct hook hooks[];
};

/* ---- the document ---- */

static const char *action_name(enum og_config_events action)
{
	return action == OG_CONFIG_PUSH ? "push" : action == OG_CONFIG_PULL ? "pull" : "delete";
}

static void set_some(struct og_json *object, const char *key, const char *value)
{
	if (value[0] != '\0')
		og_json_set_string(object, key, value);
}

static struct og_json *target_of(const struct og_notification *n)
{
	struct og_json *target = og_json_new_object();
	og_auto_free char *url = og_strdupf("%s/v2/%s/manifests/%s", n->base_url, n->repository,
					    n->digest[0] != '\0' ? n->digest : n->tag);

	set_some(target, "mediaType", n->media_type);
	og_json_set(target, "size", og_json_new_uint(n->bytes));
	set_some(target, "digest", n->digest);
	og_json_set(target, "length", og_json_new_uint(n->bytes));
	og_json_set_string(target, "repository", n->repository);
	if (url != NULL)
		og_json_set_string(target, "url", url);
	set_some(target, "tag", n->tag);
	return target;
}

char *og_notification_write(const struct og_notification *n, const char *id, const char *moment)
{
	og_cleanup(og_json_freep) struct og_json *root = og_json_new_object();
	struct og_json *events = og_json_new_array(), *event = og_json_new_object();
	struct og_json *request = og_json_new_object(), *actor = og_json_new_object();

	og_json_set_string(event, "id", id);
	og_json_set_string(event, "timestamp", moment);
	og_json_set_string(event, "action", action_name(n->action));
	og_json_set(event, "target", target_of(n));
	set_some(request, "addr", n->address);
	set_some(request, "method", n->method);
	set_some(request, "useragent", n->agent);
	og_json_set(event, "request", request);
	set_some(actor, "name", n->account);
	og_json_set(event, "actor", actor);
	og_json_push(events, event);
	og_json_set(root, "events", events);
	return og_json_write(root);
}

/* ---- one hook ---- */

static int tick(void *data)
{
	struct hook *hook = data;
	bool stop;

	(void)pthread_mutex_lock(&hook->all->lock);
	stop = hook->all->stop;
	(void)pthread_mutex_unlock(&hook->all->lock);
	return stop ? -ECANCELED : og_clock_ms() > hook->deadline_ms ? -ETIMEDOUT : 0;
}

/* The configured URL alone: a redirect could lead a request of ours anywhere. */
static bool may_ask(void *data, const char *url)
{
	const struct hook *hook = data;

	return og_streq(url, hook->config->url);
}

static char *sign(const struct hook *hook, const char *body)
{
	unsigned char mac[OG_HMAC_SHA256_BYTES];
	struct og_text text = {};

	og_hmac_sha256(hook->secret, hook->secret_len, body, strlen(body), mac);
	og_text_add(&text, SIGNATURE_NAME);
	for (size_t i = 0; i < sizeof(mac); i++)
		og_text_addf(&text, "%02x", mac[i]);
	return og_text_take(&text);
}

/* 0: delivered; -EPERM: refused for good. */
static int deliver_once(struct hook *hook, const char *body, struct og_err *err)
{
	og_cleanup(og_http_client_freep) struct og_http_client *client = NULL;
	og_cleanup(og_http_response_freep) struct og_http_response *response = NULL;
	og_auto_free char *signature = hook->secret != NULL ? sign(hook, body) : strdup("");
	const char *headers[] = { signature, NULL };
	const struct og_http_upload upload = { .buf = body,
					       .size = strlen(body),
					       .type = OG_WEBHOOK_TYPE };
	struct og_http_question question = {
		.url = hook->config->url,
		.method = "POST",
		.upload = &upload,
		.headers = headers,
		.ca_file = hook->config->ca,
		.max_body_bytes = ANSWER_MAX,
		.may = may_ask,
		.tick = tick,
		.data = hook,
	};
	int r, status;

	if (signature == NULL)
		return og_fail(err, -ENOMEM, "notify");
	r = og_http_client_new(&client, err);
	if (r < 0)
		return r;
	hook->deadline_ms = og_clock_ms() + hook->config->timeout_s * 1000;
	r = og_http_ask(client, &question, &response, err);
	if (r < 0)
		return r;
	status = og_http_status(response);
	if (status >= 200 && status < 300)
		return 0;
	/* What is wrong with a request is wrong with it again; only "later" is worth a try. */
	return og_fail_plain(
		err,
		status >= 300 && status < 500 && status != 408 && status != 429 ? -EPERM : -EIO,
		"it answered %d", status);
}

/* Waits, or until the end. */
static bool sleep_s(struct og_webhooks *all, unsigned seconds)
{
	struct timespec until;
	bool stop;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += seconds;
	(void)pthread_mutex_lock(&all->lock);
	while (!all->stop && pthread_cond_timedwait(&all->changed, &all->lock, &until) != ETIMEDOUT)
		;
	stop = all->stop;
	(void)pthread_mutex_unlock(&all->lock);
	return !stop;
}

static void tell_lost(struct hook *hook, const char *why)
{
	og_auto_free char *line =
		og_strdupf("webhook %s: a notification is lost: %s", hook->config->url, why);

	og_metrics_add(hook->all->metrics, OG_METRIC_WEBHOOKS_LOST, 1);
	if (hook->all->log != NULL && line != NULL)
		hook->all->log(hook->all->log_data, line);
}

static void deliver(struct hook *hook, const char *body)
{
	struct og_webhooks *all = hook->all;
	unsigned backoff_s = 1;

	for (uint64_t attempt = 1;; attempt++) {
		struct og_err err = {};
		int r = deliver_once(hook, body, &err);

		if (r == 0) {
			og_metrics_add(all->metrics, OG_METRIC_WEBHOOKS_SENT, 1);
			return;
		}
		if (r == -EPERM || attempt >= hook->config->attempts) {
			tell_lost(hook, err.text);
			return;
		}
		if (!sleep_s(all, backoff_s))
			return;
		og_metrics_add(all->metrics, OG_METRIC_WEBHOOKS_RETRIED, 1);
		backoff_s = backoff_s * 2 < BACKOFF_MAX_S ? backoff_s * 2 : BACKOFF_MAX_S;
	}
}

/* The next of the queue, the caller's to free; NULL: the end. */
static struct waiting *take(struct hook *hook)
{
	struct og_webhooks *all = hook->all;
	struct waiting *taken = NULL;

	(void)pthread_mutex_lock(&all->lock);
	while (!all->stop && hook->first == NULL)
		(void)pthread_cond_wait(&all->changed, &all->lock);
	if (!all->stop) {
		taken = hook->first;
		hook->first = taken->next;
		if (hook->first == NULL)
			hook->last = &hook->first;
		hook->count--;
	}
	(void)pthread_mutex_unlock(&all->lock);
	return taken;
}

static void *run(void *data)
{
	struct hook *hook = data;
	struct waiting *taken;

	while ((taken = take(hook)) != NULL) {
		deliver(hook, taken->body);
		free(taken);
	}
	return NULL;
}

/* ---- all of them ---- */

static int read_secret(struct hook *hook, struct og_err *err)
{
	int r = og_read_file(AT_FDCWD, hook->config->secret_file, OG_WEBHOOK_SECRET_MAX,
			     &hook->secret, &hook->secret_len, err);

	if (r < 0)
		return r;
	/* Editors end a file with a newline. */
	while (hook->secret_len > 0 && strchr("\r\n", hook->secret[hook->secret_len - 1]) != NULL)
		hook->secret_len--;
	return hook->secret_len > 0
		       ? 0
		       : og_fail_plain(err, -EINVAL, "'%s' is empty", hook->config->secret_file);
}

int og_webhooks_new(const struct og_registry_config *config, struct og_metrics *metrics,
		    void (*log)(void *data, const char *line), void *log_data,
		    struct og_webhooks **ret_webhooks, struct og_err *err)
{
	og_cleanup(og_webhooks_freep) struct og_webhooks *all =
		calloc(1, sizeof(*all) + config->webhook_count * sizeof(all->hooks[0]));
	pthread_condattr_t attr;

	if (all == NULL)
		return og_fail(err, -ENOMEM, "webhooks");
	(void)pthread_mutex_init(&all->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&all->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	all->metrics = metrics;
	all->log = log;
	all->log_data = log_data;
	for (size_t i = 0; i < config->webhook_count; i++) {
		struct hook *hook = &all->hooks[i];
		int r = 0;

		hook->config = &config->webhooks[i];
		hook->all = all;
		hook->last = &hook->first;
		all->count++;
		if (hook->config->secret_file != NULL)
			r = read_secret(hook, err);
		if (r == 0)
			r = -pthread_create(&hook->thread, NULL, run, hook);
		if (r < 0)
			return og_fail_in(err, r, "webhook %s", hook->config->url);
		hook->started = true;
	}
	*ret_webhooks = og_take_ptr(all);
	return 0;
}

static void hook_done(struct hook *hook)
{
	while (hook->first != NULL) {
		struct waiting *next = hook->first->next;

		free(hook->first);
		hook->first = next;
	}
	if (hook->secret != NULL)
		explicit_bzero(hook->secret, hook->secret_len);
	free(hook->secret);
}

struct og_webhooks *og_webhooks_free(struct og_webhooks *all)
{
	if (all == NULL)
		return NULL;
	(void)pthread_mutex_lock(&all->lock);
	all->stop = true;
	(void)pthread_cond_broadcast(&all->changed);
	(void)pthread_mutex_unlock(&all->lock);
	for (size_t i = 0; i < all->count; i++)
		if (all->hooks[i].started)
			(void)pthread_join(all->hooks[i].thread, NULL);
	for (size_t i = 0; i < all->count; i++)
		hook_done(&all->hooks[i]);
	(void)pthread_cond_destroy(&all->changed);
	(void)pthread_mutex_destroy(&all->lock);
	free(all);
	return NULL;
}

static bool is_wanted(const struct og_config_webhook *config, const struct og_notification *n)
{
	if ((config->events & (unsigned)n->action) == 0)
		return false;
	if (config->repositories == NULL)
		return true;
	for (size_t i = 0; config->repositories[i] != NULL; i++)
		if (og_repository_matches(config->repositories[i], n->repository))
			return true;
	return false;
}

static void enqueue(struct hook *hook, const char *body)
{
	struct og_webhooks *all = hook->all;
	struct waiting *one = malloc(sizeof(*one) + strlen(body) + 1);
	bool full;

	(void)pthread_mutex_lock(&all->lock);
	full = one == NULL || hook->count == OG_WEBHOOK_QUEUE_MAX;
	if (!full) {
		one->next = NULL;
		memcpy(one->body, body, strlen(body) + 1);
		*hook->last = one;
		hook->last = &one->next;
		hook->count++;
		(void)pthread_cond_broadcast(&all->changed);
	}
	(void)pthread_mutex_unlock(&all->lock);
	if (full) {
		free(one);
		tell_lost(hook, "too many wait already");
	}
}

void og_webhooks_notify(struct og_webhooks *all, const struct og_notification *notification)
{
	char id[2 * ID_BYTES + 1], moment[OG_CLOCK_TEXT_BYTES];
	og_auto_free char *body = NULL;
	uint8_t random[ID_BYTES];

	for (size_t i = 0; all != NULL && i < all->count; i++) {
		if (!is_wanted(all->hooks[i].config, notification))
			continue;
		if (body == NULL) {
			og_random(random, sizeof(random));
			for (size_t k = 0; k < sizeof(random); k++)
				(void)snprintf(id + 2 * k, 3, "%02x", random[k]);
			og_clock_now(moment);
			body = og_notification_write(notification, id, moment);
			if (body == NULL)
				return;
		}
		enqueue(&all->hooks[i], body);
	}
}
