/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring of blocks. The giver fills the block at @head and hands it over when it is full; the taker
 * works on the block at @tail without the lock. Both indices only grow.
 */
#include "image/relay.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Few enough to stay in the second-level cache, large enough that waking is rare. */
#define BLOCK_BYTES (256U << 10)
#define BLOCKS	    8U

struct block {
	size_t len;
	uint8_t bytes[BLOCK_BYTES];
};

struct og_relay {
	og_relay_fn *fn;
	void *data;
	pthread_t thread;
	bool joined;
	size_t fill; /* bytes in the block at @head; the giver's alone */

	pthread_mutex_t lock; /* over what is below */
	pthread_cond_t changed;
	size_t head, tail; /* blocks handed over, blocks taken */
	bool ended;	   /* nothing more comes */
	int code;	   /* the taker's failure */
	struct og_err err;

	struct block blocks[BLOCKS];
};

/* Waits for a block. Returns NULL at the end. */
static struct block *next_block(struct og_relay *relay)
{
	struct block *block = NULL;

	(void)pthread_mutex_lock(&relay->lock);
	while (relay->head == relay->tail && !relay->ended)
		(void)pthread_cond_wait(&relay->changed, &relay->lock);
	if (relay->head != relay->tail)
		block = &relay->blocks[relay->tail % BLOCKS];
	(void)pthread_mutex_unlock(&relay->lock);
	return block;
}

static void block_taken(struct og_relay *relay, int r, const struct og_err *err)
{
	(void)pthread_mutex_lock(&relay->lock);
	relay->tail++;
	if (r < 0) {
		relay->code = r;
		relay->err = *err;
	}
	(void)pthread_cond_signal(&relay->changed);
	(void)pthread_mutex_unlock(&relay->lock);
}

static void *take(void *data)
{
	struct og_relay *relay = data;
	struct og_err err = {};
	struct block *block;
	int r = 0;

	while ((block = next_block(relay)) != NULL) {
		if (r == 0)
			r = relay->fn(relay->data, block->bytes, block->len, &err);
		block_taken(relay, r, &err);
	}
	return NULL;
}

int og_relay_new(og_relay_fn *fn, void *data, struct og_relay **ret_relay, struct og_err *err)
{
	struct og_relay *relay = malloc(sizeof(*relay));
	int e;

	if (relay == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	memset(relay, 0, offsetof(struct og_relay, blocks));
	relay->fn = fn;
	relay->data = data;
	(void)pthread_mutex_init(&relay->lock, NULL);
	(void)pthread_cond_init(&relay->changed, NULL);
	e = pthread_create(&relay->thread, NULL, take, relay);
	if (e != 0) {
		free(relay);
		return og_fail(err, -e, "start a thread");
	}
	*ret_relay = relay;
	return 0;
}

/* Hands over the block at head and waits until the next one is free. */
static int hand_over(struct og_relay *relay, struct og_err *err)
{
	int r;

	(void)pthread_mutex_lock(&relay->lock);
	relay->blocks[relay->head % BLOCKS].len = relay->fill;
	relay->head++;
	relay->fill = 0;
	(void)pthread_cond_signal(&relay->changed);
	while (relay->head - relay->tail == BLOCKS && relay->code == 0)
		(void)pthread_cond_wait(&relay->changed, &relay->lock);
	r = relay->code;
	if (r < 0 && err != NULL)
		*err = relay->err;
	(void)pthread_mutex_unlock(&relay->lock);
	return r;
}

int og_relay_push(struct og_relay *relay, const void *buf, size_t len, struct og_err *err)
{
	const uint8_t *bytes = buf;

	while (len > 0) {
		struct block *block = &relay->blocks[relay->head % BLOCKS];
		size_t part = BLOCK_BYTES - relay->fill;

		if (part > len)
			part = len;
		memcpy(block->bytes + relay->fill, bytes, part);
		relay->fill += part;
		bytes += part;
		len -= part;
		if (relay->fill == BLOCK_BYTES) {
			int r = hand_over(relay, err);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

static void end_thread(struct og_relay *relay)
{
	if (relay->joined)
		return;
	(void)pthread_mutex_lock(&relay->lock);
	relay->ended = true;
	(void)pthread_cond_signal(&relay->changed);
	(void)pthread_mutex_unlock(&relay->lock);
	(void)pthread_join(relay->thread, NULL);
	relay->joined = true;
}

int og_relay_finish(struct og_relay *relay, struct og_err *err)
{
	int r = relay->fill > 0 ? hand_over(relay, err) : 0;

	end_thread(relay);
	if (r == 0 && relay->code < 0) {
		r = relay->code;
		if (err != NULL)
			*err = relay->err;
	}
	return r;
}

struct og_relay *og_relay_free(struct og_relay *relay)
{
	if (relay == NULL)
		return NULL;
	if (!relay->joined) {
		/* What waits in the ring is passed over. */
		(void)pthread_mutex_lock(&relay->lock);
		if (relay->head != relay->tail)
			relay->head = relay->tail + 1;
		(void)pthread_mutex_unlock(&relay->lock);
	}
	end_thread(relay);
	(void)pthread_mutex_destroy(&relay->lock);
	(void)pthread_cond_destroy(&relay->changed);
	free(relay);
	return NULL;
}
