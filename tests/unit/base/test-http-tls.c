/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server over TLS, asked by a client of GnuTLS. Certificates are openssl's. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/http_server.h"
#include "base/io.h"
#include "base/test.h"
#include "base/text.h"
#include "base/tls.h"

#define FILE_BYTES 300000U
#define TLS_NOW	   "NORMAL"

static char *error_body(int status, const char *text)
{
	return og_strdupf("%d %s\n", status, text);
}

static uint64_t body_max(const char *method, const char *path)
{
	(void)method;
	(void)path;
	return UINT64_MAX;
}

static uint64_t number(const struct og_http_request *request, const char *name)
{
	uint64_t value = 0;

	CHECK_OK(og_parse_u64(og_http_query(request, name), 0, FILE_BYTES, &value));
	return value;
}

static void handle(struct og_http_request *request, void *data)
{
	const char *path = og_http_path(request);
	og_auto_text text = {};

	(void)data;
	if (og_streq(path, "/file")) {
		og_http_reply_file(request, 200, "application/octet-stream",
				   open("file", O_RDONLY | O_CLOEXEC), number(request, "at"),
				   number(request, "len"), NULL);
	} else if (og_streq(path, "/echo")) {
		og_auto_free char *body = NULL;
		size_t len = 0;

		CHECK_OK(og_http_read_body(request, 64 * FILE_BYTES, &body, &len, NULL));
		og_http_reply(request, 200, "text/plain", body, len);
	} else if (og_streq(path, "/cut")) {
		CHECK_OK(og_http_stream(request, 200, "text/plain", NULL));
		CHECK_OK(og_http_write(request, "part", 4));
		og_http_break(request);
	} else {
		og_text_addf(&text, "%s of %s, %s", path,
			     og_http_client_name(request) == NULL ? "nobody"
								  : og_http_client_name(request),
			     og_http_is_tls(request) ? og_http_peer_address(request) : "plain");
		og_http_reply(request, 200, "text/plain", text.buf, text.len);
	}
}

/* ---- certificates ---- */

static void make_or_skip(const char *command)
{
	og_auto_free char *quiet = og_strdupf("%s >/dev/null 2>&1", command);

	if (system(quiet) != 0) { // NOLINT(cert-env33-c): openssl is what is asked
		fprintf(stderr, "openssl is missing, or does not know: %s\n", command);
		exit(TEST_SKIP_STATUS);
	}
}

#define NEW_KEY "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "

static void make_root(const char *name)
{
	og_auto_free char *command =
		og_strdupf(NEW_KEY "-subj /CN=%s -keyout %s.key -out %s.pem", name, name, name);

	make_or_skip(command);
}

static void make_client(const char *root, const char *name, const char *usage)
{
	og_auto_free char *command =
		og_strdupf(NEW_KEY "-subj /CN=%s -keyout %s.key -out %s.pem -CA %s.pem "
				   "-CAkey %s.key -addext extendedKeyUsage=%s "
				   "-addext basicConstraints=critical,CA:FALSE",
			   name, name, name, root, root, usage);

	make_or_skip(command);
}

/* ---- server and client ---- */

struct served {
	struct og_http_server *server;
	struct og_tls_server *tls;
	struct sockaddr_in address;
};

static void serve(const struct og_tls_files *files, struct served *served)
{
	const struct og_http_config config = {
		.handle = handle,
		.error_body = error_body,
		.error_type = "text/plain",
		.body_max = body_max,
		.limits = { .connections_max = 1000 },
	};
	struct og_http_listen how = { .peers = OG_HTTP_ANYBODY };
	socklen_t len = sizeof(served->address);
	int fd = og_http_listen_tcp("127.0.0.1:0", NULL);

	(void)signal(SIGPIPE, SIG_IGN);
	CHECK(fd >= 0);
	CHECK_OK(getsockname(fd, (struct sockaddr *)&served->address, &len));
	CHECK_OK(og_http_server_new(&config, &served->server, NULL));
	CHECK_OK(og_tls_server_new(files, &served->tls, NULL));
	how.tls = served->tls;
	CHECK_OK(og_http_server_listen(served->server, fd, &how, NULL));
}

static void serve_plainly_named(struct served *served)
{
	make_root("server");
	serve(&(struct og_tls_files){ .certificate = "server.pem", .key = "server.key" }, served);
}

