/* SPDX-License-Identifier: Apache-2.0 */
#include "base/loop.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define EVENTS_MAX 32

struct og_source {
	struct og_loop *loop;
	struct og_source *next; /* in the loop's list */
	struct og_source *prev;
	int fd;
	bool owns_fd; /* timers and signals: the loop made it */
	bool removed; /* freed only between two rounds: an event of this round may name it */
	og_fd_fn *on_fd;
	og_timer_fn *on_timer;
	og_signal_fn *on_signal;
	void *data;
};

struct og_loop {
	int epoll_fd;
	bool stopped;
	struct og_source *sources;
	struct og_source *removed;
	og_round_fn *before_wait;
	void *before_wait_data;
};

int og_loop_new(struct og_loop **ret_loop, struct og_err *err)
{
	og_cleanup(og_loop_freep) struct og_loop *loop = calloc(1, sizeof(*loop));

	if (loop == NULL)
		return og_fail(err, -ENOMEM, "make event loop");
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		return og_fail(err, -errno, "make event loop");
	*ret_loop = og_take_ptr(loop);
	return 0;
}

static void free_removed(struct og_loop *loop)
{
	while (loop->removed != NULL) {
		struct og_source *source = loop->removed;

		loop->removed = source->next;
		free(source);
	}
}

struct og_loop *og_loop_free(struct og_loop *loop)
{
	if (loop == NULL)
		return NULL;
	while (loop->sources != NULL)
		og_source_remove(loop->sources);
	free_removed(loop);
	og_close(loop->epoll_fd);
	free(loop);
	return NULL;
}

/* Takes @template over, descriptor included when it owns it. */
static int add_source(struct og_loop *loop, const struct og_source *template, uint32_t events,
		      struct og_source **ret_source, struct og_err *err)
{
	struct og_source *source = malloc(sizeof(*source));
	struct epoll_event event = { .events = events, .data.ptr = source };

	if (source == NULL) {
		if (template->owns_fd)
			og_close(template->fd);
		return og_fail(err, -ENOMEM, "add event source");
	}
	*source = *template;
	source->loop = loop;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, source->fd, &event) < 0) {
		int code = -errno;

		if (source->owns_fd)
			og_close(source->fd);
		free(source);
		return og_fail(err, code, "watch descriptor %d", template->fd);
	}
	source->next = loop->sources;
	if (source->next != NULL)
		source->next->prev = source;
	loop->sources = source;
	if (ret_source != NULL)
		*ret_source = source;
	return 0;
}

int og_loop_add_fd(struct og_loop *loop, int fd, uint32_t events, og_fd_fn *fn, void *data,
		   struct og_source **ret_source, struct og_err *err)
{
	struct og_source template = { .fd = fd, .on_fd = fn, .data = data };

	return add_source(loop, &template, events, ret_source, err);
}

int og_source_watch(struct og_source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	if (epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event) < 0)
		return -errno;
	return 0;
}

int og_loop_add_timer(struct og_loop *loop, uint64_t delay_ms, og_timer_fn *fn, void *data,
		      struct og_source **ret_source, struct og_err *err)
{
	struct itimerspec when = {
		.it_value = { .tv_sec = (time_t)(delay_ms / 1000),
			      /* all zeros would disarm it */
			      .tv_nsec = (long)(delay_ms % 1000) * 1000000 + 1 },
	};
	struct og_source template = { .owns_fd = true, .on_timer = fn, .data = data };

	template.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (template.fd < 0)
		return og_fail(err, -errno, "make timer");
	(void)timerfd_settime(template.fd, 0, &when, NULL);
	return add_source(loop, &template, EPOLLIN, ret_source, err);
}

int og_loop_add_signals(struct og_loop *loop, const sigset_t *set, og_signal_fn *fn, void *data,
			struct og_err *err)
{
	struct og_source template = { .owns_fd = true, .on_signal = fn, .data = data };

	if (sigprocmask(SIG_BLOCK, set, NULL) < 0)
		return og_fail(err, -errno, "block signals");
	template.fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (template.fd < 0)
		return og_fail(err, -errno, "watch signals");
	return add_source(loop, &template, EPOLLIN, NULL, err);
}

struct og_source *og_source_remove(struct og_source *source)
{
	struct og_loop *loop;

	if (source == NULL || source->removed)
		return NULL;
	loop = source->loop;
	(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	if (source->owns_fd)
		og_close(source->fd);
	if (source->prev != NULL)
		source->prev->next = source->next;
	else
		loop->sources = source->next;
	if (source->next != NULL)
		source->next->prev = source->prev;
	source->removed = true;
	source->next = loop->removed;
	loop->removed = source;
	return NULL;
}

static void dispatch_timer(struct og_source *source)
{
	og_timer_fn *fn = source->on_timer;
	void *data = source->data;

	og_source_remove(source);
	fn(source, data);
}

static void dispatch(struct og_source *source, uint32_t events)
{
	struct signalfd_siginfo info;

	if (source->on_fd != NULL) {
		source->on_fd(source, events, source->data);
		return;
	}
	if (source->on_timer != NULL) {
		dispatch_timer(source);
		return;
	}
	while (!source->removed && read(source->fd, &info, sizeof(info)) == sizeof(info))
		source->on_signal(source, (int)info.ssi_signo, source->data);
}

void og_loop_before_wait(struct og_loop *loop, og_round_fn *fn, void *data)
{
	loop->before_wait = fn;
	loop->before_wait_data = data;
}

int og_loop_run(struct og_loop *loop, struct og_err *err)
{
	loop->stopped = false;
	while (!loop->stopped) {
		struct epoll_event events[EVENTS_MAX];
		int count;

		if (loop->before_wait != NULL)
			loop->before_wait(loop->before_wait_data);
		if (loop->stopped)
			break;
		count = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, -1);
		if (count < 0 && errno != EINTR)
			return og_fail(err, -errno, "wait for events");
		for (int i = 0; i < count && !loop->stopped; i++) {
			struct og_source *source = events[i].data.ptr;

			if (!source->removed)
				dispatch(source, events[i].events);
		}
		free_removed(loop);
	}
	return 0;
}

void og_loop_stop(struct og_loop *loop)
{
	loop->stopped = true;
}
