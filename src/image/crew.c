/* SPDX-License-Identifier: Apache-2.0 */
#include "image/crew.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct crew {
	size_t count;
	og_crew_fn *fn;
	void (*stop)(void *data);
	void *data;
	atomic_size_t next;
	pthread_mutex_t lock; /* over the first failure */
	atomic_int code;
	struct og_err err;
};

static void note_failure(struct crew *crew, int r, const struct og_err *err)
{
	bool first;

	(void)pthread_mutex_lock(&crew->lock);
	first = atomic_load(&crew->code) == 0;
	if (first) {
		crew->err = *err;
		atomic_store(&crew->code, r);
	}
	(void)pthread_mutex_unlock(&crew->lock);
	if (first && crew->stop != NULL)
		crew->stop(crew->data);
}

static void *work(void *data)
{
	struct crew *crew = data;
	og_cleanup(og_http_client_freep) struct og_http_client *client = NULL;
	struct og_err err = {};
	int r = og_http_client_new(&client, &err);

	while (r == 0 && atomic_load(&crew->code) == 0) {
		size_t i = atomic_fetch_add(&crew->next, 1);

		if (i >= crew->count)
			break;
		r = crew->fn(crew->data, client, i, &err);
	}
	if (r < 0)
		note_failure(crew, r, &err);
	return NULL;
}

int og_crew_run(size_t count, og_crew_fn *fn, void (*stop)(void *data), void *data,
		struct og_err *err)
{
	struct crew crew = { .count = count, .fn = fn, .stop = stop, .data = data };
	pthread_t threads[OG_CREW_THREADS_MAX];
	size_t started = 0;
	int e = 0, r;

	(void)pthread_mutex_init(&crew.lock, NULL);
	while (started < OG_CREW_THREADS_MAX && started < count && e == 0) {
		e = pthread_create(&threads[started], NULL, work, &crew);
		if (e == 0)
			started++;
	}
	for (size_t i = 0; i < started; i++)
		(void)pthread_join(threads[i], NULL);
	(void)pthread_mutex_destroy(&crew.lock);
	r = atomic_load(&crew.code);
	if (r < 0 && err != NULL)
		*err = crew.err;
	if (r == 0 && started == 0 && count > 0)
		return og_fail(err, -e, "start a thread");
	return r;
}