static void end(struct served *served)
{
	served->server = og_http_server_free(served->server);
	served->tls = og_tls_server_free(served->tls);
}

static int dial(const struct served *served)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK_OK(connect(fd, (const struct sockaddr *)&served->address, sizeof(served->address)));
	return fd;
}

struct client {
	int fd;
	gnutls_session_t session;
	gnutls_certificate_credentials_t credentials;
};

/* @name: of its certificate; NULL: it has none. Returns what GnuTLS says of the handshake. */
static int meet(const struct served *served, const char *priority, const char *name,
		struct client *ret_client)
{
	og_auto_free char *pem = og_strdupf("%s.pem", name), *key = og_strdupf("%s.key", name);
	int r;

	*ret_client = (struct client){ .fd = dial(served) };
	CHECK_OK(gnutls_certificate_allocate_credentials(&ret_client->credentials));
	if (name != NULL)
		CHECK_OK(gnutls_certificate_set_x509_key_file(ret_client->credentials, pem, key,
							      GNUTLS_X509_FMT_PEM));
	CHECK_OK(gnutls_init(&ret_client->session,
			     GNUTLS_CLIENT | GNUTLS_NO_SIGNAL | GNUTLS_FORCE_CLIENT_CERT));
	CHECK_OK(gnutls_priority_set_direct(ret_client->session, priority, NULL));
	CHECK_OK(gnutls_credentials_set(ret_client->session, GNUTLS_CRD_CERTIFICATE,
					ret_client->credentials));
	gnutls_transport_set_int(ret_client->session, ret_client->fd);
	do {
		r = gnutls_handshake(ret_client->session);
	} while (r < 0 && !gnutls_error_is_fatal(r));
	return r;
}

static void part(struct client *client)
{
	gnutls_deinit(client->session);
	gnutls_certificate_free_credentials(client->credentials);
	(void)og_close(client->fd);
}

static ssize_t say(struct client *client, const char *text, size_t len)
{
	ssize_t n = 0;

	for (size_t at = 0; at < len && n >= 0; at += (size_t)n)
		n = gnutls_record_send(client->session, text + at, len - at);
	return n;
}

/* All that comes until the server ends it; what GnuTLS said then. */
static ssize_t hear(struct client *client, struct og_text *ret_text)
{
	char buf[16384];
	ssize_t n;

	do {
		n = gnutls_record_recv(client->session, buf, sizeof(buf));
		if (n > 0)
			og_text_add_bytes(ret_text, buf, (size_t)n);
	} while (n > 0 || n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED);
	return n;
}

/* Asks, and checks that the answer ends as it should. */
static char *ask(const struct served *served, const char *name, const char *text)
{
	og_auto_text answer = {};
	struct client client;

	CHECK_OK(meet(served, TLS_NOW, name, &client));
	CHECK(say(&client, text, strlen(text)) > 0);
	CHECK_EQ(hear(&client, &answer), 0);
	part(&client);
	return og_text_take(&answer);
}

#define LAST "Host: x\r\nConnection: close\r\n\r\n"

TEST(requests_are_answered_one_after_the_other)
{
	struct served served = {};
	og_auto_free char *answer = NULL;

	serve_plainly_named(&served);
	answer = ask(&served, NULL,
		     "GET /one HTTP/1.1\r\nHost: x\r\n\r\n"
		     "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
		     "GET /two HTTP/1.1\r\n" LAST);
	CHECK(strstr(answer, "\r\n\r\n/one of nobody, 127.0.0.1HTTP/1.1 200") != NULL);
	CHECK(strstr(answer, "\r\n\r\nhelloHTTP/1.1 200") != NULL);
	CHECK(strstr(answer, "\r\n\r\n/two of nobody, 127.0.0.1") != NULL);
	end(&served);
}

