/* SPDX-License-Identifier: Apache-2.0 */
#include "format/imageref.h"

#include "base/test.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define S50 "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghij"

static const struct {
	const char *text, *domain, *path, *tag, *familiar;
} good[] = {
	{ "debian", "docker.io", "library/debian", "latest", "debian:latest" },
	{ "debian:12", "docker.io", "library/debian", "12", "debian:12" },
	{ "a/b", "docker.io", "a/b", "latest", "a/b:latest" },
	{ "docker.io/debian", "docker.io", "library/debian", "latest", "debian:latest" },
	{ "index.docker.io/a/b:1", "docker.io", "a/b", "1", "a/b:1" },
	{ "docker.io/library/debian", "docker.io", "library/debian", "latest", "debian:latest" },
	{ "library/debian", "docker.io", "library/debian", "latest", "debian:latest" },
	{ "host:5000/a", "host:5000", "a", "latest", "host:5000/a:latest" },
	{ "host:5000/a:b", "host:5000", "a", "b", "host:5000/a:b" },
	{ "127.0.0.1:5000/a/b/c:v1.0-rc_1", "127.0.0.1:5000", "a/b/c", "v1.0-rc_1",
	  "127.0.0.1:5000/a/b/c:v1.0-rc_1" },
	{ "localhost/a", "localhost", "a", "latest", "localhost/a:latest" },
	{ "Host/a", "Host", "a", "latest", "Host/a:latest" },
	{ "[::1]:5000/a", "[::1]:5000", "a", "latest", "[::1]:5000/a:latest" },
	{ "[fe80::1]/a", "[fe80::1]", "a", "latest", "[fe80::1]/a:latest" },
	{ "ghcr.io/a_b/c__d/e-f/g--h.i", "ghcr.io", "a_b/c__d/e-f/g--h.i", "latest",
	  "ghcr.io/a_b/c__d/e-f/g--h.i:latest" },
	{ "a@sha256:" HEX, "docker.io", "library/a", "", "a@sha256:" HEX },
	{ "h.io/a:t@sha256:" HEX, "h.io", "a", "t", "h.io/a@sha256:" HEX },
	{ "debian:A_1.2-3", "docker.io", "library/debian", "A_1.2-3", "debian:A_1.2-3" },
};

static const char *const bad[] = {
	"",
	":",
	":tag",
	"a:",
	"@",
	"a@",
	"Debian",
	"a/B",
	"a//b",
	"/a",
	"a/",
	"-a",
	"a-",
	"a..b",
	"a___b",
	"a._b",
	"a:-x",
	"a:.x",
	"a:x y",
	"a b",
	"a:x/y",
	"../a",
	"a/../b",
	"a/./b",
	"host:/a",
	"host:70000/a",
	"host:0/a",
	"host:5x/a",
	"ho_st.io/a",
	"-h.io/a",
	"h..io/a",
	"[::1/a",
	"[::g]/a",
	"[::1]x/a",
	"a@sha256:abc",
	"a@sha512:" HEX HEX,
	"a@sha256:" HEX "0",
	"a@sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
	"a@sha256:../../../../../etc/passwd",
	"a@sha256:" HEX "@sha256:" HEX,
	HEX,
	"a\nb",
	"a\x80",
	"a:" S50 S50 S50,
	S50 S50 "/" S50 S50 "/" S50 S50,
	S50 S50 S50 S50 S50 S50 S50 S50 S50 S50 S50 S50,
	"http://host/a",
};

TEST(names_are_read_as_docker_reads_them)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct og_imageref ref;
		struct og_err err = {};

		fprintf(stderr, "%s\n", good[i].text);
		CHECK_OK(og_imageref_parse(good[i].text, &ref, &err));
		CHECK(strcmp(ref.domain, good[i].domain) == 0);
		CHECK(strcmp(ref.path, good[i].path) == 0);
		CHECK(strcmp(ref.tag, good[i].tag) == 0);
		CHECK(strcmp(og_imageref_format(&ref).text, good[i].familiar) == 0);
	}
}

TEST(what_is_no_reference_is_refused_in_one_line)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct og_imageref ref;
		struct og_err err = {};

		fprintf(stderr, "%s\n", bad[i]);
		CHECK_EQ(og_imageref_parse(bad[i], &ref, &err), -EINVAL);
		CHECK(err.text[0] != '\0' && strchr(err.text, '\n') == NULL);
	}
}

TEST(only_this_machine_is_loopback)
{
	CHECK(og_imageref_is_loopback("localhost"));
	CHECK(og_imageref_is_loopback("localhost:5000"));
	CHECK(og_imageref_is_loopback("127.0.0.1:5000"));
	CHECK(og_imageref_is_loopback("127.1.2.3"));
	CHECK(og_imageref_is_loopback("[::1]:5000"));
	CHECK(!og_imageref_is_loopback("127.0.0.1.evil.org"));
	CHECK(!og_imageref_is_loopback("localhost.evil.org"));
	CHECK(!og_imageref_is_loopback("128.0.0.1"));
	CHECK(!og_imageref_is_loopback("127.evil.org:80"));
	CHECK(!og_imageref_is_loopback("[::2]"));
	CHECK(!og_imageref_is_loopback("127.0.0.256"));
	CHECK(!og_imageref_is_loopback("docker.io"));
}

TEST_MAIN(TEST_ENTRY(names_are_read_as_docker_reads_them),
	  TEST_ENTRY(what_is_no_reference_is_refused_in_one_line),
	  TEST_ENTRY(only_this_machine_is_loopback))
