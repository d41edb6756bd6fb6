/* SPDX-License-Identifier: Apache-2.0 */
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "base/cleanup.h"
#include "base/test.h"
#include "base/text.h"

static int shell(const char *script, const struct og_spawn_fd *fds, size_t count, char **ret_output)
{
	char *const argv[] = { (char *)"sh", (char *)"-c", (char *)(uintptr_t)script, NULL };
	struct og_spawn spawn = { .path = "sh", .argv = argv, .fds = fds, .fd_count = count };

	return og_spawn_wait(&spawn, 100, ret_output, NULL);
}

TEST(output_and_exit_status_come_back)
{
	og_auto_free char *output = NULL;

	CHECK_EQ(shell("echo out; echo err >&2; exit 7", NULL, 0, &output), 7);
	CHECK(og_streq(output, "out\nerr\n"));
	CHECK_EQ(shell("kill -TERM $$", NULL, 0, NULL), 128 + SIGTERM);
}

TEST(more_output_than_wanted_is_read_and_dropped)
{
	og_auto_free char *output = NULL;

	CHECK_EQ(shell("head -c 1000000 /dev/zero | tr '\\0' x", NULL, 0, &output), 0);
	CHECK_EQ(strlen(output), 100);
}

TEST(only_named_descriptors_reach_the_child_even_when_numbers_cross)
{
	og_auto_free char *output = NULL;
	int a[2];
	int b[2];

	CHECK_EQ(dup2(0, 100), 100); /* one without close-on-exec, as we may have inherited */
	CHECK_OK(pipe2(a, O_CLOEXEC));
	CHECK_OK(pipe2(b, O_CLOEXEC));
	CHECK_EQ(write(a[1], "A", 1), 1);
	CHECK_EQ(write(b[1], "B", 1), 1);
	{
		/* each gets the other's number */
		struct og_spawn_fd fds[] = { { a[0], b[0] }, { b[0], a[0] } };
		og_auto_free char *script =
			og_strdupf("head -c1 <&%d; head -c1 <&%d; "
				   "test -e /proc/$$/fd/100 || test -e /proc/$$/fd/%d || echo -n .",
				   a[0], b[0], a[1]);

		CHECK_EQ(shell(script, fds, 2, &output), 0);
		CHECK(og_streq(output, "BA."));
	}
}

TEST(a_missing_program_is_named)
{
	char *const argv[] = { (char *)"no-such-program", NULL };
	struct og_spawn spawn = { .path = "/no-such-program", .argv = argv };
	struct og_err err = {};
	pid_t pid;

	CHECK_EQ(og_spawn(&spawn, &pid, &err), -ENOENT);
	CHECK(strstr(err.text, "run '/no-such-program'") != NULL);
}

TEST_MAIN(TEST_ENTRY(output_and_exit_status_come_back),
	  TEST_ENTRY(more_output_than_wanted_is_read_and_dropped),
	  TEST_ENTRY(only_named_descriptors_reach_the_child_even_when_numbers_cross),
	  TEST_ENTRY(a_missing_program_is_named))
