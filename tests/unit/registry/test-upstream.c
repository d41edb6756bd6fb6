/* SPDX-License-Identifier: Apache-2.0 */
/* A54: where an upstream may lead, by redirects and by the token server that it names. */
#include "registry/upstream.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include "base/http_server.h"
#include "base/io.h"
#include "base/test.h"
#include "base/text.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

TEST(an_upstream_leads_neither_to_this_machine_nor_to_plain_http)
{
	static const struct {
		const char *upstream, *url;
		bool want;
	} rows[] = {
		{ "https://reg.example", "https://reg.example/v2/", true },
		{ "https://reg.example", "https://cdn.example/blob?x=1", true },
		{ "https://reg.example", "http://reg.example/v2/", false },
		{ "https://reg.example", "http://cdn.example/", false },
		{ "https://reg.example", "https://localhost/", false },
		{ "https://reg.example", "https://LOCALHOST:444/", false },
		{ "https://reg.example", "https://a.localhost/", false },
		{ "https://reg.example", "https://localhost./", false },
		{ "https://reg.example", "https://127.0.0.1./", false },
		{ "https://reg.example", "https://127.0.0.1/", false },
		{ "https://reg.example", "https://127.9.9.9:8443/", false },
		{ "https://reg.example", "https://127.1/", false },
		{ "https://reg.example", "https://2130706433/", false },
		{ "https://reg.example", "https://0x7f000001/", false },
		{ "https://reg.example", "https://0.0.0.0/", false },
		{ "https://reg.example", "https://169.254.169.254/latest/meta-data", false },
		{ "https://reg.example", "https://[::1]/", false },
		{ "https://reg.example", "https://[::]/", false },
		{ "https://reg.example", "https://[fe80::1]/", false },
		{ "https://reg.example", "https://[::ffff:127.0.0.1]/", false },
		{ "https://reg.example", "https://192.0.2.1/", true },
		{ "https://reg.example", "file:///etc/passwd", false },
		{ "https://reg.example", "gopher://reg.example/", false },
		{ "http://reg.example", "https://cdn.example/", true },
		{ "http://reg.example", "http://169.254.169.254/", false },
		{ "http://127.0.0.1:5000", "http://127.0.0.1:5001/token", true },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char url[64];
		struct og_config_upstream config = { .url = url };
		struct og_upstream *upstream = NULL;

		strcpy(url, rows[i].upstream);
		CHECK_OK(og_upstream_new(&config, &upstream, NULL));
		if (og_upstream_may_ask(upstream, rows[i].url) != rows[i].want) {
			fprintf(stderr, "%s: %s\n", rows[i].upstream, rows[i].url);
			exit(EXIT_FAILURE);
		}
		og_upstream_free(upstream);
	}
}

TEST(an_address_has_its_place)
{
	static const struct {
		const char *address;
		enum og_upstream_place want;
	} rows[] = {
		{ "127.0.0.1", OG_UPSTREAM_MACHINE },
		{ "127.255.0.9", OG_UPSTREAM_MACHINE },
		{ "0.0.0.0", OG_UPSTREAM_MACHINE },
		{ "169.254.169.254", OG_UPSTREAM_MACHINE },
		{ "10.0.0.1", OG_UPSTREAM_SITE },
		{ "172.16.0.1", OG_UPSTREAM_SITE },
		{ "172.31.255.255", OG_UPSTREAM_SITE },
		{ "172.32.0.1", OG_UPSTREAM_WORLD },
		{ "192.168.1.1", OG_UPSTREAM_SITE },
		{ "100.64.0.1", OG_UPSTREAM_SITE },
		{ "100.127.255.255", OG_UPSTREAM_SITE },
		{ "100.128.0.1", OG_UPSTREAM_WORLD },
		{ "192.0.2.1", OG_UPSTREAM_WORLD },
		{ "11.0.0.1", OG_UPSTREAM_WORLD },
		{ "::1", OG_UPSTREAM_MACHINE },
		{ "::", OG_UPSTREAM_MACHINE },
		{ "fe80::1", OG_UPSTREAM_MACHINE },
		{ "::ffff:192.0.2.1", OG_UPSTREAM_MACHINE },
		{ "::192.0.2.1", OG_UPSTREAM_MACHINE },
		{ "fd00::1", OG_UPSTREAM_SITE },
		{ "fc00::1", OG_UPSTREAM_SITE },
		{ "fec0::1", OG_UPSTREAM_SITE },
		{ "64:ff9b::127.0.0.1", OG_UPSTREAM_MACHINE },
		{ "64:ff9b::10.0.0.1", OG_UPSTREAM_SITE },
		{ "64:ff9b::192.0.2.1", OG_UPSTREAM_WORLD },
		{ "2001:db8::1", OG_UPSTREAM_WORLD },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
		struct sockaddr_in four = { .sin_family = AF_INET };
		const void *address = &four;

		if (inet_pton(AF_INET, rows[i].address, &four.sin_addr) != 1) {
			CHECK_EQ(inet_pton(AF_INET6, rows[i].address, &six.sin6_addr), 1);
			address = &six;
		}
		if (og_upstream_place(address) != rows[i].want) {
			fprintf(stderr, "%s\n", rows[i].address);
			exit(EXIT_FAILURE);
		}
	}
	CHECK_EQ(og_upstream_place(&(struct sockaddr){ .sa_family = AF_UNIX }),
		 OG_UPSTREAM_MACHINE);
}

/* ---- what names resolve to ---- */

#define PORT	"5000"
#define CONTENT "a blob"

