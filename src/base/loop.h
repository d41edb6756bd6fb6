/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An event loop over epoll for programs of one thread: descriptors, timers, signals. A callback
 * may add and remove sources, its own too, and may stop the loop.
 */
#pragma once

#include <signal.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

struct og_loop;
struct og_source; /* one thing that is waited for; owned by the loop */

/* @events: what epoll reported (EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR). */
typedef void og_fd_fn(struct og_source *source, uint32_t events, void *data);
typedef void og_timer_fn(struct og_source *source, void *data);
typedef void og_signal_fn(struct og_source *source, int signal, void *data);
typedef void og_round_fn(void *data);

/* On success *@ret_loop is the caller's to free. */
int og_loop_new(struct og_loop **ret_loop, struct og_err *err);

/* Removes all sources. Accepts NULL. Always returns NULL. */
struct og_loop *og_loop_free(struct og_loop *loop);
OG_DEFINE_CLEANUP(struct og_loop, og_loop_free)

/* @fd stays the caller's, and open until the source is removed. *@ret_source may be NULL. */
int og_loop_add_fd(struct og_loop *loop, int fd, uint32_t events, og_fd_fn *fn, void *data,
		   struct og_source **ret_source, struct og_err *err);

/* Changes what a descriptor is watched for; 0 pauses it (errors are still reported). */
int og_source_watch(struct og_source *source, uint32_t events);

/* Runs @fn once after @delay_ms, then the source is gone. */
int og_loop_add_timer(struct og_loop *loop, uint64_t delay_ms, og_timer_fn *fn, void *data,
		      struct og_source **ret_source, struct og_err *err);

/* Blocks the signals of @set in this process and reports them here. */
int og_loop_add_signals(struct og_loop *loop, const sigset_t *set, og_signal_fn *fn, void *data,
			struct og_err *err);

/* Calls @fn each time before the loop waits: to send at once what a whole round has queued. */
void og_loop_before_wait(struct og_loop *loop, og_round_fn *fn, void *data);

/* Accepts NULL. Always returns NULL. */
struct og_source *og_source_remove(struct og_source *source);

/* Runs until og_loop_stop(). Errors: what epoll_wait() says. */
int og_loop_run(struct og_loop *loop, struct og_err *err);
void og_loop_stop(struct og_loop *loop);
