/* SPDX-License-Identifier: Apache-2.0 */
#include "image/hasher.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/thread.h"

/* Less is hashed at once: waking the thread takes as long. */
#define THREAD_BYTES (64U * 1024U)

struct og_hasher {
	struct og_sha256 *sha256; /* owned; the thread's while a buffer is with it */
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under the lock */
	const void *buf; /* NULL: nothing to do */
	size_t len;
	bool stop;
	int result;
};

static void *run(void *data)
{
	struct og_hasher *hasher = data;

	pthread_mutex_lock(&hasher->lock);
	for (;;) {
		int r;

		while (hasher->buf == NULL && !hasher->stop)
			pthread_cond_wait(&hasher->changed, &hasher->lock);
		if (hasher->buf == NULL)
			break;
		pthread_mutex_unlock(&hasher->lock);
		r = og_sha256_add(hasher->sha256, hasher->buf, hasher->len, NULL);
		pthread_mutex_lock(&hasher->lock);
		if (r < 0)
			hasher->result = r;
		hasher->buf = NULL;
		pthread_cond_broadcast(&hasher->changed);
	}
	pthread_mutex_unlock(&hasher->lock);
	return NULL;
}

static int start(struct og_hasher *hasher)
{
	int r = og_thread_start(&hasher->thread, 0, run, hasher);

	hasher->started = r == 0;
	return r;
}

int og_hasher_new(struct og_hasher **ret_hasher, struct og_err *err)
{
	og_cleanup(og_hasher_freep) struct og_hasher *hasher = calloc(1, sizeof(*hasher));
	int r;

	if (hasher == NULL)
		return og_fail(err, -ENOMEM, "allocate hasher");
	pthread_mutex_init(&hasher->lock, NULL);
	pthread_cond_init(&hasher->changed, NULL);
	r = og_sha256_new(&hasher->sha256, err);
	if (r < 0)
		return r;
	r = start(hasher);
	if (r < 0)
		return og_fail(err, r, "start hashing thread");
	*ret_hasher = og_take_ptr(hasher);
	return 0;
}

struct og_hasher *og_hasher_free(struct og_hasher *hasher)
{
	if (hasher == NULL)
		return NULL;
	if (hasher->started) {
		pthread_mutex_lock(&hasher->lock);
		hasher->stop = true;
		pthread_cond_broadcast(&hasher->changed);
		pthread_mutex_unlock(&hasher->lock);
		(void)pthread_join(hasher->thread, NULL);
	}
	pthread_cond_destroy(&hasher->changed);
	pthread_mutex_destroy(&hasher->lock);
	hasher->sha256 = og_sha256_free(hasher->sha256);
	free(hasher);
	return NULL;
}

int og_hasher_wait(struct og_hasher *hasher, struct og_err *err)
{
	int r;

	pthread_mutex_lock(&hasher->lock);
	while (hasher->buf != NULL)
		pthread_cond_wait(&hasher->changed, &hasher->lock);
	r = hasher->result;
	pthread_mutex_unlock(&hasher->lock);
	return r < 0 ? og_fail(err, r, "hash") : 0;
}

int og_hasher_give(struct og_hasher *hasher, const void *buf, size_t len, struct og_err *err)
{
	int r = og_hasher_wait(hasher, err);

	if (r < 0 || len == 0)
		return r;
	if (len < THREAD_BYTES)
		return og_sha256_add(hasher->sha256, buf, len, err);
	pthread_mutex_lock(&hasher->lock);
	hasher->buf = buf;
	hasher->len = len;
	pthread_cond_broadcast(&hasher->changed);
	pthread_mutex_unlock(&hasher->lock);
	return 0;
}

int og_hasher_finish(struct og_hasher *hasher, struct og_digest *ret_digest, struct og_err *err)
{
	int r = og_hasher_wait(hasher, err);

	if (r < 0)
		return r;
	og_sha256_finish(hasher->sha256, ret_digest->sha256);
	return 0;
}
