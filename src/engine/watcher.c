/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two threads. The watcher waits for the ends of all running workloads: one descriptor each, in
 * one loop. Chores are what follows from an end and takes time: restarts and removals, one after
 * the other.
 */
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "engine/internal.h"
#include "monitor/client.h"

/* A monitor that says "ended" has all of its answer ready. */
#define ANSWER_TIMEOUT_MS 10000

struct pending {
	struct pending *next;
	struct og_record *record; /* a reference */
	int fd;
};

struct chore {
	struct chore *next;
	struct og_record *record; /* a reference */
	void (*run)(struct og_record *);
	uint64_t due_ms;
};

static struct pending *pending_free(struct pending *pending)
{
	if (pending == NULL)
		return NULL;
	og_close(pending->fd);
	og_record_unref(pending->record);
	free(pending);
	return NULL;
}

static void on_end(struct og_source *source, uint32_t events, void *data)
{
	struct pending *pending = data;
	struct og_monitor_exit exit = {};
	int r;

	(void)events;
	(void)og_source_remove(source);
	r = og_monitor_wait_end(pending->fd, ANSWER_TIMEOUT_MS, &exit, NULL);
	pending->fd = -EBADF;
	og_record_ended(pending->record, r < 0 ? NULL : &exit);
	(void)pending_free(pending);
}

static struct pending *take_pending(struct og_engine *engine, bool *ret_ending)
{
	struct pending *list;

	(void)pthread_mutex_lock(&engine->lock);
	list = engine->pending;
	engine->pending = NULL;
	*ret_ending = engine->ending;
	(void)pthread_mutex_unlock(&engine->lock);
	return list;
}

static void on_poke(struct og_source *source, uint32_t events, void *data)
{
	struct og_engine *engine = data;
	struct pending *pending, *next;
	struct og_err err = {};
	eventfd_t count;
	bool ending;

	(void)source;
	(void)events;
	(void)eventfd_read(engine->poke_fd, &count);
	for (pending = take_pending(engine, &ending); pending != NULL; pending = next) {
		next = pending->next;
		if (og_loop_add_fd(engine->loop, pending->fd, EPOLLIN, on_end, pending, NULL,
				   &err) < 0) {
			og_engine_report(engine, "workload %.12s: %s", pending->record->id,
					 err.text);
			(void)pending_free(pending);
		}
	}
	if (ending)
		og_loop_stop(engine->loop);
}

static void *run_watcher(void *data)
{
	struct og_engine *engine = data;
	struct og_err err = {};

	if (og_loop_run(engine->loop, &err) < 0)
		og_engine_report(engine, "watcher: %s", err.text);
	return NULL;
}

int og_watcher_add(struct og_record *record, struct og_err *err)
{
	struct og_engine *engine = record->engine;
	og_auto_fd dir_fd = og_record_exec_dir(record, false, err);
	struct pending *pending;
	int fd, r;

	if (dir_fd < 0)
		return dir_fd;
	r = og_monitor_wait_begin(dir_fd, &fd, err);
	if (r < 0)
		return r;
	pending = malloc(sizeof(*pending));
	if (pending == NULL) {
		og_close(fd);
		return og_fail(err, -ENOMEM, "watch workload");
	}
	(void)pthread_mutex_lock(&engine->lock);
	*pending = (struct pending){
		.next = engine->pending,
		.record = og_record_ref(record),
		.fd = fd,
	};
	engine->pending = pending;
	(void)pthread_mutex_unlock(&engine->lock);
	(void)eventfd_write(engine->poke_fd, 1);
	return 0;
}

/* ---- chores ---- */

void og_chore_add(struct og_record *record, void (*run)(struct og_record *), uint64_t delay_ms)
{
	struct og_engine *engine = record->engine;
	struct chore *chore = malloc(sizeof(*chore));
	struct chore **at;

	if (chore == NULL)
		return;
	(void)pthread_mutex_lock(&engine->lock);
	*chore = (struct chore){
		.record = og_record_ref(record),
		.run = run,
		.due_ms = og_clock_ms() + delay_ms,
	};
	at = &engine->chore_list;
	while (*at != NULL && (*at)->due_ms <= chore->due_ms)
		at = &(*at)->next;
	chore->next = *at;
	*at = chore;
	(void)pthread_cond_signal(&engine->chores_changed);
	(void)pthread_mutex_unlock(&engine->lock);
}

/* With the lock held: waits for the next chore that is due. NULL: the engine ends. */
static struct chore *next_chore(struct og_engine *engine)
{
	while (!engine->ending) {
		struct chore *chore = engine->chore_list;
		struct timespec until;

		if (chore == NULL) {
			(void)pthread_cond_wait(&engine->chores_changed, &engine->lock);
			continue;
		}
		if (chore->due_ms <= og_clock_ms()) {
			engine->chore_list = chore->next;
			return chore;
		}
		until.tv_sec = (time_t)(chore->due_ms / 1000);
		until.tv_nsec = (long)(chore->due_ms % 1000) * 1000000;
		(void)pthread_cond_timedwait(&engine->chores_changed, &engine->lock, &until);
	}
	return NULL;
}

static void *run_chores(void *data)
{
	struct og_engine *engine = data;
	struct chore *chore;

	(void)pthread_mutex_lock(&engine->lock);
	while ((chore = next_chore(engine)) != NULL) {
		(void)pthread_mutex_unlock(&engine->lock);
		chore->run(chore->record);
		og_record_unref(chore->record);
		free(chore);
		(void)pthread_mutex_lock(&engine->lock);
	}
	(void)pthread_mutex_unlock(&engine->lock);
	return NULL;
}

/* ---- both ---- */

static void init_clock_cond(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(cond, &attr);
	(void)pthread_condattr_destroy(&attr);
}

int og_watcher_start(struct og_engine *engine, struct og_err *err)
{
	int r = og_loop_new(&engine->loop, err);

	if (r < 0)
		return r;
	engine->poke_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (engine->poke_fd < 0)
		return og_fail(err, -errno, "make watcher");
	r = og_loop_add_fd(engine->loop, engine->poke_fd, EPOLLIN, on_poke, engine, NULL, err);
	if (r < 0)
		return r;
	init_clock_cond(&engine->chores_changed);
	r = -pthread_create(&engine->watcher, NULL, run_watcher, engine);
	if (r < 0)
		return og_fail(err, r, "start watcher");
	engine->watcher_started = true;
	r = -pthread_create(&engine->chores, NULL, run_chores, engine);
	if (r < 0)
		return og_fail(err, r, "start watcher");
	engine->chores_started = true;
	return 0;
}

/* What is still watched keeps its descriptor until the process ends: an engine is freed only then,
 * or in tests. */
void og_watcher_stop(struct og_engine *engine)
{
	bool ending;
	struct pending *pending, *next;

	(void)pthread_mutex_lock(&engine->lock);
	engine->ending = true;
	if (engine->chores_started)
		(void)pthread_cond_signal(&engine->chores_changed);
	(void)pthread_mutex_unlock(&engine->lock);
	if (engine->watcher_started) {
		(void)eventfd_write(engine->poke_fd, 1);
		(void)pthread_join(engine->watcher, NULL);
	}
	if (engine->chores_started)
		(void)pthread_join(engine->chores, NULL);
	for (pending = take_pending(engine, &ending); pending != NULL; pending = next) {
		next = pending->next;
		(void)pending_free(pending);
	}
	engine->loop = og_loop_free(engine->loop);
	og_close(engine->poke_fd);
}
