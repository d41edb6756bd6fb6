/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "vmmapi/http.h"

static ptrdiff_t parse(const char *text, struct og_http_request *request, int *ret_status)
{
	struct og_http_refusal refusal = {};
	ptrdiff_t n = og_http_parse(text, strlen(text), request, NULL, 0, &refusal);

	*ret_status = refusal.status;
	return n;
}

TEST(a_request_is_read)
{
	static const char text[] = "PUT /drives/rootfs?x=1 HTTP/1.1\r\nHost: localhost\r\n"
				   "content-length: 12\r\nExpect: 100-continue\r\n\r\nbody";
	struct og_http_request request;
	int status;

	CHECK_EQ(parse(text, &request, &status), strlen(text) - 4);
	CHECK_EQ(request.method, OG_HTTP_PUT);
	CHECK_EQ(request.path_len, strlen("/drives/rootfs"));
	CHECK(memcmp(request.path, "/drives/rootfs", request.path_len) == 0);
	CHECK(request.has_body && request.content_length == 12);
	CHECK(request.keep_alive && request.expects_continue);
}

TEST(a_path_may_have_a_host_in_front)
{
	struct og_http_request request;
	int status;

	CHECK(parse("GET http://localhost/vm/config HTTP/1.0\r\n\r\n", &request, &status) > 0);
	CHECK(request.path_len == 10 && memcmp(request.path, "/vm/config", 10) == 0);
	CHECK(!request.keep_alive);
}

TEST(each_beginning_of_a_request_is_not_complete)
{
	static const char text[] = "PATCH /vm HTTP/1.1\r\nContent-Length: 2\r\nAccept: */*\r\n\r\n";
	struct og_http_request request;
	struct og_http_refusal refusal;

	for (size_t len = 0; len < strlen(text); len++)
		CHECK_EQ(og_http_parse(text, len, &request, NULL, 0, &refusal), 0);
}

TEST(what_is_not_http_is_refused)
{
	static const struct {
		const char *text;
		int status;
	} cases[] = {
		{ "GET / HTTP/2.0\r\n\r\n", 400 },
		{ "GET / HTTP/1.1 \r\n\r\n", 400 },
		{ "GET  / HTTP/1.1\r\n\r\n", 400 },
		{ "GET /\r\n\r\n", 400 },
		{ " GET / HTTP/1.1\r\n\r\n", 400 },
		{ "G T / HTTP/1.1\r\n\r\n", 400 },
		{ "GET x HTTP/1.1\r\n\r\n", 400 },
		{ "GET http:///x HTTP/1.1\r\n\r\n", 400 },
		{ "GET http://x HTTP/1.1\r\n\r\n", 400 },
		{ "GET /\x01 HTTP/1.1\r\n\r\n", 400 },
		{ "\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nA : b\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nnothing\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\n folded: x\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nA: b\x01\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nContent-Length: \r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400 },
		{ "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 501 },
		{ "PUT / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		  501 },
		{ "PUT / HTTP/1.1\r\nExpect: more\r\n\r\n", 417 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct og_http_request request;
		int status;
		ptrdiff_t n = parse(cases[i].text, &request, &status);

		if (n >= 0 || status != cases[i].status)
			fprintf(stderr, "%s is %td, %d\n", cases[i].text, n, status);
		CHECK(n < 0);
		CHECK_EQ(status, cases[i].status);
	}
}

TEST(a_head_without_an_end_is_refused_in_time)
{
	static char text[OG_HTTP_HEAD_MAX + 1];
	struct og_http_request request;
	struct og_http_refusal refusal;

	memset(text, 'a', sizeof(text));
	memcpy(text, "GET /", 5);
	CHECK_EQ(og_http_parse(text, OG_HTTP_HEAD_MAX - 1, &request, NULL, 0, &refusal), 0);
	CHECK(og_http_parse(text, OG_HTTP_HEAD_MAX, &request, NULL, 0, &refusal) < 0);
	CHECK_EQ(refusal.status, 431);
}

TEST(a_header_that_is_asked_for_is_shown_and_may_come_once)
{
	static const char once[] = "GET / HTTP/1.1\r\nX-Token:  abc \r\n\r\n";
	static const char twice[] = "GET / HTTP/1.1\r\nX-Token: a\r\nx-token: b\r\n\r\n";
	struct og_http_header headers[] = { { .name = "x-token" }, { .name = "x-other" } };
	struct og_http_request request;
	struct og_http_refusal refusal;

	CHECK(og_http_parse(once, strlen(once), &request, headers, 2, &refusal) > 0);
	CHECK(headers[0].len == 3 && memcmp(headers[0].value, "abc", 3) == 0);
	CHECK(headers[1].value == NULL);
	CHECK(og_http_parse(twice, strlen(twice), &request, headers, 2, &refusal) < 0);
}

TEST(an_answer_has_one_way_to_be_read)
{
	char buf[400];
	size_t len = og_http_answer_head(buf, sizeof(buf), 200, "application/json", 17, true, "");

	CHECK_EQ(len, strlen(buf));
	CHECK(strstr(buf, "HTTP/1.1 200 OK\r\n") == buf);
	CHECK(strstr(buf, "Content-Length: 17\r\n") != NULL);
	CHECK(strcmp(buf + len - 4, "\r\n\r\n") == 0);
	CHECK(og_http_answer_head(buf, sizeof(buf), 204, NULL, 0, true, "") > 0);
	CHECK(strstr(buf, "Content-Length") == NULL);
	CHECK(og_http_answer_head(buf, sizeof(buf), 401, NULL, 0, false, "") > 0);
	CHECK(strstr(buf, "Content-Length: 0\r\n") != NULL);
	CHECK(strstr(buf, "Connection: close\r\n") != NULL);
	CHECK_EQ(og_http_answer_head(buf, 20, 200, NULL, 0, true, ""), 0);
}

TEST_MAIN(TEST_ENTRY(a_request_is_read), TEST_ENTRY(a_path_may_have_a_host_in_front),
	  TEST_ENTRY(each_beginning_of_a_request_is_not_complete),
	  TEST_ENTRY(what_is_not_http_is_refused),
	  TEST_ENTRY(a_head_without_an_end_is_refused_in_time),
	  TEST_ENTRY(a_header_that_is_asked_for_is_shown_and_may_come_once),
	  TEST_ENTRY(an_answer_has_one_way_to_be_read))
