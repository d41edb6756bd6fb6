/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/cache.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/password.h"
#include "base/text.h"
#include "registry/intake.h"
#include "registry/upstream.h"

/* Something that is being fetched. Who finds it waits for its end. */
struct flight {
	struct flight *next;
	char *key; /* owned */
	unsigned waiting;
	bool over;
	int result;
	struct og_err err;
};

/* When a tag was asked after last. */
struct asked {
	unsigned char name[16];
	uint64_t until_ms; /* it is believed so long */
};

struct og_cache {
	const struct og_registry_config *config;
	struct og_metrics *metrics;
	void (*log)(void *data, const char *line);
	void *log_data;
	struct og_upstream **upstreams; /* as the configuration's */

	pthread_mutex_t lock;
	pthread_cond_t landed;
	struct flight *flights; /* guarded by the lock, as all below */
	unsigned flight_count;
	struct asked asked[OG_CACHE_TAGS];
};

int og_cache_new(const struct og_registry_config *config, struct og_metrics *metrics,
		 void (*log)(void *data, const char *line), void *log_data,
		 struct og_cache **ret_cache, struct og_err *err)
{
	og_cleanup(og_cache_freep) struct og_cache *cache = calloc(1, sizeof(*cache));

	if (cache == NULL)
		return og_fail(err, -ENOMEM, "upstreams");
	(void)pthread_mutex_init(&cache->lock, NULL);
	(void)pthread_cond_init(&cache->landed, NULL);
	cache->config = config;
	cache->metrics = metrics;
	cache->log = log;
	cache->log_data = log_data;
	cache->upstreams = calloc(config->upstream_count, sizeof(struct og_upstream *));
	if (cache->upstreams == NULL)
		return og_fail(err, -ENOMEM, "upstreams");
	for (size_t i = 0; i < config->upstream_count; i++) {
		int r = og_upstream_new(&config->upstreams[i], &cache->upstreams[i], err);

		if (r < 0)
			return r;
	}
	*ret_cache = og_take_ptr(cache);
	return 0;
}

struct og_cache *og_cache_free(struct og_cache *cache)
{
	if (cache == NULL)
		return NULL;
	for (size_t i = 0; cache->upstreams != NULL && i < cache->config->upstream_count; i++)
		og_upstream_free(cache->upstreams[i]);
	free(cache->upstreams);
	(void)pthread_cond_destroy(&cache->landed);
	(void)pthread_mutex_destroy(&cache->lock);
	free(cache);
	return NULL;
}

void og_cache_stop(struct og_cache *cache)
{
	for (size_t i = 0; cache != NULL && i < cache->config->upstream_count; i++)
		og_upstream_stop(cache->upstreams[i]);
}

static void tell(const struct og_cache *cache, const char *what, const struct og_err *err)
{
	og_auto_free char *line = og_strdupf("%s: %s", what, err->text);

	if (cache->log != NULL && line != NULL)
		cache->log(cache->log_data, line);
}

/* ---- which upstream ---- */

/* The one of the longest prefix; *@ret_name is the repository's name there. */
static size_t find(const struct og_cache *cache, const char *repository, const char **ret_name)
{
	size_t found = SIZE_MAX, longest = 0;

	for (size_t i = 0; cache != NULL && i < cache->config->upstream_count; i++) {
		const char *prefix = cache->config->upstreams[i].prefix;
		size_t len = strlen(prefix);

		if (len > 0 && (strncmp(repository, prefix, len) != 0 || repository[len] != '/'))
			continue;
		if (found != SIZE_MAX && len < longest)
			continue;
		found = i;
		longest = len;
		*ret_name = repository + (len > 0 ? len + 1 : 0);
	}
	return found;
}

const char *og_cache_url(const struct og_cache *cache, const char *repository)
{
	const char *name;
	size_t index = find(cache, repository, &name);

	return index != SIZE_MAX ? cache->config->upstreams[index].url : NULL;
}

/* ---- once, for all who ask ---- */

static struct flight *board(struct og_cache *cache, const char *key)
{
	struct flight *flight = cache->flights;

	while (flight != NULL && (flight->over || !og_streq(flight->key, key)))
		flight = flight->next;
	return flight;
}

static void leave(struct og_cache *cache, struct flight *flight)
{
	struct flight **link = &cache->flights;

	if (flight->waiting > 0)
		return;
	while (*link != flight)
		link = &(*link)->next;
	*link = flight->next;
	cache->flight_count--;
	free(flight->key);
	free(flight);
}

