/* SPDX-License-Identifier: Apache-2.0 */
/* What goes on beside requests: index.json, collection, scrub. One thread, one thing at a time. */
#include <errno.h>
#include <inttypes.h>
#include <time.h>

#include "base/clock.h"
#include "base/thread.h"
#include "registry/internal.h"

#define TICK_MS 500

/* index.json is for tools that read the layout, which can wait; a large one takes its time to write. */
#define LAYOUT_EVERY_MS 2000
#define LAYOUT_SHARE	20

/* So fast does a scrub read that others hardly notice. */
#define SCRUB_BYTES_PER_S (64ULL << 20)

struct timetable {
	uint64_t changes;   /* that index.json knows */
	uint64_t layout_ms; /* not before */
	uint64_t gc_ms, scrub_ms;
};

static void write_layout(struct og_registry *registry, struct timetable *timetable)
{
	uint64_t changes = og_records_changes(registry->records), begun_ms = og_clock_ms();
	uint64_t took_ms;
	struct og_err err = {};

	if (changes == timetable->changes || begun_ms < timetable->layout_ms)
		return;
	if (og_layout_write(&registry->store, registry->records, &err) < 0)
		og_blob_store_log(&registry->store, "%s", err.text);
	else
		timetable->changes = changes;
	took_ms = og_clock_ms() - begun_ms;
	timetable->layout_ms = og_clock_ms() + LAYOUT_EVERY_MS + LAYOUT_SHARE * took_ms;
}

static void collect(struct og_registry *registry)
{
	struct og_registry_gc gc;
	struct og_err err = {};

	if (og_registry_collect(registry, false, &gc, &err) < 0)
		og_blob_store_log(&registry->store, "%s", err.text);
	else if (gc.manifests + gc.blobs + gc.uploads > 0)
		og_blob_store_log(&registry->store,
				  "collected %" PRIu64 " manifests, %" PRIu64 " blobs, %" PRIu64
				  " uploads, %" PRIu64 " bytes",
				  gc.manifests, gc.blobs, gc.uploads, gc.bytes);
}

static void scrub(struct og_registry *registry)
{
	struct og_registry_scrub done;
	struct og_err err = {};

	if (og_registry_scrub(registry, SCRUB_BYTES_PER_S, &done, &err) < 0)
		og_blob_store_log(&registry->store, "%s", err.text);
	else
		og_blob_store_log(&registry->store,
				  "scrubbed %" PRIu64 " blobs, %" PRIu64 " bytes: %" PRIu64
				  " damaged, %" PRIu64 " missing",
				  done.blobs, done.bytes, done.bad, done.missing);
}

static bool is_due(unsigned interval_s, uint64_t *due_ms)
{
	uint64_t now_ms = og_clock_ms();

	if (interval_s == 0 || now_ms < *due_ms)
		return false;
	*due_ms = now_ms + 1000ULL * interval_s;
	return true;
}

/* False: it is to end. */
static bool wait_a_little(struct og_registry *registry)
{
	struct timespec until;
	bool stop;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += TICK_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	(void)pthread_mutex_lock(&registry->lock);
	if (!registry->stop)
		(void)pthread_cond_timedwait(&registry->changed, &registry->lock, &until);
	stop = registry->stop;
	(void)pthread_mutex_unlock(&registry->lock);
	return !stop;
}

static void *run(void *data)
{
	struct og_registry *registry = data;
	const struct og_registry_options *options = &registry->options;
	struct timetable timetable = { .changes = UINT64_MAX };

	timetable.gc_ms = og_clock_ms() + 1000ULL * options->gc_interval_s;
	timetable.scrub_ms = og_clock_ms() + 1000ULL * options->scrub_interval_s;
	do {
		write_layout(registry, &timetable);
		if (is_due(options->gc_interval_s, &timetable.gc_ms))
			collect(registry);
		if (is_due(options->scrub_interval_s, &timetable.scrub_ms))
			scrub(registry);
	} while (wait_a_little(registry));
	timetable.layout_ms = 0;
	write_layout(registry, &timetable);
	return NULL;
}

int og_registry_start(struct og_registry *registry, struct og_err *err)
{
	int r = og_thread_start(&registry->thread, 0, run, registry);

	if (r < 0)
		return og_fail(err, r, "start a thread");
	registry->started = true;
	return 0;
}

void background_stop(struct og_registry *registry)
{
	(void)pthread_mutex_lock(&registry->lock);
	registry->stop = true;
	(void)pthread_cond_broadcast(&registry->changed);
	(void)pthread_mutex_unlock(&registry->lock);
	if (registry->started)
		(void)pthread_join(registry->thread, NULL);
	registry->started = false;
}
