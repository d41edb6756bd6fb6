/* SPDX-License-Identifier: Apache-2.0 */
#include "format/guest.h"

#include <errno.h>
#include <string.h>

#include "base/test.h"

static void feed(struct og_guest_inbox *inbox, const void *bytes, size_t len)
{
	size_t room;
	uint8_t *space = og_guest_inbox_space(inbox, &room);

	CHECK(room >= len);
	memcpy(space, bytes, len);
	og_guest_inbox_added(inbox, len);
}

static struct og_guest_inbox *inbox_for(bool from_guest, const struct og_text *bytes)
{
	struct og_guest_inbox *inbox = NULL;

	CHECK_OK(og_guest_inbox_new(from_guest, &inbox, NULL));
	feed(inbox, bytes->buf, bytes->len);
	return inbox;
}

TEST(frames_come_out_as_they_went_in_whatever_the_pieces)
{
	og_auto_text out = {};
	og_cleanup(og_guest_inbox_freep) struct og_guest_inbox *inbox = NULL;
	struct og_guest_frame frame = {};

	og_guest_put_numbers(&out, OG_GUEST_HELLO, 0, 0, OG_GUEST_VERSION, 0);
	og_guest_put(&out, OG_GUEST_DATA, 7, OG_GUEST_STDERR, "onggi", 5);
	og_guest_put_numbers(&out, OG_GUEST_EXITED, 7, 0, 3, 9);
	CHECK_OK(og_guest_inbox_new(true, &inbox, NULL));

	for (size_t i = 0, seen = 0; i < out.len; i++) {
		feed(inbox, out.buf + i, 1);
		if (og_guest_inbox_next(inbox, &frame, NULL) != 1)
			continue;
		if (++seen == 2) {
			CHECK_EQ(frame.type, OG_GUEST_DATA);
			CHECK_EQ(frame.process, 7);
			CHECK_EQ(frame.stream, OG_GUEST_STDERR);
			CHECK_EQ(frame.len, 5);
			CHECK(memcmp(frame.payload, "onggi", 5) == 0);
		}
	}
	CHECK_EQ(frame.type, OG_GUEST_EXITED);
	CHECK_EQ(og_guest_number(&frame, 0), 3);
	CHECK_EQ(og_guest_number(&frame, 1), 9);
}

TEST(a_start_survives_the_way)
{
	const char *argv[] = { "sh", "", "-c", NULL }, *env[] = { "A=1", NULL };
	const char *mounts[] = { "tmpfs", "/tmp", "tmpfs", "size=1m", NULL };
	uint32_t groups[] = { 4, 5 };
	struct og_guest_rlimit limits[] = { { 7, 1024, UINT64_MAX } };
	struct og_guest_start in = {
		.argv = argv,
		.env = env,
		.cwd = "/w",
		.user = "app",
		.uid = 1,
		.gid = 2,
		.groups = groups,
		.group_count = 2,
		.umask = 022,
		.caps = { 1, 2, 3, 4, 1UL << 40 },
		.rlimits = limits,
		.rlimit_count = 1,
		.flags = OG_GUEST_F_TERMINAL,
		.oom_score = 1000,
		.rows = 25,
		.columns = 80,
		.hostname = "h",
		.mounts = mounts,
	};
	og_cleanup(og_guest_inbox_freep) struct og_guest_inbox *inbox = NULL;
	struct og_guest_start out;
	struct og_guest_frame frame;
	og_auto_text bytes = {};

	CHECK_OK(og_guest_put_start(&bytes, 1, &in, NULL));
	inbox = inbox_for(false, &bytes);
	CHECK_EQ(og_guest_inbox_next(inbox, &frame, NULL), 1);
	CHECK_OK(og_guest_get_start(&frame, &out, NULL));
	CHECK(strcmp(out.argv[0], "sh") == 0 && out.argv[1][0] == '\0' && out.argv[3] == NULL);
	CHECK(strcmp(out.env[0], "A=1") == 0 && out.env[1] == NULL);
	CHECK(strcmp(out.cwd, "/w") == 0 && strcmp(out.user, "app") == 0);
	CHECK(out.uid == 1 && out.gid == 2 && out.group_count == 2 && out.groups[1] == 5);
	CHECK(out.umask == 022 && out.caps[4] == 1UL << 40 && out.rlimits[0].hard == UINT64_MAX);
	CHECK(out.flags == OG_GUEST_F_TERMINAL && out.rows == 25 && out.columns == 80);
	CHECK(strcmp(out.mounts[3], "size=1m") == 0 && out.masked == NULL);
	og_guest_start_done(&out);
	og_guest_start_done(&out);
}

TEST(what_only_the_host_may_say_is_refused_from_a_guest)
{
	og_auto_text bytes = {};
	og_cleanup(og_guest_inbox_freep) struct og_guest_inbox *inbox = NULL;
	struct og_guest_frame frame;
	struct og_err err = {};

	og_guest_put(&bytes, OG_GUEST_SHUTDOWN, 0, 0, NULL, 0);
	inbox = inbox_for(true, &bytes);
	CHECK_EQ(og_guest_inbox_next(inbox, &frame, &err), -EPROTO);
	CHECK(strstr(err.text, "'shutdown' is not the guest's to say") != NULL);
}

