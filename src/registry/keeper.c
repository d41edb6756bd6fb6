/* SPDX-License-Identifier: Apache-2.0 */
/* What goes with a change: quotas, immutable tags, notifications, and what is fetched from elsewhere. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "registry/gate.h"
#include "registry/ops_internal.h"

/* ---- before ---- */

static int check_bytes(struct og_registry_ops *ops, struct og_registry *registry,
		       const struct og_registry_event *event, struct og_err *err)
{
	const struct og_config_repositories *rule =
		og_registry_config_quota(ops->config, event->repository);
	uint64_t usage = 0, added = event->added;
	int r;

	if (rule == NULL || rule->quota_bytes == UINT64_MAX)
		return 0;
	r = og_registry_usage(registry, event->repository, &usage, err);
	if (r < 0)
		return r;
	if (usage <= rule->quota_bytes && added <= rule->quota_bytes - usage)
		return 0;
	og_metrics_add(&ops->metrics, OG_METRIC_QUOTA_REFUSALS, 1);
	return og_fail_plain(err, -EDQUOT,
			     "the quota of '%s' is %llu bytes: %llu are there, %llu would be added",
			     event->repository, (unsigned long long)rule->quota_bytes,
			     (unsigned long long)usage, (unsigned long long)added);
}

static int count_tag(void *data, const struct og_registry_tag *tag)
{
	(void)tag;
	(*(uint64_t *)data)++;
	return 0;
}

static int check_tags(struct og_registry_ops *ops, struct og_registry *registry,
		      const struct og_registry_event *event, struct og_err *err)
{
	const struct og_config_repositories *rule =
		og_registry_config_quota(ops->config, event->repository);
	uint64_t count = 0;
	int r;

	if (event->tag[0] == '\0' || event->previous[0] != '\0' || rule == NULL ||
	    rule->quota_tags == UINT64_MAX)
		return 0;
	r = og_registry_each_tag(registry, event->repository, count_tag, &count, err);
	if (r < 0 || count < rule->quota_tags)
		return r;
	og_metrics_add(&ops->metrics, OG_METRIC_QUOTA_REFUSALS, 1);
	return og_fail_plain(err, -EDQUOT, "the quota of '%s' is %llu tags", event->repository,
			     (unsigned long long)rule->quota_tags);
}

static bool is_immutable(const struct og_registry_ops *ops, const char *repository, const char *tag)
{
	const struct og_config_repositories *rule =
		og_registry_config_immutable(ops->config, repository);

	return rule != NULL && og_tag_matches(rule->immutable, tag);
}

static int refuse_immutable(struct og_registry_ops *ops, const char *repository, const char *tag,
			    struct og_err *err)
{
	og_metrics_add(&ops->metrics, OG_METRIC_IMMUTABLE_REFUSALS, 1);
	return og_fail_plain(err, -EEXIST, "the tag %s of '%s' is immutable", tag, repository);
}

struct immutable_search {
	const struct og_registry_ops *ops;
	const char *digest;
	char tag[129];
};

static int look_at_tag(void *data, const struct og_registry_tag *tag)
{
	struct immutable_search *search = data;

	if (!og_streq(tag->digest, search->digest) ||
	    !is_immutable(search->ops, tag->repository, tag->tag) ||
	    strlen(tag->tag) >= sizeof(search->tag))
		return 0;
	memcpy(search->tag, tag->tag, strlen(tag->tag) + 1);
	return -EEXIST;
}

/* A manifest goes with all its tags. */
static int check_delete_manifest(struct og_registry_ops *ops, struct og_registry *registry,
				 const struct og_registry_event *event, struct og_err *err)
{
	struct immutable_search search = { .ops = ops, .digest = event->digest };
	int r;

	if (og_registry_config_immutable(ops->config, event->repository) == NULL)
		return 0;
	r = og_registry_each_tag(registry, event->repository, look_at_tag, &search, err);
	return r == -EEXIST ? refuse_immutable(ops, event->repository, search.tag, err) : r;
}

/* What is a copy of another registry's is not pushed to. */
static int check_cache(struct og_registry_ops *ops, const struct og_registry_event *event,
		       struct og_err *err)
{
	const char *url = og_cache_url(ops->cache, event->repository);

	if (url == NULL || event->request == NULL)
		return 0;
	return og_fail_plain(err, -EPERM, "'%s' is a copy of %s: push there", event->repository,
			     url);
}

/* Who may push to a repository is its keeper, and has to read what is not signed yet. */
static bool is_keeper(struct og_registry_ops *ops, const struct og_registry_event *event)
{
	struct og_registry_policy policy = {};

	if (ops->access == NULL || event->caller == NULL || event->caller->account[0] == '\0')
		return false;
	guard_fill(ops, &policy);
	return policy.may(policy.data, event->caller, event->repository, OG_REGISTRY_CREATE);
}

