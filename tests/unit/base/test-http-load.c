/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server among clients that are slow, many, or gone, and its keep-alive. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/http_server.h"
#include "base/io.h"
#include "base/test.h"
#include "base/text.h"

#define FILE_BYTES 3000000U
#define BODY_MAX   (1024U * 1024U)

static atomic_uint over; /* requests that were said to be over */

static char *error_body(int status, const char *text)
{
	return og_strdupf("%d %s\n", status, text);
}

static uint64_t body_max(const char *method, const char *path)
{
	(void)method;
	return og_streq(path, "/swallow") ? UINT64_MAX : BODY_MAX;
}

static void send_range(struct og_http_request *request)
{
	uint64_t at = 0, len = 0;

	CHECK_OK(og_parse_u64(og_http_query(request, "at"), 0, FILE_BYTES, &at));
	CHECK_OK(og_parse_u64(og_http_query(request, "len"), 0, FILE_BYTES, &len));
	og_http_set_header(request, "X-Bad", "a\r\nX-Injected: b");
	og_http_reply_file(request, 206, "application/octet-stream",
			   open("file", O_RDONLY | O_CLOEXEC), at, len, NULL);
}

/* Counts what comes of a body. */
static void swallow(struct og_http_request *request)
{
	og_auto_text text = {};
	uint64_t total = 0;
	char buf[65536];
	ssize_t n;

	while ((n = og_http_read(request, buf, sizeof(buf))) > 0)
		total += (uint64_t)n;
	og_text_addf(&text, "%llu of %lld: %zd", (unsigned long long)total,
		     (long long)og_http_content_length(request), n);
	og_http_reply(request, 200, "text/plain", text.buf, text.len);
}

static void send_sized(struct og_http_request *request)
{
	CHECK_OK(og_http_stream_sized(request, 200, "text/plain", 6, NULL));
	CHECK_OK(og_http_write(request, "abc", 3));
	CHECK_EQ(og_http_write(request, "defg", 4),
		 og_streq(og_http_method(request), "HEAD") ? 0 : -EMSGSIZE);
	if (og_http_query(request, "short") == NULL)
		CHECK_OK(og_http_write(request, "def", 3));
}

static void handle(struct og_http_request *request, void *data)
{
	const char *path = og_http_path(request);
	og_auto_text text = {};

	(void)data;
	if (og_streq(path, "/file")) {
		send_range(request);
	} else if (og_streq(path, "/swallow") || og_streq(path, "/limited")) {
		swallow(request);
	} else if (og_streq(path, "/sized")) {
		send_sized(request);
	} else if (og_streq(path, "/deny")) {
		og_http_reply(request, 401, NULL, "", 0);
	} else {
		og_text_addf(&text, "%s|%s|%d|%s", path, og_http_raw_path(request),
			     og_http_slash_escaped(request), og_http_peer_address(request));
		og_http_reply(request, 200, "text/plain", text.buf, text.len);
	}
}

static void count_over(struct og_http_request *request, void *data)
{
	(void)data;
	CHECK(og_http_answered(request));
	atomic_fetch_add(&over, 1);
}

struct served {
	struct og_http_server *server;
	struct sockaddr_in address;
};

static void end(struct served *served)
{
	served->server = og_http_server_free(served->server);
}

static struct served serve(struct og_http_limits limits)
{
	const struct og_http_config config = {
		.handle = handle,
		.done = count_over,
		.error_body = error_body,
		.error_type = "text/plain",
		.body_max = body_max,
		.limits = limits,
		.trailing_slash = true,
	};
	struct served served = {};
	socklen_t len = sizeof(served.address);
	int fd = og_http_listen_tcp("127.0.0.1:0", NULL);

	(void)signal(SIGPIPE, SIG_IGN);
	CHECK(fd >= 0);
	CHECK_OK(getsockname(fd, (struct sockaddr *)&served.address, &len));
	CHECK_OK(og_http_server_new(&config, &served.server, NULL));
	CHECK_OK(og_http_server_listen(served.server, fd,
				       &(struct og_http_listen){ .peers = OG_HTTP_ANYBODY }, NULL));
	return served;
}

