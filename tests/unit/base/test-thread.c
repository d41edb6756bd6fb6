/* SPDX-License-Identifier: Apache-2.0 */
#include "base/thread.h"

#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

#include "base/test.h"

#define STACK_BYTES (256U << 10)

struct seen {
	int ends[2];
	bool blocked; /* all signals */
	size_t stack_bytes;
	int detached;
};

static void *look(void *data)
{
	struct seen *seen = data;
	pthread_attr_t attr;
	sigset_t mask;

	(void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
	seen->blocked = sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGCHLD) == 1 &&
			sigismember(&mask, SIGHUP) == 1;
	(void)pthread_getattr_np(pthread_self(), &attr);
	(void)pthread_attr_getstacksize(&attr, &seen->stack_bytes);
	(void)pthread_attr_getdetachstate(&attr, &seen->detached);
	(void)pthread_attr_destroy(&attr);
	(void)!write(seen->ends[1], "x", 1);
	return NULL;
}

static bool hears_terminate(void)
{
	sigset_t mask;

	(void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
	return sigismember(&mask, SIGTERM) == 0;
}

TEST(one_to_be_joined_hears_no_signal_and_has_the_stack_it_was_given)
{
	struct seen seen = {};
	pthread_t thread;

	CHECK_OK(pipe(seen.ends));
	CHECK_OK(og_thread_start(&thread, STACK_BYTES, look, &seen));
	CHECK_OK(pthread_join(thread, NULL));
	CHECK(seen.blocked);
	CHECK_EQ(seen.stack_bytes, STACK_BYTES);
	CHECK_EQ(seen.detached, PTHREAD_CREATE_JOINABLE);
	CHECK(hears_terminate()); /* who starts it hears as before */
}

TEST(one_that_nobody_waits_for_is_detached)
{
	struct seen seen = {};
	char byte;

	CHECK_OK(pipe(seen.ends));
	CHECK_OK(og_thread_start(NULL, 0, look, &seen));
	CHECK_EQ(read(seen.ends[0], &byte, 1), 1);
	CHECK(seen.blocked);
	CHECK_EQ(seen.detached, PTHREAD_CREATE_DETACHED);
	CHECK(seen.stack_bytes > STACK_BYTES);
}

TEST_MAIN(TEST_ENTRY(one_to_be_joined_hears_no_signal_and_has_the_stack_it_was_given),
	  TEST_ENTRY(one_that_nobody_waits_for_is_detached))
