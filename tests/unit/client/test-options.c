/* SPDX-License-Identifier: Apache-2.0 */
#include "client/options.h"

#include <errno.h>

#include "base/test.h"
#include "client/create.h"

struct values {
	bool all, tty;
	const char *name;
	int64_t count, memory;
	struct og_words env;
};

static const struct og_option options[] = {
	OG_OPTION(struct values, all, "all", 'a', OG_OPTION_FLAG, ""),
	OG_OPTION(struct values, tty, "tty", 't', OG_OPTION_FLAG, ""),
	OG_OPTION(struct values, name, "name", 'n', OG_OPTION_TEXT, ""),
	OG_OPTION(struct values, count, "count", 0, OG_OPTION_INT, ""),
	OG_OPTION(struct values, memory, "memory", 'm', OG_OPTION_SIZE, ""),
	OG_OPTION(struct values, env, "env", 'e', OG_OPTION_LIST, ""),
};

#define COUNT (sizeof(options) / sizeof(options[0]))

static int read_options(struct values *values, const char *line)
{
	static char copy[256];
	char *argv[32];
	int argc = 0;
	char *save = NULL;

	(void)snprintf(copy, sizeof(copy), "%s", line);
	for (char *word = strtok_r(copy, " ", &save); word != NULL;
	     word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	return og_options_read(options, COUNT, argc, argv, values, NULL);
}

TEST(every_way_to_write_an_option_is_read)
{
	struct values values = {};

	CHECK_EQ(read_options(&values, "--name=x -at --count 7 -e A=1 --env B=2 -m512m image -x"),
		 9);
	CHECK(values.all && values.tty);
	CHECK_EQ(strcmp(values.name, "x"), 0);
	CHECK_EQ(values.count, 7);
	CHECK_EQ(values.memory, 512LL << 20);
	CHECK_EQ(values.env.count, 2);
	CHECK_EQ(strcmp(values.env.items[1], "B=2"), 0);
	og_options_done(options, COUNT, &values);

	values = (struct values){};
	CHECK_EQ(read_options(&values, "-tn=y --all=false -- -a"), 3);
	CHECK(values.tty && !values.all);
	CHECK_EQ(strcmp(values.name, "y"), 0);
}

TEST(what_is_no_option_is_refused)
{
	static const char *const bad[] = { "--nothing", "-x",	      "-atx",	  "--name",
					   "-n",	"--count=x",  "--all=ja", "--memory=many",
					   "--count",	"--memory=1q" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct values values = {};

		CHECK_EQ(read_options(&values, bad[i]), -EINVAL);
	}
}

TEST(sizes_are_in_steps_of_1024)
{
	static const struct {
		const char *text;
		int64_t bytes;
	} sizes[] = {
		{ "0", 0 },
		{ "100", 100 },
		{ "1k", 1024 },
		{ "1.5g", 3LL << 29 },
		{ "2GiB", 2LL << 30 },
		{ "10MB", 10LL << 20 },
		{ "7b", 7 },
		{ "-1", -1 },
	};

	int64_t bytes = 0;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		CHECK_OK(og_size_parse(sizes[i].text, &bytes));
		CHECK_EQ(bytes, sizes[i].bytes);
	}
	CHECK_EQ(og_size_parse("", &bytes), -EINVAL);
	CHECK_EQ(og_size_parse("-2", &bytes), -EINVAL);
	CHECK_EQ(og_size_parse("0x10", &bytes), -EINVAL);
	CHECK_EQ(og_size_parse("1kk", &bytes), -EINVAL);
	CHECK_EQ(og_size_parse("9999999p", &bytes), -ERANGE);
}

static struct og_json *body_of(int argc, const char *const *words)
{
	char **argv = (char **)(uintptr_t)words;
	struct og_create_options create;
	struct og_json *body = NULL;
	int used;

	og_create_defaults(&create);
	used = og_options_read(og_create_option_table, OG_CREATE_OPTION_COUNT, argc, argv, &create,
			       NULL);
	CHECK(used > 0);
	CHECK_OK(
		og_create_body(&create, argv[used], argc - used - 1, argv + used + 1, &body, NULL));
	og_options_done(og_create_option_table, OG_CREATE_OPTION_COUNT, &create);
	return body;
}

static bool has(const struct og_json *body, const char *text)
{
	og_auto_free char *written = og_json_write(body);

	if (strstr(written, text) != NULL)
		return true;
	fprintf(stderr, "no %s in %s\n", text, written);
	return false;
}

TEST(options_of_run_become_dockers_request)
{
	static const char *const argv[] = { "-it",
					    "--rm",
					    "-v=/host:/in:ro",
					    "--mount",
					    "type=tmpfs,dst=/t,tmpfs-size=1m,ro",
					    "--cpus=1.5",
					    "-p",
					    "127.0.0.1:80:8080/udp",
					    "--ulimit",
					    "nofile=10:20",
					    "--restart=no",
					    "--isolation=vm",
					    "--tmpfs",
					    "/run:size=1m",
					    "--device",
					    "/dev/null:/dev/x:r",
					    "--entrypoint",
					    "sh",
					    "image:1",
					    "-c",
					    "echo" };
	og_cleanup(og_json_freep) struct og_json *body =
		body_of(sizeof(argv) / sizeof(argv[0]), argv);

	CHECK(has(body, "\"Image\":\"image:1\""));
	CHECK(has(body, "\"Cmd\":[\"-c\",\"echo\"]"));
	CHECK(has(body, "\"Entrypoint\":[\"sh\"]"));
	CHECK(has(body, "\"OpenStdin\":true,\"StdinOnce\":true,\"Tty\":true"));
	CHECK(has(body, "\"Binds\":[\"/host:/in:ro\"]"));
	CHECK(has(body, "\"SizeBytes\":1048576"));
	CHECK(has(body, "\"NanoCpus\":1500000000"));
	CHECK(has(body, "\"HostIp\":\"127.0.0.1\",\"HostPort\":\"80\""));
	CHECK(has(body, "\"Name\":\"nofile\",\"Soft\":10,\"Hard\":20"));
	CHECK(has(body, "\"Isolation\":\"vm\""));
	CHECK(has(body, "\"AutoRemove\":true"));
	CHECK(has(body, "\"CgroupPermissions\":\"r\""));
}

TEST_MAIN(TEST_ENTRY(every_way_to_write_an_option_is_read),
	  TEST_ENTRY(what_is_no_option_is_refused), TEST_ENTRY(sizes_are_in_steps_of_1024),
	  TEST_ENTRY(options_of_run_become_dockers_request))