TEST(headers_that_lie_are_refused)
{
	static const uint8_t cases[][OG_GUEST_HEADER_BYTES] = {
		{ 0, 0, 0, 0, 0, 0, 0, 0, 1 },			   /* type 0 */
		{ 0, 0, 0, 0, 200, 0, 0, 0, 1 },		   /* no such type */
		{ 1, 0, 1, 0, OG_GUEST_DATA, 1, 0, 0, 1 },	   /* one byte too long */
		{ 0, 0, 0, 0, OG_GUEST_DATA, 1, 0, 0, 1 },	   /* no data */
		{ 1, 0, 0, 0, OG_GUEST_DATA, 3, 0, 0, 1 },	   /* no such stream */
		{ 1, 0, 0, 0, OG_GUEST_DATA, 1, 1, 0, 1 },	   /* not zero */
		{ 1, 0, 0, 0, OG_GUEST_DATA, 1, 0, 0, 0 },	   /* of no process */
		{ 4, 0, 0, 0, OG_GUEST_HELLO, 0, 0, 0, 1 },	   /* of a process */
		{ 255, 255, 255, 255, OG_GUEST_DATA, 1, 0, 0, 1 }, /* 4 GiB */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		og_cleanup(og_guest_inbox_freep) struct og_guest_inbox *inbox = NULL;
		struct og_guest_frame frame;

		CHECK_OK(og_guest_inbox_new(true, &inbox, NULL));
		feed(inbox, cases[i], sizeof(cases[i]));
		CHECK_EQ(og_guest_inbox_next(inbox, &frame, NULL), -EPROTO);
	}
}

TEST(the_largest_frames_fit)
{
	static uint8_t data[OG_GUEST_DATA_MAX];
	og_auto_text bytes = {};
	og_cleanup(og_guest_inbox_freep) struct og_guest_inbox *inbox = NULL;
	struct og_guest_frame frame;

	og_guest_put(&bytes, OG_GUEST_DATA, 1, OG_GUEST_STDOUT, data, sizeof(data));
	inbox = inbox_for(true, &bytes);
	CHECK_EQ(og_guest_inbox_next(inbox, &frame, NULL), 1);
	CHECK_EQ(frame.len, OG_GUEST_DATA_MAX);
}

TEST(a_user_number_that_would_mean_unchanged_is_refused)
{
	/* argv "a", then field 5 (uid) = 2^32 - 1 */
	static const uint8_t fields[] = { 1, 0, 0, 0, 2, 0, 0, 0,   'a', 0,   5,
					  0, 0, 0, 4, 0, 0, 0, 255, 255, 255, 255 };
	struct og_guest_frame frame = {
		.type = OG_GUEST_START,
		.process = 1,
		.payload = fields,
		.len = sizeof(fields),
	};
	struct og_guest_start start;

	CHECK_EQ(og_guest_get_start(&frame, &start, NULL), -EPROTO);
	frame.len = 10;
	CHECK_OK(og_guest_get_start(&frame, &start, NULL));
	og_guest_start_done(&start);
}

TEST(too_large_an_environment_is_refused_by_name)
{
	const char *argv[] = { "a", NULL };
	char *big = calloc(1, OG_GUEST_START_MAX + 1);
	const char *env[] = { big, NULL };
	struct og_guest_start start = { .argv = argv, .env = env };
	og_auto_text out = {};
	struct og_err err = {};

	CHECK(big != NULL);
	memset(big, 'x', OG_GUEST_START_MAX);
	CHECK_EQ(og_guest_put_start(&out, 1, &start, &err), -E2BIG);
	CHECK(strstr(err.text, "environment") != NULL);
	CHECK_EQ(out.len, 0);
	free(big);
}

TEST(a_failure_text_moves_no_cursor)
{
	og_auto_text bytes = {};
	og_cleanup(og_guest_inbox_freep) struct og_guest_inbox *inbox = NULL;
	og_auto_free char *text = NULL;
	struct og_guest_frame frame;

	og_guest_put_failure(&bytes, 4, -ENOENT, "no \x1b[2Jprogram");
	inbox = inbox_for(true, &bytes);
	CHECK_EQ(og_guest_inbox_next(inbox, &frame, NULL), 1);
	CHECK_EQ(og_guest_number(&frame, 0), ENOENT);
	text = og_guest_failure_text(&frame);
	CHECK(strcmp(text, "no ?[2Jprogram") == 0);
}

TEST_MAIN(TEST_ENTRY(frames_come_out_as_they_went_in_whatever_the_pieces),
	  TEST_ENTRY(a_start_survives_the_way),
	  TEST_ENTRY(what_only_the_host_may_say_is_refused_from_a_guest),
	  TEST_ENTRY(headers_that_lie_are_refused), TEST_ENTRY(the_largest_frames_fit),
	  TEST_ENTRY(a_user_number_that_would_mean_unchanged_is_refused),
	  TEST_ENTRY(too_large_an_environment_is_refused_by_name),
	  TEST_ENTRY(a_failure_text_moves_no_cursor))
