/* SPDX-License-Identifier: Apache-2.0 */
#include "base/http_server.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/test.h"
#include "base/text.h"

#define BODY_MAX (1024U * 1024U)

static char *error_body(int status, const char *text)
{
	return og_strdupf("%d %s\n", status, text);
}

static uint64_t body_max(const char *method, const char *path)
{
	(void)method;
	return og_streq(path, "/swallow") ? UINT64_MAX : BODY_MAX;
}

static void echo_raw(struct og_http_request *request)
{
	struct og_http_raw raw;
	char buf[256];
	ssize_t n;

	if (og_http_upgrade(request, "tcp", "application/x-raw", &raw, NULL) < 0)
		return;
	CHECK_EQ(write(raw.fd, raw.early, raw.early_len), raw.early_len);
	while ((n = read(raw.fd, buf, sizeof(buf))) > 0)
		CHECK_EQ(write(raw.fd, buf, (size_t)n), n);
}

/* Writes without an end; returns only when the client has left. */
static void stream_for_ever(struct og_http_request *request)
{
	struct pollfd gone = { .fd = og_http_gone_fd(request), .events = POLLIN };

	CHECK_OK(og_http_stream(request, 200, "text/plain", NULL));
	CHECK_OK(og_http_write(request, "first\n", 6));
	CHECK_EQ(poll(&gone, 1, -1), 1);
	CHECK_EQ(og_http_write(request, "never\n", 6), -EPIPE);
}

static void echo_body(struct og_http_request *request)
{
	og_auto_free char *body = NULL;
	struct og_err err = {};
	size_t len = 0;
	int r = og_http_read_body(request, BODY_MAX, &body, &len, &err);

	if (r < 0)
		og_http_reply(request, 400, "text/plain", err.text, strlen(err.text));
	else
		og_http_reply(request, 200, "text/plain", body, len);
}

static void show(struct og_http_request *request)
{
	og_auto_text text = {};
	const char *value;

	og_text_addf(&text, "%s %s", og_http_method(request), og_http_path(request));
	for (size_t i = 0; (value = og_http_query_at(request, "q", i)) != NULL; i++)
		og_text_addf(&text, " [%s]", value);
	og_http_set_header(request, "X-Extra", "yes");
	og_http_reply(request, 200, "text/plain", text.buf, text.len);
}

static void handle(struct og_http_request *request, void *data)
{
	const char *path = og_http_path(request);

	(void)data;
	if (og_streq(path, "/echo"))
		echo_body(request);
	else if (og_streq(path, "/raw"))
		echo_raw(request);
	else if (og_streq(path, "/stream"))
		stream_for_ever(request);
	else if (!og_streq(path, "/silent") && !og_streq(path, "/swallow"))
		show(request);
}

static struct og_http_server *serve(enum og_http_peers peers)
{
	static const struct og_http_config config = {
		.handle = handle,
		.error_body = error_body,
		.error_type = "text/plain",
		.body_max = body_max,
	};
	struct og_http_server *server = NULL;
	int fd = og_http_listen_unix("sock", (gid_t)-1, NULL);

	(void)signal(SIGPIPE, SIG_IGN);
	CHECK(fd >= 0);
	CHECK_OK(og_http_server_new(&config, &server, NULL));
	CHECK_OK(og_http_server_listen(server, fd, &(struct og_http_listen){ .peers = peers },
				       NULL));
	return server;
}

static int dial(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "sock" };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK_OK(connect(fd, (struct sockaddr *)&address, sizeof(address)));
	return fd;
}

/* Sends bytes, and gives all that came back until the server closed. */
static char *talk(const char *text)
{
	og_auto_fd fd = dial();
	og_auto_text answer = {};
	char buf[4096];
	ssize_t n;

	CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		og_text_add_bytes(&answer, buf, (size_t)n);
	return og_text_take(&answer);
}

static int status_of(const char *text)
{
	og_auto_free char *answer = talk(text);

	if (strncmp(answer, "HTTP/1.1 ", 9) != 0)
		return -1;
	return atoi(answer + 9);
}

TEST(a_request_is_answered_with_its_path_and_query)
{
	og_cleanup(og_http_server_freep) struct og_http_server *server = serve(OG_HTTP_LOCAL);
	og_auto_free char *answer = talk("GET /a%20b/c:1?q=1&q=x%2Fy+z&w HTTP/1.1\r\nHost: x\r\n"
					 "Connection: close\r\n\r\n");

	CHECK(strstr(answer, "GET /a b/c:1 [1] [x/y z]") != NULL);
	CHECK(strstr(answer, "X-Extra: yes\r\n") != NULL);
}

