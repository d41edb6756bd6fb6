/* SPDX-License-Identifier: Apache-2.0 */
#include "format/http1.h"

#include <errno.h>

#include "base/test.h"

static ptrdiff_t parse(const char *text, struct og_http1_head *head)
{
	return og_http1_parse_head(text, strlen(text), head);
}

TEST(a_head_is_read_when_it_is_complete)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json; x=1\r\n"
				   "content-LENGTH:  12 \r\n\r\nbody";
	struct og_http1_head head = {};

	for (size_t len = 0; len < sizeof(text) - 5; len++)
		CHECK_EQ(og_http1_parse_head(text, len, &head), 0);
	CHECK_EQ(parse(text, &head), sizeof(text) - 5);
	CHECK_EQ(head.status, 200);
	CHECK_EQ(head.content_length, 12);
	CHECK(!head.chunked);
	CHECK_EQ(strcmp(head.content_type, "application/json"), 0);
}

TEST(heads_with_two_meanings_are_refused)
{
	static const char *const bad[] = {
		"SSH-2.0-OpenSSH\r\n\r\n",
		"HTTP/1.1 20 OK\r\n\r\n",
		"HTTP/1.1 999 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: b\r\n folded: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
	};
	struct og_http1_head head;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_EQ(parse(bad[i], &head), -EBADMSG);
}

/* Reads @text in pieces of @step; returns the bytes consumed or an error. */
static ptrdiff_t read_body(struct og_http1_body *body, const char *text, size_t step, char *out)
{
	size_t len = strlen(text);
	size_t out_len = 0;
	size_t at = 0;

	while (at < len && !body->done) {
		size_t give = len - at < step ? len - at : step;
		const char *part;
		size_t part_len;
		ptrdiff_t n = og_http1_body_next(body, text + at, give, &part, &part_len);

		if (n < 0)
			return n;
		memcpy(out + out_len, part, part_len);
		out_len += part_len;
		at += (size_t)n;
	}
	out[out_len] = '\0';
	return (ptrdiff_t)at;
}

TEST(chunks_join_however_they_arrive)
{
	static const char text[] =
		"5\r\nhello\r\n1;ext=1\r\n \r\n5\nworld\n0\r\nTrailer: x\r\n\r\n";
	struct og_http1_head head = { .status = 200, .chunked = true, .content_length = -1 };

	for (size_t step = 1; step < sizeof(text); step++) {
		struct og_http1_body body;
		char out[64];

		og_http1_body_start(&body, &head, false);
		CHECK_EQ(read_body(&body, text, step, out), sizeof(text) - 1);
		CHECK_EQ(strcmp(out, "hello world"), 0);
		CHECK(body.done);
	}
}

TEST(broken_chunks_are_refused)
{
	static const char *const bad[] = { "\r\n", "x\r\n", "5\r\nhelloX", "fffffffffffffffff\r\n",
					   "5 5\r\nhelloX" };
	struct og_http1_head head = { .status = 200, .chunked = true, .content_length = -1 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct og_http1_body body;
		char out[64];

		og_http1_body_start(&body, &head, false);
		CHECK_EQ(read_body(&body, bad[i], 64, out), -EBADMSG);
	}
}

TEST(a_body_ends_where_its_head_says)
{
	struct og_http1_head head = { .status = 200, .content_length = 3 };
	struct og_http1_body body;
	char out[64];

	og_http1_body_start(&body, &head, false);
	CHECK_EQ(read_body(&body, "abcdef", 2, out), 3);
	CHECK_EQ(strcmp(out, "abc"), 0);
	og_http1_body_start(&body, &head, false);
	CHECK_EQ(read_body(&body, "ab", 2, out), 2);
	CHECK_EQ(og_http1_body_close(&body), -ECONNRESET);
	og_http1_body_start(&body, &head, true);
	CHECK(body.done);
	head.content_length = -1;
	og_http1_body_start(&body, &head, false);
	CHECK_EQ(read_body(&body, "abcdef", 4, out), 6);
	CHECK(!body.done);
	CHECK_OK(og_http1_body_close(&body));
}

TEST_MAIN(TEST_ENTRY(a_head_is_read_when_it_is_complete),
	  TEST_ENTRY(heads_with_two_meanings_are_refused),
	  TEST_ENTRY(chunks_join_however_they_arrive), TEST_ENTRY(broken_chunks_are_refused),
	  TEST_ENTRY(a_body_ends_where_its_head_says))