static int dial(const struct served *served)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK_OK(connect(fd, (const struct sockaddr *)&served->address, sizeof(served->address)));
	return fd;
}

/* All that comes until the server closes. */
static char *hear(int fd)
{
	og_auto_text answer = {};
	char buf[65536];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		og_text_add_bytes(&answer, buf, (size_t)n);
	return og_text_take(&answer);
}

static char *talk(const struct served *served, const char *text)
{
	og_auto_fd fd = dial(served);

	CHECK_OK(og_send_all(fd, text, strlen(text)));
	return hear(fd);
}

#define LAST "Host: x\r\nConnection: close\r\n\r\n"

static void make_file(char *bytes)
{
	og_auto_fd fd = open("file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	for (size_t i = 0; i < FILE_BYTES; i++)
		bytes[i] = (char)('a' + i % 23);
	CHECK_OK(og_write_all(fd, bytes, FILE_BYTES));
}

TEST(files_are_sent_in_part_and_whole)
{
	static const size_t ranges[][2] = {
		{ 0, FILE_BYTES }, { 0, 0 }, { 1, 1 }, { 4096, 65536 }, { 7, FILE_BYTES - 7 }
	};
	static char bytes[FILE_BYTES];
	struct served served = serve((struct og_http_limits){});

	make_file(bytes);
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		size_t at = ranges[i][0], len = ranges[i][1];
		og_auto_free char *get =
			og_strdupf("GET /file?at=%zu&len=%zu HTTP/1.1\r\n" LAST, at, len);
		og_auto_free char *head =
			og_strdupf("HEAD /file?at=%zu&len=%zu HTTP/1.1\r\n" LAST, at, len);
		og_auto_free char *length = og_strdupf("Content-Length: %zu\r\n", len);
		og_auto_free char *got = talk(&served, get), *had = talk(&served, head);
		char *body = strstr(got, "\r\n\r\n");

		CHECK(og_starts_with(got, "HTTP/1.1 206 Partial Content\r\n"));
		CHECK(strstr(got, length) != NULL && strstr(had, length) != NULL);
		CHECK(og_ends_with(had, "\r\n\r\n"));
		CHECK_EQ(strlen(body + 4), len);
		CHECK(memcmp(body + 4, bytes + at, len) == 0);
		CHECK(strstr(got, "X-Injected") == NULL);
	}
	end(&served);
	CHECK_EQ(atomic_load(&over), 2 * sizeof(ranges) / sizeof(ranges[0]));
}

TEST(a_stream_of_known_length_is_whole_or_breaks_off)
{
	struct served served = serve((struct og_http_limits){});
	og_auto_free char *whole = talk(&served, "GET /sized HTTP/1.1\r\n" LAST);
	og_auto_free char *head = talk(&served, "HEAD /sized HTTP/1.1\r\n" LAST);
	og_auto_free char *cut = talk(&served, "GET /sized?short HTTP/1.1\r\nHost: x\r\n\r\n");

	CHECK(strstr(whole, "Content-Length: 6\r\n") != NULL);
	CHECK(og_ends_with(whole, "\r\n\r\nabcdef"));
	CHECK(strstr(head, "Content-Length: 6\r\n") != NULL && og_ends_with(head, "\r\n\r\n"));
	CHECK(!og_ends_with(cut, "abcdef"));
	end(&served);
}

TEST(an_escaped_slash_is_told_from_a_slash)
{
	struct served served = serve((struct og_http_limits){});
	og_auto_free char *answer = talk(&served, "GET /v2/a%2Fb%20c/ HTTP/1.1\r\nHost: x\r\n\r\n"
						  "GET /v2/ HTTP/1.1\r\n" LAST);

	CHECK(strstr(answer, "\r\n\r\n/v2/a/b c/|/v2/a%2Fb%20c/|1|127.0.0.1HTTP") != NULL);
	CHECK(og_ends_with(answer, "\r\n\r\n/v2/|/v2/|0|127.0.0.1"));
	end(&served);
}