static int check_gate(struct og_registry_ops *ops, struct og_registry *registry,
		      const struct og_registry_event *event, struct og_err *err)
{
	const struct og_registry_config *config = ops->config;
	og_auto_free char *host = NULL;
	int r;

	if (config->policy == NULL || event->request == NULL ||
	    (event->change == OG_REGISTRY_PULL_MANIFEST && is_keeper(ops, event)))
		return 0;
	host = strdup(strstr(config->url, "://") != NULL ? strstr(config->url, "://") + 3
							 : config->url);
	if (host == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	host[strcspn(host, "/")] = '\0';
	r = og_registry_gate(config->policy, host, registry, event, err);
	/* A client shows its credentials only when it is asked for them; this one may be a keeper. */
	return r == -EPERM && event->change == OG_REGISTRY_PULL_MANIFEST ? -EACCES : r;
}

static int before(void *data, struct og_registry *registry, const struct og_registry_event *event,
		  struct og_err *err)
{
	struct og_registry_ops *ops = data;
	int r;

	switch (event->change) {
	case OG_REGISTRY_PUSH_BLOB:
		r = check_cache(ops, event, err);
		return r < 0 ? r : check_bytes(ops, registry, event, err);
	case OG_REGISTRY_PUSH_MANIFEST:
		r = check_cache(ops, event, err);
		if (r == 0 && event->previous[0] != '\0' &&
		    !og_streq(event->previous, event->digest) && event->request != NULL &&
		    is_immutable(ops, event->repository, event->tag))
			r = refuse_immutable(ops, event->repository, event->tag, err);
		if (r == 0)
			r = check_tags(ops, registry, event, err);
		if (r == 0)
			r = check_gate(ops, registry, event, err);
		return r < 0 ? r : check_bytes(ops, registry, event, err);
	case OG_REGISTRY_DELETE_TAG:
		return is_immutable(ops, event->repository, event->tag)
			       ? refuse_immutable(ops, event->repository, event->tag, err)
			       : 0;
	case OG_REGISTRY_DELETE_MANIFEST:
		return check_delete_manifest(ops, registry, event, err);
	case OG_REGISTRY_PULL_MANIFEST:
		return check_gate(ops, registry, event, err);
	case OG_REGISTRY_PULL_BLOB:
	case OG_REGISTRY_DELETE_BLOB:
		break;
	}
	return 0;
}

/* ---- after ---- */

static void count(struct og_metrics *metrics, const struct og_registry_event *event)
{
	static const enum og_metric counters[] = {
		[OG_REGISTRY_PUSH_BLOB] = OG_METRIC_BLOB_PUSHES,
		[OG_REGISTRY_PUSH_MANIFEST] = OG_METRIC_MANIFEST_PUSHES,
		[OG_REGISTRY_PULL_BLOB] = OG_METRIC_BLOB_PULLS,
		[OG_REGISTRY_PULL_MANIFEST] = OG_METRIC_MANIFEST_PULLS,
		[OG_REGISTRY_DELETE_BLOB] = OG_METRIC_DELETES,
		[OG_REGISTRY_DELETE_MANIFEST] = OG_METRIC_DELETES,
		[OG_REGISTRY_DELETE_TAG] = OG_METRIC_DELETES,
	};

	og_metrics_add(metrics, counters[event->change], 1);
	if (event->change == OG_REGISTRY_PUSH_BLOB || event->change == OG_REGISTRY_PUSH_MANIFEST)
		og_metrics_add(metrics, OG_METRIC_PUSHED_BYTES, event->added);
}

/* Of manifests and tags: what a person would call a push. 0: of neither. */
static unsigned action_of(enum og_registry_change change)
{
	switch (change) {
	case OG_REGISTRY_PUSH_MANIFEST:
		return OG_CONFIG_PUSH;
	case OG_REGISTRY_PULL_MANIFEST:
		return OG_CONFIG_PULL;
	case OG_REGISTRY_DELETE_MANIFEST:
	case OG_REGISTRY_DELETE_TAG:
		return OG_CONFIG_DELETE;
	case OG_REGISTRY_PUSH_BLOB:
	case OG_REGISTRY_PULL_BLOB:
	case OG_REGISTRY_DELETE_BLOB:
		break;
	}
	return 0;
}

static const char *or_empty(const char *text)
{
	return text != NULL ? text : "";
}

static void after(void *data, struct og_registry *registry, const struct og_registry_event *event)
{
	struct og_registry_ops *ops = data;
	const struct og_http_request *request = event->request;
	unsigned action = action_of(event->change);
	og_auto_free char *base = NULL;

	(void)registry;
	count(&ops->metrics, event);
	if (action == 0 || ops->config->webhook_count == 0)
		return;
	base = guard_base_url(ops, request);
	og_webhooks_notify(ops->webhooks,
			   &(const struct og_notification){
				   .action = (enum og_config_events)action,
				   .repository = event->repository,
				   .tag = event->tag,
				   .digest = event->digest,
				   .media_type = event->media_type,
				   .base_url = or_empty(base),
				   .account = event->caller != NULL ? event->caller->account : "",
				   .address = request != NULL ? og_http_peer_address(request) : "",
				   .agent = request != NULL ? or_empty(og_http_request_header(
								      request, "User-Agent"))
							    : "",
				   .method = request != NULL ? og_http_method(request) : "",
				   .bytes = event->bytes,
			   });
}

/* ---- from elsewhere ---- */

static int missing(void *data, struct og_registry *registry, const char *repository,
		   const char *reference, bool is_manifest, struct og_err *err)
{
	const struct og_registry_ops *ops = data;

	return og_cache_fetch(ops->cache, registry, repository, reference, is_manifest, err);
}

static int refresh(void *data, struct og_registry *registry, const char *repository,
		   const char *tag, const char *digest, struct og_err *err)
{
	const struct og_registry_ops *ops = data;

	return og_cache_refresh(ops->cache, registry, repository, tag, digest, err);
}

void keeper_fill(struct og_registry_ops *ops, struct og_registry_hooks *hooks)
{
	hooks->data = ops;
	hooks->before = before;
	hooks->after = after;
	if (ops->cache != NULL) {
		hooks->missing = missing;
		hooks->refresh = refresh;
	}
}
