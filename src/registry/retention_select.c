/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "registry/registry.h"
#include "registry/retention.h"

static int compare(const void *a, const void *b)
{
	const struct og_retention_tag *x = a, *y = b;
	int by_name = strcmp(x->repository, y->repository);

	if (by_name != 0)
		return by_name;
	if (x->pushed_at != y->pushed_at)
		return x->pushed_at > y->pushed_at ? -1 : 1;
	/* Of two pushed in one second the higher name is taken for the younger: v10 after v09. */
	return strcmp(y->tag, x->tag);
}

static bool is_older(int64_t moment, int64_t now, uint64_t age_s)
{
	return age_s <= INT32_MAX && now > moment && now - moment > (int64_t)age_s;
}

static bool goes(const struct og_config_repositories *rule, const struct og_retention_tag *tag,
		 uint64_t younger, int64_t now)
{
	/* It may have been pulled since the pull that was written down. */
	int64_t pulled = tag->pulled_at > 0 ? tag->pulled_at + OG_REGISTRY_PULLED_EVERY_S : 0;
	int64_t used = pulled > tag->pushed_at ? pulled : tag->pushed_at;

	return younger >= rule->keep_last || is_older(tag->pushed_at, now, rule->max_age_s) ||
	       is_older(used, now, rule->max_unused_s);
}

size_t og_retention_select(const struct og_registry_config *config, struct og_retention_tag *tags,
			   size_t count, int64_t now)
{
	const struct og_config_repositories *rule = NULL, *immutable = NULL;
	uint64_t younger = 0;
	size_t going = 0;

	if (count > 0)
		qsort(tags, count, sizeof(*tags), compare);
	for (size_t i = 0; i < count; i++) {
		struct og_retention_tag *tag = &tags[i];

		tag->goes = false;
		if (i == 0 || strcmp(tag->repository, tags[i - 1].repository) != 0) {
			rule = og_registry_config_retention(config, tag->repository);
			immutable = og_registry_config_immutable(config, tag->repository);
			younger = 0;
		}
		if (rule == NULL || og_tag_matches(rule->keep, tag->tag) ||
		    (immutable != NULL && og_tag_matches(immutable->immutable, tag->tag)))
			continue;
		tag->goes = goes(rule, tag, younger, now);
		younger += tag->goes ? 0 : 1;
		going += tag->goes ? 1 : 0;
	}
	return going;
}