TEST(a_body_that_is_announced_comes_when_somebody_reads_it)
{
	struct served served = serve((struct og_http_limits){});
	og_auto_fd fd = dial(&served);
	static const char head[] = "POST /swallow HTTP/1.1\r\nExpect: 100-continue\r\n"
				   "Content-Length: 3\r\n" LAST;
	static const char denied[] = "POST /deny HTTP/1.1\r\nExpect: 100-continue\r\n"
				     "Content-Length: 3000000\r\nHost: x\r\n\r\n";
	og_auto_free char *answer = NULL, *refusal = talk(&served, denied);
	char buf[64] = "";

	CHECK_OK(og_send_all(fd, head, strlen(head)));
	CHECK_EQ(recv(fd, buf, 25, MSG_WAITALL), 25);
	CHECK(og_streq(buf, "HTTP/1.1 100 Continue\r\n\r\n"));
	CHECK_OK(og_send_all(fd, "abc", 3));
	answer = hear(fd);
	CHECK(og_ends_with(answer, "\r\n\r\n3 of 3: 0"));
	CHECK(og_starts_with(refusal, "HTTP/1.1 413 ")); /* by body_max */
	end(&served);
}

TEST(who_is_refused_is_not_told_to_continue)
{
	struct served served = serve((struct og_http_limits){});
	og_auto_free char *answer = talk(&served, "POST /deny HTTP/1.1\r\nContent-Length: 3000\r\n"
						  "Expect: 100-continue\r\nHost: x\r\n\r\n");

	CHECK(og_starts_with(answer, "HTTP/1.1 401 "));
	CHECK(strstr(answer, "Connection: close\r\n") != NULL);
	end(&served);
}

TEST(a_chunked_body_has_a_limit_too)
{
	struct served served = serve((struct og_http_limits){});
	og_auto_text text = {};
	og_auto_free char *chunk = calloc(1, 65537);
	og_auto_free char *answer = NULL;

	memset(chunk, 'x', 65536);
	og_text_add(&text, "POST /limited HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" LAST);
	for (int i = 0; i < 20; i++)
		og_text_addf(&text, "10000\r\n%s\r\n", chunk);
	og_text_add(&text, "0\r\n\r\n");
	answer = talk(&served, text.buf);
	CHECK(strstr(answer, " of -1: -27") != NULL); /* EFBIG */
	end(&served);
}

TEST(what_nobody_reads_has_a_limit)
{
	struct served served = serve((struct og_http_limits){ .drain_max = 1000 });
	og_auto_fd fd = dial(&served);
	static const char little[] =
		"POST /deny HTTP/1.1\r\nContent-Length: 5\r\nHost: x\r\n\r\nabcde";
	static const char much[] =
		"POST /deny HTTP/1.1\r\nContent-Length: 5000\r\nHost: x\r\n\r\nab";
	og_auto_free char *answer = NULL;

	CHECK_OK(og_send_all(fd, little, strlen(little)));
	CHECK_OK(og_send_all(fd, much, strlen(much)));
	answer = hear(fd);
	CHECK(og_starts_with(answer, "HTTP/1.1 401 "));
	CHECK(strstr(answer + 1, "HTTP/1.1 401 ") != NULL);
	CHECK(strstr(answer, "Connection: close") > strstr(answer + 1, "HTTP/1.1 401 "));
	end(&served);
}