static void make_file(char *bytes)
{
	og_auto_fd fd = open("file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	for (size_t i = 0; i < FILE_BYTES; i++)
		bytes[i] = (char)('a' + i % 23);
	CHECK_OK(og_write_all(fd, bytes, FILE_BYTES));
}

TEST(files_are_sent_in_part_and_whole)
{
	static const size_t ranges[][2] = { { 0, FILE_BYTES }, { 0, 0 },     { 1, 1 },
					    { 16384, 16384 },  { 16383, 2 }, { 5, FILE_BYTES - 5 } };
	static char bytes[FILE_BYTES];
	struct served served = {};

	serve_plainly_named(&served);
	make_file(bytes);
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		size_t at = ranges[i][0], len = ranges[i][1];
		og_auto_free char *text =
			og_strdupf("GET /file?at=%zu&len=%zu HTTP/1.1\r\n" LAST, at, len);
		og_auto_free char *length = og_strdupf("Content-Length: %zu\r\n", len);
		og_auto_free char *answer = ask(&served, NULL, text);
		char *body = strstr(answer, "\r\n\r\n");

		CHECK(strstr(answer, length) != NULL);
		CHECK(body != NULL);
		CHECK_EQ(strlen(body + 4), len);
		CHECK(memcmp(body + 4, bytes + at, len) == 0);
	}
	end(&served);
}

TEST(a_file_that_is_too_short_breaks_the_connection_off)
{
	static char bytes[FILE_BYTES];
	og_auto_text answer = {};
	struct served served = {};
	struct client client;
	static const char text[] = "GET /file?at=1&len=300000 HTTP/1.1\r\n" LAST;

	serve_plainly_named(&served);
	make_file(bytes);
	CHECK_OK(meet(&served, TLS_NOW, NULL, &client));
	CHECK(say(&client, text, strlen(text)) > 0);
	(void)hear(&client, &answer);
	CHECK(answer.buf != NULL);
	CHECK_EQ(strlen(strstr(answer.buf, "\r\n\r\n") + 4), FILE_BYTES - 1);
	part(&client);
	end(&served);
}

TEST(large_bodies_come_whole)
{
	static char text[8 * FILE_BYTES + 200];
	struct served served = {};
	og_auto_free char *answer = NULL;
	size_t head;

	serve_plainly_named(&served);
	head = (size_t)snprintf(text, sizeof(text),
				"POST /echo HTTP/1.1\r\nContent-Length: %u\r\n" LAST,
				8 * FILE_BYTES);
	memset(text + head, 'x', 8 * FILE_BYTES);
	answer = ask(&served, NULL, text);
	CHECK_EQ(strlen(strstr(answer, "\r\n\r\n") + 4), 8 * FILE_BYTES);
	end(&served);
}

TEST(a_stream_that_breaks_off_ends_without_goodbye)
{
	static const char text[] = "GET /cut HTTP/1.0\r\n\r\n";
	og_auto_text answer = {};
	struct served served = {};
	struct client client;

	serve_plainly_named(&served);
	CHECK_OK(meet(&served, TLS_NOW, NULL, &client));
	CHECK(say(&client, text, strlen(text)) > 0);
	CHECK(hear(&client, &answer) < 0);
	part(&client);
	end(&served);
}

TEST(old_versions_are_not_spoken)
{
	struct served served = {};
	struct client client;

	serve_plainly_named(&served);
	CHECK(meet(&served, "NORMAL:-VERS-ALL:+VERS-TLS1.1:%COMPAT", NULL, &client) < 0);
	part(&client);
	CHECK_OK(meet(&served, "NORMAL:-VERS-ALL:+VERS-TLS1.2", NULL, &client));
	part(&client);
	CHECK_OK(meet(&served, "NORMAL:-VERS-ALL:+VERS-TLS1.3", NULL, &client));
	part(&client);
	end(&served);
}

/* Whether a client is served: with TLS 1.3 it hears of a refusal only after its own handshake. */
static bool is_served(const struct served *served, const char *priority, const char *name,
		      const char *wanted)
{
	static const char text[] = "GET /a HTTP/1.1\r\n" LAST;
	og_auto_text answer = {};
	struct client client;
	bool good = meet(served, priority, name, &client) == 0 &&
		    say(&client, text, strlen(text)) > 0 && hear(&client, &answer) == 0;

	good = good && answer.buf != NULL && strstr(answer.buf, wanted) != NULL;
	part(&client);
	return good;
}

static void make_clients(void)
{
	make_root("server");
	make_root("root");
	make_root("stranger");
	make_client("root", "alice", "clientAuth");
	make_client("root", "website", "serverAuth");
	make_client("stranger", "mallory", "clientAuth");
}

