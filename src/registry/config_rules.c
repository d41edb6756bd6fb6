/* SPDX-License-Identifier: Apache-2.0 */
/* Which rule of a configuration holds for a repository or a tag. */
#include "registry/config.h"

#include <string.h>

typedef bool says_fn(const struct og_config_repositories *rule);

static bool says_quota(const struct og_config_repositories *rule)
{
	return rule->has_quota;
}

static bool says_immutable(const struct og_config_repositories *rule)
{
	return rule->has_immutable;
}

static bool says_retention(const struct og_config_repositories *rule)
{
	return rule->has_retention;
}

static const struct og_config_repositories *find(const struct og_registry_config *config,
						 const char *repository, says_fn *says)
{
	const struct og_config_repositories *found = NULL;

	for (size_t i = 0; i < config->repository_count; i++) {
		const struct og_config_repositories *rule = &config->repositories[i];

		if (says(rule) && og_repository_matches(rule->pattern, repository) &&
		    (found == NULL ||
		     og_repository_pattern_compare(rule->pattern, found->pattern) > 0))
			found = rule;
	}
	return found;
}

const struct og_config_repositories *
og_registry_config_quota(const struct og_registry_config *config, const char *repository)
{
	return find(config, repository, says_quota);
}

const struct og_config_repositories *
og_registry_config_immutable(const struct og_registry_config *config, const char *repository)
{
	return find(config, repository, says_immutable);
}

const struct og_config_repositories *
og_registry_config_retention(const struct og_registry_config *config, const char *repository)
{
	return find(config, repository, says_retention);
}

/* The usual way with one star: on a mismatch the last star takes one character more. */
static bool matches(const char *pattern, const char *tag)
{
	const char *star = NULL, *resume = NULL;

	while (*tag != '\0') {
		if (*pattern == '*') {
			star = pattern++;
			resume = tag;
		} else if (*pattern == *tag) {
			pattern++;
			tag++;
		} else if (star != NULL) {
			pattern = star + 1;
			tag = ++resume;
		} else {
			return false;
		}
	}
	pattern += strspn(pattern, "*");
	return *pattern == '\0';
}

bool og_tag_matches(char *const *patterns, const char *tag)
{
	for (size_t i = 0; patterns != NULL && patterns[i] != NULL; i++)
		if (matches(patterns[i], tag))
			return true;
	return false;
}
