/* SPDX-License-Identifier: Apache-2.0 */
#include "base/flow.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>

#include "base/io.h"
#include "base/test.h"

struct seen {
	struct og_loop *loop;
	size_t bytes;
	bool ended;
	size_t stop_at;
};

static void count(const void *bytes, size_t len, void *data)
{
	struct seen *seen = data;

	(void)bytes;
	seen->bytes += len;
	seen->ended = len == 0;
	if (seen->ended || seen->bytes == seen->stop_at)
		og_loop_stop(seen->loop);
}

static void passed(size_t len, bool ended, void *data)
{
	struct seen *seen = data;

	seen->bytes += len;
	seen->ended = ended;
	if (ended)
		og_loop_stop(seen->loop);
}

static void drain(struct og_source *source, uint32_t events, void *data)
{
	char buf[3000];

	(void)source;
	(void)events;
	CHECK(read(*(int *)data, buf, sizeof(buf)) >= 0);
}

TEST(no_more_is_read_than_was_asked_for)
{
	og_cleanup(og_loop_freep) struct og_loop *loop = NULL;
	struct seen seen = { .stop_at = 3 };
	struct og_flow_in *flow = NULL;
	int ends[2];

	CHECK_OK(pipe2(ends, O_CLOEXEC | O_NONBLOCK));
	CHECK_OK(og_write_all(ends[1], "onggi", 5));
	(void)og_close(ends[1]);
	CHECK_OK(og_loop_new(&loop, NULL));
	seen.loop = loop;
	CHECK_OK(og_flow_in_new(loop, ends[0], 3, count, &seen, &flow, NULL));
	CHECK_OK(og_loop_run(loop, NULL));
	CHECK_EQ(seen.bytes, 3);
	CHECK_EQ(og_flow_in_wanted(flow), 0);
	og_flow_in_credit(flow, 100);
	CHECK_OK(og_loop_run(loop, NULL));
	CHECK_EQ(seen.bytes, 5);
	CHECK(seen.ended);
	flow = og_flow_in_free(flow);
}

TEST(a_file_that_epoll_refuses_is_read_to_its_end)
{
	og_cleanup(og_loop_freep) struct og_loop *loop = NULL;
	int fd = open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct seen seen = {};
	struct og_flow_in *flow = NULL;

	CHECK(fd >= 0);
	CHECK_OK(ftruncate(fd, 200000));
	CHECK_OK(og_loop_new(&loop, NULL));
	seen.loop = loop;
	CHECK_OK(og_flow_in_new(loop, fd, 1000000, count, &seen, &flow, NULL));
	CHECK_OK(og_loop_run(loop, NULL));
	CHECK_EQ(seen.bytes, 200000);
	CHECK(seen.ended);
	flow = og_flow_in_free(flow);
}

TEST(what_is_added_is_written_before_the_end)
{
	og_cleanup(og_loop_freep) struct og_loop *loop = NULL;
	static char bytes[300000];
	struct seen seen = {};
	struct og_flow_out *flow = NULL;
	int ends[2];

	CHECK_OK(pipe2(ends, O_CLOEXEC | O_NONBLOCK));
	CHECK_OK(og_loop_new(&loop, NULL));
	seen.loop = loop;
	CHECK_OK(og_loop_add_fd(loop, ends[0], 1, drain, &ends[0], NULL, NULL));
	CHECK_OK(og_flow_out_new(loop, ends[1], passed, &seen, &flow, NULL));
	og_flow_out_add(flow, bytes, sizeof(bytes));
	CHECK(og_flow_out_waiting(flow) > 0);
	og_flow_out_end(flow);
	CHECK_OK(og_loop_run(loop, NULL));
	CHECK_EQ(seen.bytes, sizeof(bytes));
	CHECK_EQ(og_flow_out_waiting(flow), 0);
	flow = og_flow_out_free(flow);
}

TEST(what_nobody_reads_is_dropped_and_counted)
{
	og_cleanup(og_loop_freep) struct og_loop *loop = NULL;
	struct seen seen = {};
	struct og_flow_out *flow = NULL;
	int ends[2];

	(void)signal(SIGPIPE, SIG_IGN);
	CHECK_OK(pipe2(ends, O_CLOEXEC | O_NONBLOCK));
	(void)og_close(ends[0]);
	CHECK_OK(og_loop_new(&loop, NULL));
	seen.loop = loop;
	CHECK_OK(og_flow_out_new(loop, ends[1], passed, &seen, &flow, NULL));
	og_flow_out_add(flow, "onggi", 5);
	CHECK_EQ(seen.bytes, 5);
	flow = og_flow_out_free(flow);
}

static void passed_some(size_t len, bool ended, void *data)
{
	struct seen *seen = data;

	(void)ended;
	seen->bytes += len;
	og_loop_stop(seen->loop);
}

static size_t largest_kib(void)
{
	struct rusage usage;

	CHECK_OK(getrusage(RUSAGE_SELF, &usage));
	return (size_t)usage.ru_maxrss;
}

TEST(a_slow_reader_costs_no_more_than_what_it_has_not_read)
{
	og_cleanup(og_loop_freep) struct og_loop *loop = NULL;
	static char bytes[65536];
	struct seen seen = {};
	struct og_flow_out *flow = NULL;
	size_t before;
	int ends[2];

	CHECK_OK(pipe2(ends, O_CLOEXEC | O_NONBLOCK));
	CHECK_OK(og_loop_new(&loop, NULL));
	seen.loop = loop;
	CHECK_OK(og_flow_out_new(loop, ends[1], passed_some, &seen, &flow, NULL));
	for (int i = 0; i < 3; i++)
		og_flow_out_add(flow, bytes, sizeof(bytes));
	before = largest_kib();
	for (int i = 0; i < 2048; i++) {
		CHECK_EQ(read(ends[0], bytes, sizeof(bytes)), sizeof(bytes));
		CHECK_OK(og_loop_run(loop, NULL));
		CHECK(og_flow_out_waiting(flow) > 0);
		og_flow_out_add(flow, bytes, sizeof(bytes));
	}
	CHECK(largest_kib() - before < 16384); /* of 128 MiB */
	flow = og_flow_out_free(flow);
	(void)og_close(ends[0]);
}

TEST_MAIN(TEST_ENTRY(no_more_is_read_than_was_asked_for),
	  TEST_ENTRY(a_file_that_epoll_refuses_is_read_to_its_end),
	  TEST_ENTRY(what_is_added_is_written_before_the_end),
	  TEST_ENTRY(what_nobody_reads_is_dropped_and_counted),
	  TEST_ENTRY(a_slow_reader_costs_no_more_than_what_it_has_not_read))
