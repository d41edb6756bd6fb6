/* SPDX-License-Identifier: Apache-2.0 */
#include "api/relay.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/test.h"

#define MANY (8U * 1024U * 1024U)

/* The far ends: what a client and a workload hold. */
struct ends {
	int client, client_near;
	int stream, stream_near;
	struct relay relay;
	pthread_t thread;
};

static void *run(void *data)
{
	struct ends *ends = data;

	relay_run(&ends->relay);
	og_close(ends->client_near);
	og_close(ends->stream_near);
	return NULL;
}

static void begin(struct ends *ends, bool in, const char *early)
{
	int pair[2];

	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	ends->client = pair[0];
	ends->client_near = pair[1];
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	ends->stream = pair[0];
	ends->stream_near = pair[1];
	ends->relay = (struct relay){
		.client_fd = ends->client_near,
		.stream_fd = ends->stream_near,
		.gone_fd = -1,
		.in = in,
		.early = early,
		.early_len = strlen(early),
	};
	CHECK_OK(pthread_create(&ends->thread, NULL, run, ends));
}

static void finish(struct ends *ends)
{
	CHECK_OK(pthread_join(ends->thread, NULL));
	og_close(ends->client);
	og_close(ends->stream);
}

TEST(what_was_sent_early_comes_first)
{
	struct ends ends;
	char buf[16] = "";

	begin(&ends, true, "early ");
	CHECK_EQ(write(ends.client, "late", 4), 4);
	CHECK_OK(shutdown(ends.client, SHUT_WR));
	CHECK_EQ(og_read_upto(ends.stream, buf, sizeof(buf)), 10);
	CHECK(memcmp(buf, "early late", 10) == 0);
	CHECK_OK(shutdown(ends.stream, SHUT_WR));
	finish(&ends);
}

TEST(a_client_that_only_listens_may_close_its_side)
{
	struct ends ends;
	char buf[16] = "";

	begin(&ends, false, "");
	CHECK_OK(shutdown(ends.client, SHUT_WR));
	CHECK_EQ(write(ends.stream, "output", 6), 6);
	CHECK_EQ(og_read_upto(ends.client, buf, 6), 6);
	CHECK_OK(shutdown(ends.stream, SHUT_WR));
	CHECK_EQ(read(ends.client, buf, 1), 0);
	finish(&ends);
}

static void *write_many(void *data)
{
	const int *fd = data;
	og_auto_free char *buf = calloc(1, MANY);

	CHECK_OK(og_write_all(*fd, buf, MANY));
	return NULL;
}

/* As `cat` does: writes no more until it is read from, and reads no more until then. */
TEST(neither_direction_waits_for_the_other)
{
	og_auto_free char *buf = malloc(MANY);
	pthread_t up, down;
	struct ends ends;

	begin(&ends, true, "");
	CHECK_OK(pthread_create(&up, NULL, write_many, &ends.client));
	CHECK_OK(pthread_create(&down, NULL, write_many, &ends.stream));
	CHECK_EQ(og_read_upto(ends.client, buf, MANY), MANY);
	CHECK_EQ(og_read_upto(ends.stream, buf, MANY), MANY);
	CHECK_OK(pthread_join(up, NULL));
	CHECK_OK(pthread_join(down, NULL));
	CHECK_OK(shutdown(ends.stream, SHUT_WR));
	finish(&ends);
}

TEST(a_client_that_leaves_ends_it)
{
	struct ends ends;
	char c;

	begin(&ends, true, "");
	ends.client = og_close(ends.client);
	CHECK_EQ(read(ends.stream, &c, 1), 0);
	finish(&ends);
}

TEST(a_workload_that_ends_closes_its_clients)
{
	struct ends ends;
	char buf[16];

	begin(&ends, true, "");
	CHECK_EQ(write(ends.stream, "bye", 3), 3);
	ends.stream = og_close(ends.stream);
	CHECK_EQ(og_read_upto(ends.client, buf, sizeof(buf)), 3);
	finish(&ends);
}

TEST_MAIN(TEST_ENTRY(what_was_sent_early_comes_first),
	  TEST_ENTRY(a_client_that_only_listens_may_close_its_side),
	  TEST_ENTRY(neither_direction_waits_for_the_other),
	  TEST_ENTRY(a_client_that_leaves_ends_it),
	  TEST_ENTRY(a_workload_that_ends_closes_its_clients))