/* With the lock held. */
static int wait_for(struct og_cache *cache, struct flight *flight, struct og_err *err)
{
	int r;

	flight->waiting++;
	while (!flight->over)
		(void)pthread_cond_wait(&cache->landed, &cache->lock);
	flight->waiting--;
	r = flight->result;
	if (r < 0 && err != NULL)
		*err = flight->err;
	leave(cache, flight);
	return r;
}

/* With the lock held. */
static struct flight *take_off(struct og_cache *cache, const char *key)
{
	struct flight *flight = calloc(1, sizeof(*flight));

	if (flight == NULL)
		return NULL;
	flight->key = strdup(key);
	if (flight->key == NULL) {
		free(flight);
		return NULL;
	}
	flight->next = cache->flights;
	cache->flights = flight;
	cache->flight_count++;
	return flight;
}

/* What is fetched, and by whom. */
struct errand {
	struct og_cache *cache;
	struct og_registry *registry;
	size_t upstream;
	const char *repository, *name; /* here and there */
	const char *reference;
	const char *known; /* of a tag: the digest it has here; "" */
};

typedef int errand_fn(const struct errand *errand, struct og_err *err);

static int once(const struct errand *errand, const char *key, errand_fn *fn, struct og_err *err)
{
	struct og_cache *cache = errand->cache;
	struct flight *flight;
	int r;

	(void)pthread_mutex_lock(&cache->lock);
	flight = board(cache, key);
	if (flight != NULL) {
		r = wait_for(cache, flight, err);
		(void)pthread_mutex_unlock(&cache->lock);
		return r;
	}
	flight = cache->flight_count < OG_CACHE_FLIGHTS ? take_off(cache, key) : NULL;
	(void)pthread_mutex_unlock(&cache->lock);
	if (flight == NULL)
		return og_fail_plain(err, -EAGAIN, "too much is being fetched already");
	r = fn(errand, &flight->err);
	if (err != NULL)
		*err = flight->err;
	(void)pthread_mutex_lock(&cache->lock);
	flight->result = r;
	flight->over = true;
	(void)pthread_cond_broadcast(&cache->landed);
	leave(cache, flight);
	(void)pthread_mutex_unlock(&cache->lock);
	return r;
}

/* ---- fetching ---- */

static int take(void *data, const void *buf, size_t len, struct og_err *err)
{
	return og_registry_intake_write(data, buf, len, err);
}

static int fetch_blob(const struct errand *errand, struct og_err *err)
{
	og_cleanup(og_registry_intake_freep) struct og_registry_intake *intake = NULL;
	struct og_blob_digest digest;
	int r = og_blob_digest_parse(errand->reference, &digest);

	if (r < 0)
		return og_fail_plain(err, -ENOENT, "no digest");
	r = og_registry_intake_new(errand->registry, errand->repository, &digest, &intake, err);
	if (r == 0)
		r = og_upstream_blob(errand->cache->upstreams[errand->upstream], errand->name,
				     errand->reference, take, intake, err);
	if (r == 0)
		r = og_registry_intake_finish(intake, err);
	return r;
}

/* What is asked for, or by tag what upstream says it is; false: it says nothing. */
static bool expected_digest(const struct errand *errand, const char *said,
			    struct og_blob_digest *ret_digest)
{
	if (strchr(errand->reference, ':') != NULL)
		return og_blob_digest_parse(errand->reference, ret_digest) == 0;
	return og_blob_digest_parse(said, ret_digest) == 0;
}

static int fetch_manifest(const struct errand *errand, struct og_err *err)
{
	og_cleanup(og_upstream_manifest_done) struct og_upstream_manifest manifest = {};
	bool by_digest = strchr(errand->reference, ':') != NULL;
	struct og_blob_digest digest;
	bool has_digest;
	int r = og_upstream_manifest(errand->cache->upstreams[errand->upstream], errand->name,
				     errand->reference, errand->known, &manifest, err);

	if (r != 0)
		return r;
	has_digest = expected_digest(errand, manifest.digest, &digest);
	r = og_registry_put_manifest(errand->registry, errand->repository,
				     by_digest ? NULL : errand->reference,
				     has_digest ? &digest : NULL, manifest.media_type, manifest.buf,
				     manifest.len, err);
	if (r < 0)
		return og_fail_in(err, r, "a manifest of upstream %s",
				  errand->cache->config->upstreams[errand->upstream].url);
	return 0;
}