TEST(a_port_alone_is_all_of_this_machine)
{
	static const char request[] = "GET /a HTTP/1.1\r\n" LAST;
	struct served served = serve((struct og_http_limits){});
	int fd = og_http_listen_tcp(":0", NULL),
	    client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 address = {};
	socklen_t len = sizeof(address);
	og_auto_free char *answer = NULL;

	CHECK(fd >= 0);
	CHECK_OK(getsockname(fd, (struct sockaddr *)&address, &len));
	CHECK_OK(og_http_server_listen(served.server, fd,
				       &(struct og_http_listen){ .peers = OG_HTTP_ANYBODY }, NULL));
	served.address.sin_port = address.sin6_port;
	CHECK_OK(connect(client, (struct sockaddr *)&served.address, sizeof(served.address)));
	CHECK_OK(og_send_all(client, request, strlen(request)));
	answer = hear(client);
	CHECK(og_ends_with(answer, "/a|/a|0|127.0.0.1")); /* an IPv4 address as one knows it */
	(void)og_close(client);
	end(&served);
	CHECK_EQ(og_http_listen_tcp("localhost:0", NULL), -EINVAL);
}

/* ---- slow ones ---- */

TEST(a_head_that_does_not_end_is_hung_up_on)
{
	struct served served = serve((struct og_http_limits){ .head_timeout_s = 1 });
	og_auto_fd silent = dial(&served), slow = dial(&served);
	struct pollfd closed = { .fd = slow, .events = POLLIN };
	char byte;

	CHECK_OK(og_send_all(slow, "GET / HTTP/1.1\r\nX: ", 19));
	while (poll(&closed, 1, 50) == 0) /* it never stops sending */
		if (send(slow, "x", 1, MSG_NOSIGNAL) < 0)
			break;
	CHECK(recv(slow, &byte, 1, 0) <= 0);
	CHECK_EQ(recv(silent, &byte, 1, 0), 0);
	end(&served);
}

TEST(a_body_that_drips_is_cut_off)
{
	struct served served =
		serve((struct og_http_limits){ .idle_timeout_s = 1, .min_rate = 1000 });
	og_auto_fd fd = dial(&served);
	static const char head[] = "POST /swallow HTTP/1.1\r\nContent-Length: 100000\r\n" LAST;
	struct pollfd closed = { .fd = fd, .events = POLLIN };
	char byte;

	CHECK_OK(og_send_all(fd, head, strlen(head)));
	while (poll(&closed, 1, 50) == 0)
		if (send(fd, "x", 1, MSG_NOSIGNAL) < 0)
			break;
	CHECK(recv(fd, &byte, 1, 0) <= 0);
	end(&served);
}

TEST(an_answer_that_nobody_takes_is_given_up)
{
	struct served served = serve((struct og_http_limits){ .idle_timeout_s = 1 });
	og_auto_fd fd = dial(&served);
	static const char get[] = "GET /file?at=0&len=3000000 HTTP/1.1\r\nHost: x\r\n\r\n";
	static char bytes[FILE_BYTES];
	struct pollfd gone = { .fd = fd, .events = POLLRDHUP };

	make_file(bytes);
	for (int i = 0; i < 8; i++) /* more than sockets' buffers hold */
		CHECK_OK(og_send_all(fd, get, strlen(get)));
	CHECK_EQ(poll(&gone, 1, 20000), 1);
	end(&served);
}

TEST(a_connection_that_idles_is_closed)
{
	struct served served = serve((struct og_http_limits){ .idle_timeout_s = 1 });
	og_auto_free char *answer = talk(&served, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");

	CHECK(og_ends_with(answer, "/a|/a|0|127.0.0.1"));
	end(&served);
}

/* ---- many ---- */

static size_t threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	size_t count = 0;

	while (readdir(dir) != NULL)
		count++;
	(void)closedir(dir);
	return count - 2;
}