static const char *const addresses[] = { "192.0.2.1", "192.0.2.2", "10.0.0.1", "10.0.0.2" };

static const char hosts[] = "127.0.0.1 machine.example\n10.0.0.2 site.example\n"
			    "192.0.2.2 world.example\n";

static const char *lead_to; /* where the upstream leads */
static bool by_token;	    /* as its server of tokens */
static atomic_uint led;	    /* requests that came there */

static void serve(struct og_http_request *request, void *data)
{
	og_auto_free char *url = og_strdupf("http://%s:" PORT "/there", lead_to);
	og_auto_free char *challenge = og_strdupf("Bearer realm=\"%s\",service=\"x\"", url);

	(void)data;
	if (og_streq(og_http_path(request), "/there")) {
		atomic_fetch_add(&led, 1);
		og_http_reply(request, 200, "text/plain", CONTENT, strlen(CONTENT));
		return;
	}
	og_http_set_header(request, by_token ? "WWW-Authenticate" : "Location",
			   by_token ? challenge : url);
	og_http_reply(request, by_token ? 401 : 307, NULL, NULL, 0);
}

static char *error_body(int status, const char *text)
{
	return og_strdupf("%d %s", status, text);
}

static uint64_t body_max(const char *method, const char *path)
{
	(void)method;
	(void)path;
	return 0;
}

static void add_address(int fd, const char *text, int number)
{
	struct ifreq request = {};
	struct sockaddr_in *address = (struct sockaddr_in *)(void *)&request.ifr_addr;

	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "lo:%d", number);
	address->sin_family = AF_INET;
	CHECK_EQ(inet_pton(AF_INET, text, &address->sin_addr), 1);
	CHECK_OK(ioctl(fd, SIOCSIFADDR, &request));
}

/* A network and an /etc/hosts of this test's own. */
static void make_world(void)
{
	struct ifreq up = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 &&
	    unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) < 0)
		exit(TEST_SKIP_STATUS);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	CHECK_OK(ioctl(fd, SIOCSIFFLAGS, &up));
	for (size_t i = 0; i < COUNT_OF(addresses); i++)
		add_address(fd, addresses[i], (int)i + 1);
	(void)og_close(fd);
	CHECK_OK(og_replace_file(AT_FDCWD, "hosts", hosts, strlen(hosts), 0644, false, NULL));
	CHECK_OK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	if (mount("hosts", "/etc/hosts", NULL, MS_BIND, NULL) < 0)
		exit(TEST_SKIP_STATUS);
}

static int take(void *data, const void *buf, size_t len, struct og_err *err)
{
	(void)err;
	og_text_add_bytes(data, buf, len);
	return 0;
}

/* Is where @home leads asked? */
static bool follows(const char *home, const char *to, bool token)
{
	char url[64];
	struct og_config_upstream config = { .url = url };
	struct og_upstream *upstream = NULL;
	og_auto_text text = {};
	struct og_err err = {};
	int r;

	(void)snprintf(url, sizeof(url), "http://%s:" PORT, home);
	lead_to = to;
	by_token = token;
	atomic_store(&led, 0);
	CHECK_OK(og_upstream_new(&config, &upstream, NULL));
	r = og_upstream_blob(upstream, "a", "sha256:x", take, &text, &err);
	og_upstream_free(upstream);
	if (atomic_load(&led) == 0) {
		CHECK_EQ(r, -EPERM);
		CHECK(strstr(err.text, "not allowed") != NULL);
	} else if (!token) {
		CHECK_OK(r);
		CHECK(text.len == strlen(CONTENT) && memcmp(text.buf, CONTENT, text.len) == 0);
	}
	return atomic_load(&led) > 0;
}

TEST(what_a_name_resolves_to_counts)
{
	static const struct {
		const char *home, *to;
		bool want;
	} rows[] = {
		{ "192.0.2.1", "world.example", true },	  { "192.0.2.1", "site.example", false },
		{ "192.0.2.1", "10.0.0.2", false },	  { "192.0.2.1", "machine.example", false },
		{ "10.0.0.1", "world.example", true },	  { "10.0.0.1", "site.example", true },
		{ "10.0.0.1", "machine.example", false }, { "127.0.0.1", "machine.example", true },
		{ "127.0.0.1", "site.example", true },	  { "site.example", "10.0.0.1", true },
		{ "world.example", "10.0.0.1", false },
	};
	const struct og_http_config config = {
		.handle = serve,
		.error_body = error_body,
		.error_type = "text/plain",
		.body_max = body_max,
	};
	const struct og_http_listen listen = { .peers = OG_HTTP_ANYBODY };
	struct og_http_server *server = NULL;
	int fd;

	make_world();
	CHECK_OK(og_http_server_new(&config, &server, NULL));
	fd = og_http_listen_tcp("0.0.0.0:" PORT, NULL);
	CHECK(fd >= 0);
	CHECK_OK(og_http_server_listen(server, fd, &listen, NULL));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		for (int token = 0; token < 2; token++) {
			if (follows(rows[i].home, rows[i].to, token) != rows[i].want) {
				fprintf(stderr, "%s: %s\n", rows[i].home, rows[i].to);
				exit(EXIT_FAILURE);
			}
		}
	}
	server = og_http_server_free(server);
}

TEST_MAIN(TEST_ENTRY(an_upstream_leads_neither_to_this_machine_nor_to_plain_http),
	  TEST_ENTRY(an_address_has_its_place), TEST_ENTRY(what_a_name_resolves_to_counts))