/* ---- when a tag was asked after ---- */

static struct asked *place_of(struct og_cache *cache, const char *repository, const char *tag,
			      unsigned char name[16])
{
	og_auto_free char *text = og_strdupf("%s:%s", repository, tag);
	unsigned char mac[OG_HMAC_SHA256_BYTES] = { 0 };

	if (text != NULL)
		og_hmac_sha256("tag", strlen("tag"), text, strlen(text), mac);
	memcpy(name, mac, 16);
	return &cache->asked[(mac[16] | (unsigned)mac[17] << 8) % OG_CACHE_TAGS];
}

static bool is_fresh(struct og_cache *cache, const char *repository, const char *tag)
{
	unsigned char name[16];
	const struct asked *place = place_of(cache, repository, tag, name);
	bool fresh;

	(void)pthread_mutex_lock(&cache->lock);
	fresh = memcmp(place->name, name, sizeof(name)) == 0 && og_clock_ms() < place->until_ms;
	(void)pthread_mutex_unlock(&cache->lock);
	return fresh;
}

static void believe(struct og_cache *cache, const char *repository, const char *tag,
		    uint64_t seconds)
{
	unsigned char name[16];
	struct asked *place = place_of(cache, repository, tag, name);

	(void)pthread_mutex_lock(&cache->lock);
	memcpy(place->name, name, sizeof(name));
	place->until_ms = og_clock_ms() + seconds * 1000;
	(void)pthread_mutex_unlock(&cache->lock);
}

/* ---- the hooks ---- */

/* What upstream does not give to us it has not got, as far as our clients are concerned. */
static int as_missing(struct og_cache *cache, int r, const struct og_err *err)
{
	if (r == -ENOENT || r == -EACCES)
		return -ENOENT;
	og_metrics_add(cache->metrics, OG_METRIC_UPSTREAM_FAILURES, 1);
	tell(cache, "pull-through", err);
	return r;
}

int og_cache_fetch(struct og_cache *cache, struct og_registry *registry, const char *repository,
		   const char *reference, bool is_manifest, struct og_err *err)
{
	struct errand errand = { .cache = cache,
				 .registry = registry,
				 .repository = repository,
				 .reference = reference,
				 .known = "" };
	og_auto_free char *key = NULL;
	struct og_err trouble = {};
	int r;

	errand.upstream = find(cache, repository, &errand.name);
	if (errand.upstream == SIZE_MAX)
		return -ENOENT;
	key = og_strdupf("%c %s %s", is_manifest ? 'm' : 'b', repository, reference);
	if (key == NULL)
		return og_fail(err, -ENOMEM, "upstream");
	r = once(&errand, key, is_manifest ? fetch_manifest : fetch_blob, &trouble);
	if (r < 0) {
		if (err != NULL)
			*err = trouble;
		return as_missing(cache, r, &trouble);
	}
	og_metrics_add(cache->metrics, OG_METRIC_UPSTREAM_FETCHES, 1);
	if (is_manifest && strchr(reference, ':') == NULL)
		believe(cache, repository, reference,
			cache->config->upstreams[errand.upstream].fresh_s);
	return 0;
}

int og_cache_refresh(struct og_cache *cache, struct og_registry *registry, const char *repository,
		     const char *tag, const char *digest, struct og_err *err)
{
	struct errand errand = { .cache = cache,
				 .registry = registry,
				 .repository = repository,
				 .reference = tag,
				 .known = digest };
	og_auto_free char *key = NULL;
	struct og_err trouble = {};
	int r;

	errand.upstream = find(cache, repository, &errand.name);
	if (errand.upstream == SIZE_MAX || is_fresh(cache, repository, tag))
		return 0;
	key = og_strdupf("r %s %s", repository, tag);
	if (key == NULL)
		return 0;
	r = once(&errand, key, fetch_manifest, &trouble);
	if (r >= 0) {
		believe(cache, repository, tag, cache->config->upstreams[errand.upstream].fresh_s);
		return r == 0 ? 1 : 0;
	}
	if (r == -ENOENT)
		return og_fail_plain(err, -ENOENT, "%s", trouble.text);
	og_metrics_add(cache->metrics, OG_METRIC_UPSTREAM_STALE, 1);
	tell(cache, "served as it was", &trouble);
	believe(cache, repository, tag, OG_CACHE_AWAY_S);
	return 0;
}