static bool may_open(rlim_t count)
{
	struct rlimit limit = { .rlim_cur = count, .rlim_max = count };

	return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

TEST(ten_thousand_idle_connections_are_turned_away_politely)
{
	static int fds[10000];
	struct served served = serve((struct og_http_limits){ .connections_max = 300 });
	size_t refused = 0;

	if (!may_open(12000))
		exit(TEST_SKIP_STATUS);
	for (size_t i = 0; i < 10000; i++) {
		char buf[13] = "";

		fds[i] = dial(&served);
		if (i < 400)
			continue; /* some of these may be accepted at once, some later */
		CHECK_EQ(recv(fds[i], buf, 12, MSG_WAITALL), 12);
		CHECK(og_streq(buf, "HTTP/1.1 503"));
		refused++;
	}
	CHECK_EQ(refused, 9600);
	CHECK(threads() <= 302);
	for (size_t i = 0; i < 10000; i++)
		(void)og_close(fds[i]);
	for (;;) { /* as soon as the server has noticed */
		og_auto_free char *answer = talk(&served, "GET /a HTTP/1.1\r\n" LAST);

		if (og_ends_with(answer, "/a|/a|0|127.0.0.1"))
			break;
	}
	end(&served);
}

TEST(idle_connections_hold_no_thread)
{
	static int fds[2000];
	struct served served = serve((struct og_http_limits){ .connections_max = 3000 });
	char buf[4096];

	if (!may_open(6000))
		exit(TEST_SKIP_STATUS);
	for (size_t i = 0; i < 2000; i++) {
		fds[i] = dial(&served);
		CHECK_OK(og_send_all(fds[i], "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", 28));
		CHECK(recv(fds[i], buf, sizeof(buf), 0) > 0);
	}
	CHECK(threads() <= OG_HTTP_CONNECTIONS_MAX + 2);
	for (size_t i = 0; i < 2000; i++) { /* each is still served */
		CHECK_OK(og_send_all(fds[i], "GET /b HTTP/1.1\r\nHost: x\r\n\r\n", 28));
		CHECK(recv(fds[i], buf, sizeof(buf), 0) > 0);
		CHECK(og_starts_with(buf, "HTTP/1.1 200 "));
		(void)og_close(fds[i]);
	}
	end(&served);
}

/* A whole answer, or nothing and false. */
static bool ask_once(int fd)
{
	char buf[4096];
	ssize_t n;

	if (og_send_all(fd, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", 28) < 0)
		return false;
	n = recv(fd, buf, sizeof(buf) - 1, 0);
	if (n <= 0)
		return false;
	buf[n] = '\0';
	CHECK(og_ends_with(buf, "/a|/a|0|127.0.0.1"));
	return true;
}

static void *ask_on(void *data)
{
	const struct served *served = data;

	for (;;) {
		og_auto_fd fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (connect(fd, (const struct sockaddr *)&served->address,
			    sizeof(served->address)) < 0)
			return NULL;
		while (ask_once(fd))
			;
	}
}

TEST(a_server_ends_under_load)
{
	struct served served = serve((struct og_http_limits){});
	pthread_t clients[8];

	for (size_t i = 0; i < 8; i++)
		CHECK_OK(pthread_create(&clients[i], NULL, ask_on, &served));
	while (atomic_load(&over) < 1000)
		(void)usleep(1000);
	end(&served);
	for (size_t i = 0; i < 8; i++)
		CHECK_OK(pthread_join(clients[i], NULL));
}

TEST_MAIN(TEST_ENTRY(files_are_sent_in_part_and_whole),
	  TEST_ENTRY(a_stream_of_known_length_is_whole_or_breaks_off),
	  TEST_ENTRY(an_escaped_slash_is_told_from_a_slash),
	  TEST_ENTRY(a_body_that_is_announced_comes_when_somebody_reads_it),
	  TEST_ENTRY(who_is_refused_is_not_told_to_continue),
	  TEST_ENTRY(a_chunked_body_has_a_limit_too), TEST_ENTRY(what_nobody_reads_has_a_limit),
	  TEST_ENTRY(a_port_alone_is_all_of_this_machine),
	  TEST_ENTRY(a_head_that_does_not_end_is_hung_up_on),
	  TEST_ENTRY(a_body_that_drips_is_cut_off),
	  TEST_ENTRY(an_answer_that_nobody_takes_is_given_up),
	  TEST_ENTRY(a_connection_that_idles_is_closed),
	  TEST_ENTRY(ten_thousand_idle_connections_are_turned_away_politely),
	  TEST_ENTRY(idle_connections_hold_no_thread), TEST_ENTRY(a_server_ends_under_load))
