/* SPDX-License-Identifier: Apache-2.0 */
/* Small languages of the command line: detach keys, hosts, references, credentials. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/base64.h"
#include "base/io.h"
#include "base/test.h"
#include "base/text.h"
#include "client/credentials.h"
#include "client/detach.h"
#include "client/http.h"
#include "client/pull.h"

TEST(detach_keys_are_found_across_reads_and_all_else_passes)
{
	struct og_detach detach;
	uint8_t out[64];
	size_t len = 0;

	CHECK_OK(og_detach_parse("ctrl-p,ctrl-q", &detach, NULL));
	CHECK(!og_detach_filter(&detach, (const uint8_t *)"ab\x10", 3, out, &len));
	CHECK_EQ(len, 2);
	CHECK(!og_detach_filter(&detach, (const uint8_t *)"c\x10\x10", 3, out, &len));
	CHECK_EQ(len, 3);
	CHECK_EQ(memcmp(out,
			"\x10"
			"c\x10",
			3),
		 0);
	CHECK(og_detach_filter(&detach, (const uint8_t *)"\x11z", 2, out, &len));
	CHECK_EQ(len, 0);
	CHECK_OK(og_detach_parse("a,ctrl-]", &detach, NULL));
	CHECK_EQ(detach.keys[1], 29);
	CHECK_EQ(og_detach_parse("", &detach, NULL), -EINVAL);
	CHECK_EQ(og_detach_parse("ctrl-1", &detach, NULL), -EINVAL);
	CHECK_EQ(og_detach_parse("a,,b", &detach, NULL), -EINVAL);
}

TEST(hosts_are_sockets_or_addresses)
{
	static const char *const bad[] = {
		"",	    "unix://",	      "unix://relative", "tcp://nohost",
		"tcp://:1", "tcp://a:1/path", "http://a:1"
	};
	struct og_host host;

	CHECK_OK(og_host_parse("unix:///run/x.sock", &host, NULL));
	CHECK_EQ(strcmp(host.unix_path, "/run/x.sock"), 0);
	og_host_done(&host);
	CHECK_OK(og_host_parse("tcp://[::1]:2375", &host, NULL));
	CHECK_EQ(strcmp(host.address, "::1"), 0);
	CHECK_EQ(strcmp(host.port, "2375"), 0);
	og_host_done(&host);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_EQ(og_host_parse(bad[i], &host, NULL), -EINVAL);
}

static void check_split(const char *reference, const char *name, const char *tag)
{
	og_auto_free char *got_name = NULL;
	const char *got_tag = NULL;

	CHECK_OK(og_reference_split(reference, &got_name, &got_tag, NULL));
	CHECK_EQ(strcmp(got_name, name), 0);
	CHECK(tag == NULL ? got_tag == NULL : strcmp(got_tag, tag) == 0);
}

TEST(a_reference_is_cut_behind_its_name)
{
	check_split("debian", "debian", NULL);
	check_split("debian:12", "debian", "12");
	check_split("127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b", NULL);
	check_split("127.0.0.1:5000/a/b:1", "127.0.0.1:5000/a/b", "1");
	check_split("a/b@sha256:00", "a/b", "sha256:00");
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	CHECK(fd >= 0);
	CHECK_OK(og_write_all(fd, text, strlen(text)));
	(void)close(fd);
}

/* What the header for @reference says, decoded. */
static bool header_has(const char *reference, const char *text)
{
	og_auto_free char *header = NULL;
	og_auto_free char *decoded = NULL;

	CHECK_OK(og_credentials_header(reference, &header, NULL));
	CHECK_EQ(strncmp(header, "X-Registry-Auth: ", 17), 0);
	CHECK(strpbrk(header + 17, "+/") == NULL);
	CHECK_OK(og_base64_decode(header + 17, &decoded, NULL));
	return strstr(decoded, text) != NULL;
}

TEST(credentials_go_to_the_registry_they_are_for)
{
	og_auto_free char *here = getcwd(NULL, 0);
	og_auto_free char *path = og_strdupf("%s:/usr/bin:/bin", here);

	CHECK_OK(setenv("DOCKER_CONFIG", here, 1));
	CHECK_OK(setenv("PATH", path, 1));
	CHECK(header_has("debian", "{}"));
	write_text("config.json", "{\"auths\":{\"r.example:5000\":{\"auth\":\"dXNlcjpwYTpzcw==\"},"
				  "\"https://index.docker.io/v1/\":{\"auth\":\"aHViOm1l\"}},"
				  "\"credHelpers\":{\"h.example\":\"test\"}}");
	CHECK(header_has("r.example:5000/a:1", "\"username\":\"user\",\"password\":\"pa:ss\""));
	CHECK(header_has("debian", "\"username\":\"hub\""));
	CHECK(header_has("library/debian", "\"username\":\"hub\""));
	CHECK(header_has("other.example/a", "{}"));
	write_text("docker-credential-test",
		   "#!/bin/sh\nread r\n[ \"$1 $r\" = 'get h.example' ] || exit 1\n"
		   "echo '{\"Username\":\"<token>\",\"Secret\":\"s3\"}'\n");
	CHECK(header_has("h.example/a", "\"identitytoken\":\"s3\""));
}

TEST(a_broken_credential_file_is_named)
{
	og_auto_free char *here = getcwd(NULL, 0);
	og_auto_free char *header = NULL;
	struct og_err err = {};

	CHECK_OK(setenv("DOCKER_CONFIG", here, 1));
	write_text("config.json", "{");
	CHECK(og_credentials_header("debian", &header, &err) < 0);
	CHECK(strstr(err.text, "config.json") != NULL);
}

TEST_MAIN(TEST_ENTRY(detach_keys_are_found_across_reads_and_all_else_passes),
	  TEST_ENTRY(hosts_are_sockets_or_addresses),
	  TEST_ENTRY(a_reference_is_cut_behind_its_name),
	  TEST_ENTRY(credentials_go_to_the_registry_they_are_for),
	  TEST_ENTRY(a_broken_credential_file_is_named))
