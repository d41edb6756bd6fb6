/* SPDX-License-Identifier: Apache-2.0 */
/* Scrub: every byte that is kept is read from the disk and checked against its digest. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "registry/internal.h"

#define PAGE 128

struct scrubbing {
	struct og_registry *registry;
	struct og_registry_scrub *scrub;
	uint64_t bytes_per_s; /* 0: no limit */
	uint64_t begun_ms, read;
	int64_t row;
	struct og_blob_digest digests[PAGE];
	size_t count;
};

static bool is_stopping(struct og_registry *registry)
{
	bool stop;

	(void)pthread_mutex_lock(&registry->lock);
	stop = registry->stop;
	(void)pthread_mutex_unlock(&registry->lock);
	return stop;
}

static int pace(void *data, uint64_t bytes)
{
	struct scrubbing *scrubbing = data;

	scrubbing->read += bytes;
	for (;;) {
		uint64_t due_ms;

		if (is_stopping(scrubbing->registry))
			return -ECANCELED;
		if (scrubbing->bytes_per_s == 0)
			return 0;
		due_ms = scrubbing->begun_ms + scrubbing->read * 1000 / scrubbing->bytes_per_s;
		if (og_clock_ms() >= due_ms)
			return 0;
		(void)nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	}
}

static int read_page(struct scrubbing *scrubbing, struct og_err *err)
{
	og_cleanup(og_query_freep) struct og_query *query = NULL;
	int r = og_db_query(og_records_read(scrubbing->registry->records), &query, err,
			    "SELECT id, digest FROM blobs WHERE id > ? AND dying = 0"
			    " ORDER BY id LIMIT ?",
			    "ii", scrubbing->row, (int64_t)PAGE);

	scrubbing->count = 0;
	while (r >= 0 && (r = og_query_next(query, err)) > 0) {
		scrubbing->row = og_query_int(query, 0);
		if (og_blob_digest_parse(og_query_text(query, 1),
					 &scrubbing->digests[scrubbing->count]) == 0)
			scrubbing->count++;
	}
	return r < 0 ? r : 0;
}

/* Collection may have taken it since the page was read. */
static bool is_recorded(struct og_records *records, const struct og_blob_digest *digest)
{
	struct og_query *query = NULL;
	int r = og_db_query(og_records_read(records), &query, NULL,
			    "SELECT 1 FROM blobs WHERE digest = ? AND dying = 0", "s",
			    digest->text);

	if (r == 0)
		r = og_query_next(query, NULL);
	(void)og_query_free(query);
	og_records_unread(records);
	return r != 0;
}

static int check_one(struct scrubbing *scrubbing, const struct og_blob_digest *digest)
{
	struct og_registry_scrub *scrub = scrubbing->scrub;
	struct og_err err = {};
	uint64_t bytes = 0;
	int r = og_blob_store_check(&scrubbing->registry->store, digest, pace, scrubbing, &bytes,
				    &err);

	scrub->bytes += bytes;
	if (r == -ENOENT)
		scrub->missing += is_recorded(scrubbing->registry->records, digest);
	else
		scrub->blobs++;
	if (r == -EUCLEAN)
		scrub->bad++;
	else if (r < 0 && r != -ENOENT && r != -ECANCELED)
		og_blob_store_log(&scrubbing->registry->store, "scrub: %s", err.text);
	return r == -ECANCELED ? r : 0;
}

int og_registry_scrub(struct og_registry *registry, uint64_t bytes_per_s,
		      struct og_registry_scrub *ret_scrub, struct og_err *err)
{
	og_auto_free struct scrubbing *scrubbing = calloc(1, sizeof(*scrubbing));
	int r = 0;

	if (scrubbing == NULL)
		return og_fail(err, -ENOMEM, "scrub");
	*ret_scrub = (struct og_registry_scrub){};
	scrubbing->registry = registry;
	scrubbing->scrub = ret_scrub;
	scrubbing->bytes_per_s = bytes_per_s;
	scrubbing->begun_ms = og_clock_ms();
	do {
		r = read_page(scrubbing, err);
		og_records_unread(registry->records);
		for (size_t i = 0; i < scrubbing->count && r == 0; i++)
			r = check_one(scrubbing, &scrubbing->digests[i]);
	} while (r == 0 && scrubbing->count > 0);
	return r == -ECANCELED ? 0 : r;
}