TEST(clients_show_a_certificate_of_ours_where_they_must)
{
	static const char *const versions[] = { "NORMAL:-VERS-ALL:+VERS-TLS1.2",
						"NORMAL:-VERS-ALL:+VERS-TLS1.3" };
	struct og_tls_files files = {
		.certificate = "server.pem",
		.key = "server.key",
		.client_ca = "root.pem",
	};
	struct served served = {};

	make_clients();
	for (size_t i = 0; i < 4; i++) {
		const char *version = versions[i % 2];

		files.client_optional = i >= 2;
		serve(&files, &served);
		CHECK(is_served(&served, version, "alice", "/a of alice, 127.0.0.1"));
		CHECK(!is_served(&served, version, "mallory", "/a"));
		CHECK(!is_served(&served, version, "website", "/a"));
		CHECK(!is_served(&served, version, "stranger", "/a"));
		CHECK_EQ(is_served(&served, version, NULL, "/a of nobody"), i >= 2);
		end(&served);
	}
}

static bool shows(const struct served *served, const char *wanted)
{
	char name[64] = "";
	size_t len = sizeof(name);
	struct client client;
	gnutls_x509_crt_t certificate;
	unsigned count;

	CHECK_OK(meet(served, TLS_NOW, NULL, &client));
	CHECK_OK(gnutls_x509_crt_init(&certificate));
	CHECK_OK(gnutls_x509_crt_import(certificate,
					gnutls_certificate_get_peers(client.session, &count),
					GNUTLS_X509_FMT_DER));
	CHECK_OK(gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name,
					       &len));
	gnutls_x509_crt_deinit(certificate);
	part(&client);
	return og_streq(name, wanted);
}

TEST(files_that_are_read_again_count_from_then_on)
{
	struct served served = {};
	struct og_err err = {};

	serve_plainly_named(&served);
	CHECK(shows(&served, "server"));
	make_root("newer");
	CHECK_OK(rename("newer.pem", "server.pem"));
	CHECK_EQ(og_tls_server_reload(served.tls, &err), -EINVAL); /* another's key */
	CHECK(strstr(err.text, "server.pem") != NULL);
	CHECK(shows(&served, "server"));
	CHECK_OK(rename("newer.key", "server.key"));
	CHECK_OK(og_tls_server_reload(served.tls, NULL));
	CHECK(shows(&served, "newer"));
	end(&served);
}

TEST(files_that_do_not_serve_are_named)
{
	struct og_tls_files files = { .certificate = "none.pem", .key = "none.key" };
	struct og_tls_server *tls = NULL;
	struct og_err err = {};

	CHECK_EQ(og_tls_server_new(&files, &tls, &err), -EINVAL);
	CHECK(strstr(err.text, "none.pem") != NULL);
	make_root("server");
	files = (struct og_tls_files){ .certificate = "server.pem",
				       .key = "server.key",
				       .client_ca = "server.key" };
	CHECK_EQ(og_tls_server_new(&files, &tls, &err), -EINVAL);
}

TEST(handshakes_that_do_not_come_hold_nobody_up)
{
	struct rlimit limit = { .rlim_cur = 4096, .rlim_max = 4096 };
	struct served served = {};
	int fds[900];
	char byte;

	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		exit(TEST_SKIP_STATUS);
	serve_plainly_named(&served);
	for (size_t i = 0; i < 900; i++) {
		fds[i] = dial(&served);
		if (i % 2 == 0)
			CHECK_EQ(send(fds[i], "\x16\x03\x01", 3, MSG_NOSIGNAL), 3);
	}
	CHECK(is_served(&served, TLS_NOW, NULL, "/a of nobody"));
	CHECK_EQ(send(fds[1], "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27, MSG_NOSIGNAL), 27);
	while (recv(fds[1], &byte, 1, 0) > 0) /* an alert, or nothing */
		;
	for (size_t i = 0; i < 900; i++)
		(void)og_close(fds[i]);
	end(&served);
}

TEST_MAIN(TEST_ENTRY(requests_are_answered_one_after_the_other),
	  TEST_ENTRY(files_are_sent_in_part_and_whole),
	  TEST_ENTRY(a_file_that_is_too_short_breaks_the_connection_off),
	  TEST_ENTRY(large_bodies_come_whole),
	  TEST_ENTRY(a_stream_that_breaks_off_ends_without_goodbye),
	  TEST_ENTRY(old_versions_are_not_spoken),
	  TEST_ENTRY(clients_show_a_certificate_of_ours_where_they_must),
	  TEST_ENTRY(files_that_are_read_again_count_from_then_on),
	  TEST_ENTRY(files_that_do_not_serve_are_named),
	  TEST_ENTRY(handshakes_that_do_not_come_hold_nobody_up))
