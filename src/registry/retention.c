/* SPDX-License-Identifier: Apache-2.0 */
/* Looks over all tags at intervals, and removes those that go. */
#include "registry/retention.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "base/text.h"
#include "registry/ops_internal.h"

/* Tags of one round; what is beyond waits for the next. */
#define ROUND_TAGS_MAX 1000000U

struct round {
	const struct og_registry_config *config;
	struct og_retention_tag *tags; /* owned, with their texts */
	size_t count;
};

/* What is sorted carries its digest along: it stands behind the tag's name, in the same text. */
static const char *digest_of(const struct og_retention_tag *tag)
{
	return tag->tag + strlen(tag->tag) + 1;
}

static void round_done(struct round *round)
{
	for (size_t i = 0; i < round->count; i++)
		free((void *)(uintptr_t)round->tags[i].repository);
	free(round->tags);
}

/* "REPOSITORY NUL TAG NUL DIGEST", so that one allocation holds a tag. */
static int add(void *data, const struct og_registry_tag *tag)
{
	struct round *round = data;
	size_t name = strlen(tag->repository) + 1, word = strlen(tag->tag) + 1,
	       digest = strlen(tag->digest) + 1;
	char *text;

	if (og_registry_config_retention(round->config, tag->repository) == NULL)
		return 0;
	if (round->count == ROUND_TAGS_MAX)
		return -E2BIG;
	if (og_grow(round->tags, round->count) < 0)
		return -ENOMEM;
	text = malloc(name + word + digest);
	if (text == NULL)
		return -ENOMEM;
	memcpy(text, tag->repository, name);
	memcpy(text + name, tag->tag, word);
	memcpy(text + name + word, tag->digest, digest);
	round->tags[round->count++] = (struct og_retention_tag){
		.repository = text,
		.tag = text + name,
		.pushed_at = tag->pushed_at,
		.pulled_at = tag->pulled_at,
	};
	return 0;
}

static int remove_tag(struct og_registry_ops *ops, struct og_registry *registry,
		      const struct og_retention_tag *tag, struct og_err *err)
{
	int r = og_registry_delete_tag(registry, tag->repository, tag->tag, digest_of(tag), err);

	/* Moved or removed since it was looked at, or kept by a hook: none of our business. */
	if (r == -ENOENT || r == -EAGAIN || r == -EEXIST)
		return 0;
	if (r == 0)
		og_metrics_add(&ops->metrics, OG_METRIC_TAGS_EXPIRED, 1);
	return r;
}

int og_registry_ops_retain(struct og_registry_ops *ops, struct og_registry *registry, bool dry_run,
			   void (*tell)(void *data, const struct og_registry_tag *tag), void *data,
			   uint64_t *ret_count, struct og_err *err)
{
	og_cleanup(round_done) struct round round = { .config = ops->config };
	int r = og_registry_each_tag(registry, NULL, add, &round, err);

	if (r < 0 && r != -E2BIG)
		return r;
	*ret_count = og_retention_select(ops->config, round.tags, round.count, time(NULL));
	r = 0;
	for (size_t i = 0; i < round.count && r == 0; i++) {
		const struct og_retention_tag *tag = &round.tags[i];

		if (!tag->goes)
			continue;
		if (tell != NULL)
			tell(data, &(const struct og_registry_tag){
					   .repository = tag->repository,
					   .tag = tag->tag,
					   .digest = digest_of(tag),
					   .pushed_at = tag->pushed_at,
					   .pulled_at = tag->pulled_at,
				   });
		if (!dry_run)
			r = remove_tag(ops, registry, tag, err);
	}
	return r;
}

/* ---- at intervals ---- */

/* False: the end. */
static bool wait_for_round(struct og_registry_ops *ops)
{
	struct timespec until;
	bool stop;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)ops->config->retention_s;
	(void)pthread_mutex_lock(&ops->lock);
	while (!ops->stop && pthread_cond_timedwait(&ops->changed, &ops->lock, &until) != ETIMEDOUT)
		;
	stop = ops->stop;
	(void)pthread_mutex_unlock(&ops->lock);
	return !stop;
}

static void *run(void *data)
{
	struct og_registry_ops *ops = data;

	while (wait_for_round(ops)) {
		struct og_err err = {};
		uint64_t count = 0;

		if (og_registry_ops_retain(ops, ops->registry, false, NULL, NULL, &count, &err) < 0)
			ops_log(ops, "retention: %s", err.text);
		else if (count > 0)
			ops_log(ops, "retention: %llu tags removed", (unsigned long long)count);
	}
	return NULL;
}

int retention_start(struct og_registry_ops *ops, struct og_err *err)
{
	bool wanted = false;
	int r;

	for (size_t i = 0; i < ops->config->repository_count; i++)
		wanted = wanted || ops->config->repositories[i].has_retention;
	if (!wanted)
		return 0;
	r = -pthread_create(&ops->retention, NULL, run, ops);
	if (r < 0)
		return og_fail(err, r, "start retention");
	ops->retention_started = true;
	return 0;
}

void retention_stop(struct og_registry_ops *ops)
{
	(void)pthread_mutex_lock(&ops->lock);
	ops->stop = true;
	(void)pthread_cond_broadcast(&ops->changed);
	(void)pthread_mutex_unlock(&ops->lock);
	if (ops->retention_started)
		(void)pthread_join(ops->retention, NULL);
	ops->retention_started = false;
}
