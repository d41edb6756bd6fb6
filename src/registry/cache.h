/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pull-through cache: what is missing below a prefix is fetched from the registry behind it, verified
 * by its digest, kept, and served from here from then on (A61: what is something else than was asked
 * for is refused and not kept). What many ask for at the same time is fetched once.
 *
 * A tag is asked after upstream when it was not for a while; where upstream is away it is served as it
 * is.
 */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "registry/config.h"
#include "registry/metrics.h"
#include "registry/registry.h"

#define OG_CACHE_TAGS	 4096U /* whose last question is remembered */
#define OG_CACHE_AWAY_S	 10U   /* so long an upstream that is away is left in peace */
#define OG_CACHE_FLIGHTS 256U  /* fetches at a time */

struct og_cache;

/* @config and @metrics must outlive it; @log may be NULL. */
int og_cache_new(const struct og_registry_config *config, struct og_metrics *metrics,
		 void (*log)(void *data, const char *line), void *log_data,
		 struct og_cache **ret_cache, struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_cache *og_cache_free(struct og_cache *cache);
OG_DEFINE_CLEANUP(struct og_cache, og_cache_free)

/* Ends what is being fetched, so that nobody waits for an upstream that is slow. */
void og_cache_stop(struct og_cache *cache);

/* The upstream's URL when @repository is of one, else NULL. A NULL @cache has none. */
const char *og_cache_url(const struct og_cache *cache, const char *repository);

/* For struct og_registry_hooks: missing and refresh. */
int og_cache_fetch(struct og_cache *cache, struct og_registry *registry, const char *repository,
		   const char *reference, bool is_manifest, struct og_err *err);
int og_cache_refresh(struct og_cache *cache, struct og_registry *registry, const char *repository,
		     const char *tag, const char *digest, struct og_err *err);