TEST(a_handler_without_an_answer_is_a_500)
{
	og_cleanup(og_http_server_freep) struct og_http_server *server = serve(OG_HTTP_LOCAL);

	CHECK_EQ(status_of("GET /silent HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), 500);
}

TEST(bodies_come_whole_with_length_and_in_chunks)
{
	og_cleanup(og_http_server_freep) struct og_http_server *server = serve(OG_HTTP_LOCAL);
	og_auto_free char *plain = talk("POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
					"Content-Length: 5\r\n\r\nhello");
	og_auto_free char *chunked = talk("POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
					  "Transfer-Encoding: chunked\r\n\r\n"
					  "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n");

	CHECK(strstr(plain, "\r\n\r\nhello") != NULL);
	CHECK(strstr(chunked, "\r\n\r\nhello") != NULL);
}

TEST(what_two_readers_could_read_in_two_ways_is_refused)
{
	og_cleanup(og_http_server_freep) struct og_http_server *server = serve(OG_HTTP_LOCAL);
	static const char *const heads[] = {
		"Host: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n",
		"Host: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n",
		"Host: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
		"Host: x\r\nTransfer-Encoding: xchunked\r\n",
		"Host: x\r\nContent-Length: +3\r\n",
		"Host: x\r\nContent-Length: 3, 3\r\n",
		"Host: x\r\nHost: y\r\nContent-Length: 3\r\n",
		"Content-Length: 3\r\n",
		"Host: x\r\nContent-Length : 3\r\n",
	};

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		og_auto_free char *text = og_strdupf("POST /echo HTTP/1.1\r\n%s\r\nabc", heads[i]);

		CHECK_EQ(status_of(text), 400);
	}
}

TEST(lines_that_end_or_fold_in_another_way_are_refused)
{
	og_cleanup(og_http_server_freep) struct og_http_server *server = serve(OG_HTTP_LOCAL);
	static const char *const texts[] = {
		"GET /a HTTP/1.1\nHost: x\n\n",
		"GET /a HTTP/1.1\r\nHost: x\nX: y\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: x\r\nX: y\r\n z\r\n\r\n",
		"GET /a HTTP/1.1\r\n Host: x\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: x\rX: y\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: x\r\nX: \x01\r\n\r\n",
		"\n",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		CHECK_EQ(status_of(texts[i]), 400);
}

TEST(a_connection_carries_requests_one_after_the_other)
{
	og_cleanup(og_http_server_freep) struct og_http_server *server = serve(OG_HTTP_LOCAL);
	og_auto_free char *answer =
		talk("GET /one HTTP/1.1\r\nHost: x\r\n\r\n"
		     "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
		     "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
		     "3;x=y\r\nabc\r\n0\r\nTrailer: t\r\n\r\n"
		     "POST /two HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nxyz"
		     "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
		     "GET /never HTTP/1.1\r\nHost: x\r\n\r\n");

	CHECK(strstr(answer, "GET /one") != NULL);
	CHECK(strstr(answer, "\r\n\r\nhelloHTTP/1.1 200 OK\r\n") != NULL);
	CHECK(strstr(answer, "\r\n\r\nabcHTTP/1.1 200 OK\r\n") != NULL);
	CHECK(strstr(answer, "POST /two") != NULL);
	CHECK(strstr(answer, "GET /last") != NULL);
	CHECK(strstr(answer, "/never") == NULL);
}

TEST(a_head_that_comes_in_pieces_is_whole_in_the_end)
{
	og_cleanup(og_http_server_freep) struct og_http_server *server = serve(OG_HTTP_LOCAL);
	static const char text[] = "GET /pieces HTTP/1.1\r\nHost: x\r\n\r\n";
	og_auto_fd fd = dial();
	char buf[512] = "";

	for (size_t i = 0; i < strlen(text); i++)
		CHECK_EQ(write(fd, text + i, 1), 1);
	CHECK(read(fd, buf, sizeof(buf) - 1) > 0);
	CHECK(og_starts_with(buf, "HTTP/1.1 200 "));
}

TEST(paths_that_name_two_things_are_refused)
{
	og_cleanup(og_http_server_freep) struct og_http_server *server = serve(OG_HTTP_LOCAL);
	static const char *const paths[] = {
		"/a/../b", "/a/%2e%2e/b", "/./a",  "//a",  "/a/",
		"/a%00b",  "/a%0ab",	  "/a%zz", "/a%2", "/a?q=%00",
	};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		og_auto_free char *text =
			og_strdupf("GET %s HTTP/1.1\r\nHost: x\r\n\r\n", paths[i]);

		CHECK_EQ(status_of(text), 400);
	}
}

TEST(an_endless_head_is_cut_off)
{
	og_cleanup(og_http_server_freep) struct og_http_server *server = serve(OG_HTTP_LOCAL);
	og_auto_text text = {};
	og_auto_fd fd = dial();
	ssize_t n = 0;

	og_text_add(&text, "GET / HTTP/1.1\r\nHost: x\r\n");
	while (text.len < 64 * OG_HTTP_HEAD_MAX) /* more than a socket's buffers hold */
		og_text_addf(&text, "X-%zu: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
			     text.len);
	for (size_t at = 0; at < text.len && n >= 0; at += (size_t)n)
		n = send(fd, text.buf + at, text.len - at, MSG_NOSIGNAL);
	CHECK(n < 0);
}

TEST(a_body_over_the_limit_is_refused_unread)
{
	og_cleanup(og_http_server_freep) struct og_http_server *server = serve(OG_HTTP_LOCAL);

	CHECK_EQ(status_of("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\nx"),
		 413);
}

TEST(a_body_that_breaks_off_is_an_error_for_its_reader)
{
	og_cleanup(og_http_server_freep) struct og_http_server *server = serve(OG_HTTP_LOCAL);
	og_auto_fd fd = dial();
	static const char head[] = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc";
	char buf[16];

	CHECK_EQ(write(fd, head, strlen(head)), strlen(head));
	CHECK_OK(shutdown(fd, SHUT_WR));
	CHECK_EQ(read(fd, buf, sizeof(buf)), 0);
}

TEST(an_upgraded_connection_is_the_handlers)
{
	og_cleanup(og_http_server_freep) struct og_http_server *server = serve(OG_HTTP_LOCAL);

	for (int i = 0; i < 50; i++) {
		og_auto_fd fd = dial();
		static const char head[] = "POST /raw HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
					   "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\nearly";
		og_auto_text answer = {};
		char buf[512];
		ssize_t n;

		CHECK_EQ(write(fd, head, strlen(head)), strlen(head));
		while (answer.buf == NULL || strstr(answer.buf, "\r\n\r\nearly") == NULL) {
			n = read(fd, buf, sizeof(buf));
			CHECK(n > 0);
			og_text_add_bytes(&answer, buf, (size_t)n);
		}
		CHECK(og_starts_with(answer.buf, "HTTP/1.1 101 "));
		CHECK_EQ(write(fd, "late", 4), 4);
		CHECK_EQ(read(fd, buf, sizeof(buf)), 4);
		CHECK_OK(shutdown(fd, SHUT_WR));
		CHECK_EQ(read(fd, buf, sizeof(buf)), 0);
	}
}

/* Asks for what has no end, and waits for the first of it. */
static void ask_for_stream(int fd)
{
	og_auto_text answer = {};
	char buf[512];

	CHECK_EQ(write(fd, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", 33), 33);
	while (answer.buf == NULL || strstr(answer.buf, "first") == NULL) {
		ssize_t n = read(fd, buf, sizeof(buf));

		CHECK(n > 0);
		og_text_add_bytes(&answer, buf, (size_t)n);
	}
	CHECK(strstr(answer.buf, "Transfer-Encoding: chunked") != NULL);
}

TEST(a_stream_is_sent_at_once_and_ends_when_its_client_leaves)
{
	og_cleanup(og_http_server_freep) struct og_http_server *server = serve(OG_HTTP_LOCAL);

	for (int i = 0; i < 50; i++) {
		og_auto_fd fd = dial();

		ask_for_stream(fd);
	}
}

TEST(a_server_that_ends_ends_its_streams_and_connections)
{
	og_cleanup(og_http_server_freep) struct og_http_server *server = serve(OG_HTTP_LOCAL);
	og_auto_fd idle_fd = dial(), stream_fd = dial();
	char buf[512];

	ask_for_stream(stream_fd);
	server = og_http_server_free(server);
	CHECK_EQ(read(idle_fd, buf, sizeof(buf)), 0);
	while (read(stream_fd, buf, sizeof(buf)) > 0)
		;
}

TEST(web_pages_are_refused_where_peers_are_not_known)
{
	og_cleanup(og_http_server_freep) struct og_http_server *server = serve(OG_HTTP_LOOPBACK);

	CHECK_EQ(status_of("GET /a HTTP/1.1\r\nHost: evil.example\r\n\r\n"), 403);
	CHECK_EQ(status_of("GET /a HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n"), 403);
	CHECK_EQ(status_of("GET /a HTTP/1.1\r\nHost: localhost\r\nOrigin: http://x\r\n\r\n"), 403);
	CHECK_EQ(status_of("GET /a HTTP/1.1\r\nHost: 127.0.0.1:2375\r\nConnection: close\r\n\r\n"),
		 200);
}

TEST(a_socket_is_its_owners_alone_and_a_dead_one_is_replaced)
{
	struct stat st;
	og_auto_fd fd = og_http_listen_unix("own", (gid_t)-1, NULL);

	CHECK(fd >= 0);
	CHECK_OK(stat("own", &st));
	CHECK_EQ(st.st_mode & 0777, 0600);
	CHECK_EQ(og_http_listen_unix("own", (gid_t)-1, NULL), -EADDRINUSE);
	fd = og_close(fd);
	fd = og_http_listen_unix("own", getgid(), NULL);
	CHECK(fd >= 0);
	CHECK_OK(stat("own", &st));
	CHECK_EQ(st.st_mode & 0777, 0660);
}

TEST(only_loopback_is_listened_on_without_tls)
{
	CHECK_EQ(og_http_listen_loopback("0.0.0.0:2375", NULL), -EPERM);
	CHECK_EQ(og_http_listen_loopback("localhost:2375", NULL), -EINVAL);
	CHECK_EQ(og_http_listen_loopback("127.0.0.1", NULL), -EINVAL);
}

static size_t open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t count = 0;

	while (readdir(dir) != NULL)
		count++;
	(void)closedir(dir);
	return count;
}

TEST(ten_thousand_dropped_connections_leak_nothing)
{
	og_cleanup(og_http_server_freep) struct og_http_server *server = serve(OG_HTTP_LOCAL);
	size_t before = open_fds();

	for (int i = 0; i < 10000; i++) {
		og_auto_fd fd = dial();

		/* With OG_HTTP_CONNECTIONS_MAX still open, one more is hung up on. */
		if (send(fd, "GET /a HTTP/1.1\r\n", 17, MSG_NOSIGNAL) < 0)
			CHECK(errno == EPIPE || errno == ECONNRESET);
	}
	server = og_http_server_free(server);
	CHECK(open_fds() <= before);
}

TEST_MAIN(TEST_ENTRY(a_request_is_answered_with_its_path_and_query),
	  TEST_ENTRY(a_handler_without_an_answer_is_a_500),
	  TEST_ENTRY(bodies_come_whole_with_length_and_in_chunks),
	  TEST_ENTRY(what_two_readers_could_read_in_two_ways_is_refused),
	  TEST_ENTRY(lines_that_end_or_fold_in_another_way_are_refused),
	  TEST_ENTRY(a_connection_carries_requests_one_after_the_other),
	  TEST_ENTRY(a_head_that_comes_in_pieces_is_whole_in_the_end),
	  TEST_ENTRY(paths_that_name_two_things_are_refused),
	  TEST_ENTRY(an_endless_head_is_cut_off),
	  TEST_ENTRY(a_body_over_the_limit_is_refused_unread),
	  TEST_ENTRY(a_body_that_breaks_off_is_an_error_for_its_reader),
	  TEST_ENTRY(an_upgraded_connection_is_the_handlers),
	  TEST_ENTRY(a_stream_is_sent_at_once_and_ends_when_its_client_leaves),
	  TEST_ENTRY(a_server_that_ends_ends_its_streams_and_connections),
	  TEST_ENTRY(web_pages_are_refused_where_peers_are_not_known),
	  TEST_ENTRY(a_socket_is_its_owners_alone_and_a_dead_one_is_replaced),
	  TEST_ENTRY(only_loopback_is_listened_on_without_tls),
	  TEST_ENTRY(ten_thousand_dropped_connections_leak_nothing))
