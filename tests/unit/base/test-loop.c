/* SPDX-License-Identifier: Apache-2.0 */
#include "base/loop.h"

#include <sys/epoll.h>

#include "base/test.h"

static void stop(struct og_source *source, void *data)
{
	(void)source;
	og_loop_stop(data);
}

static void count_and_stop(struct og_source *source, int signal, void *data)
{
	(void)source;
	CHECK_EQ(signal, SIGUSR1);
	og_loop_stop(data);
}

static void read_one(struct og_source *source, uint32_t events, void *data)
{
	int *count = data;

	CHECK((events & EPOLLIN) != 0);
	(*count)++;
	og_source_remove(source);
}

TEST(a_source_that_removes_itself_is_not_called_again)
{
	og_cleanup(og_loop_freep) struct og_loop *loop = NULL;
	int pipe_fds[2];
	int count = 0;

	CHECK_OK(pipe(pipe_fds));
	CHECK_EQ(write(pipe_fds[1], "xx", 2), 2);
	CHECK_OK(og_loop_new(&loop, NULL));
	CHECK_OK(og_loop_add_fd(loop, pipe_fds[0], EPOLLIN, read_one, &count, NULL, NULL));
	CHECK_OK(og_loop_add_timer(loop, 20, stop, loop, NULL, NULL));
	CHECK_OK(og_loop_run(loop, NULL));
	CHECK_EQ(count, 1);
}

TEST(signals_arrive_as_events)
{
	og_cleanup(og_loop_freep) struct og_loop *loop = NULL;
	sigset_t set;

	CHECK_OK(og_loop_new(&loop, NULL));
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	CHECK_OK(og_loop_add_signals(loop, &set, count_and_stop, loop, NULL));
	CHECK_OK(kill(getpid(), SIGUSR1));
	CHECK_OK(og_loop_run(loop, NULL));
}

TEST_MAIN(TEST_ENTRY(a_source_that_removes_itself_is_not_called_again),
	  TEST_ENTRY(signals_arrive_as_events))
