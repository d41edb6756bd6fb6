/* SPDX-License-Identifier: Apache-2.0 */
#include "base/http_head.h"

#include <errno.h>

#include "base/test.h"
#include "base/text.h"

static bool is(struct og_http_text text, const char *wanted)
{
	return text.len == strlen(wanted) && memcmp(text.at, wanted, text.len) == 0;
}

TEST(a_head_is_read_line_by_line)
{
	static const char text[] = "PUT /v2/a?b=c HTTP/1.1\r\nHost:x\r\nEmpty:\r\n"
				   "X-Odd!#$%&'*+-.^_`|~1:  a \t b\t \r\n\r\nrest";
	size_t len = strlen(text) - 4;
	struct og_http_head head;
	struct og_http_text name, value;

	CHECK_EQ(og_http_head_length(text, strlen(text), 0), len);
	CHECK(og_http_head_start(&head, text, len) == NULL);
	CHECK(is(head.method, "PUT") && is(head.target, "/v2/a?b=c") && head.minor == 1);
	CHECK_EQ(og_http_head_next(&head, &name, &value), 1);
	CHECK(og_http_text_is(name, "host") && is(value, "x"));
	CHECK_EQ(og_http_head_next(&head, &name, &value), 1);
	CHECK(is(name, "Empty") && is(value, ""));
	CHECK_EQ(og_http_head_next(&head, &name, &value), 1);
	CHECK(is(name, "X-Odd!#$%&'*+-.^_`|~1") && is(value, "a \t b"));
	CHECK_EQ(og_http_head_next(&head, &name, &value), 0);
}

TEST(a_head_that_comes_in_pieces_ends_where_a_whole_one_does)
{
	static const char text[] = "GET / HTTP/1.1\r\nA: b\r\n\r\nGET /";
	size_t whole = strlen(text) - 5;

	for (size_t len = 0; len < whole; len++)
		for (size_t from = 0; from <= len; from++)
			CHECK_EQ(og_http_head_length(text, len, from), 0);
	for (size_t from = 0; from < whole; from++)
		CHECK_EQ(og_http_head_length(text, strlen(text), from), whole);
	CHECK_EQ(og_http_head_length("\n", 1, 0), -EBADMSG);
	CHECK_EQ(og_http_head_length("GET / HTTP/1.1\r\nA: b\n", 21, 20), -EBADMSG);
}

/* What og_http_head_start() and og_http_head_next() say to a whole head. */
static bool is_refused(const char *text)
{
	struct og_http_head head;
	struct og_http_text name, value;
	int r;

	if (og_http_head_start(&head, text, strlen(text)) != NULL)
		return true;
	while ((r = og_http_head_next(&head, &name, &value)) > 0)
		;
	return r < 0;
}

TEST(what_other_readers_might_read_in_another_way_is_refused)
{
	static const char *const lines[] = {
		"GET / HTTP/2.0\r\n\r\n",
		"GET / HTTP/1.2\r\n\r\n",
		"GET / http/1.1\r\n\r\n",
		"GET / HTTP/1.1 \r\n\r\n",
		"GET  / HTTP/1.1\r\n\r\n",
		"GET\t/ HTTP/1.1\r\n\r\n",
		"GET /\r\n\r\n",
		" GET / HTTP/1.1\r\n\r\n",
		"\r\nGET / HTTP/1.1\r\n\r\n",
		"G(T / HTTP/1.1\r\n\r\n",
		"GET /\x01 HTTP/1.1\r\n\r\n",
		"GET /\x7f HTTP/1.1\r\n\r\n",
		"\r\n\r\n",
	};
	static const char *const headers[] = {
		"A : b",       "nothing",    ": b",	   " folded: x", "A: b\r\n c",
		"A: b\x01",    "A: b\rC: d", "A: b\nC: d", "A: b\x7f",	 "A b: c",
		"A: b\r\n\tc", "A\x80: b",   "\"A\": b",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		CHECK(is_refused(lines[i]));
	CHECK(!is_refused("GET / HTTP/1.0\r\nA: \xc3\xa9\r\n\r\n"));
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		og_auto_free char *text =
			og_strdupf("GET / HTTP/1.1\r\n%s\r\nB: c\r\n\r\n", headers[i]);

		CHECK(is_refused(text));
	}
}

TEST(numbers_are_digits)
{
	static const char *const bad[] = { "",	  "+1",	 "-1",
					   " 1",  "1 ",	 "0x1",
					   "1,1", "1e3", "10000000000000000000" };
	uint64_t number;

	CHECK(og_http_text_number((struct og_http_text){ "0012", 4 }, &number) && number == 12);
	CHECK(og_http_text_number((struct og_http_text){ "9999999999999999999", 19 }, &number));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(!og_http_text_number((struct og_http_text){ bad[i], strlen(bad[i]) },
					   &number));
}

/* Reads a chunked body of which @step bytes come at a time. Returns bytes consumed or an error. */
static ptrdiff_t read_chunks(const char *text, size_t step, struct og_text *ret_content,
			     struct og_http_chunks *chunks)
{
	size_t at = 0, len = strlen(text);

	*chunks = (struct og_http_chunks){};
	while (at < len && !chunks->done) {
		size_t give = len - at < step ? len - at : step;
		ptrdiff_t n = og_http_chunks_skip(chunks, text + at, give);

		if (n < 0)
			return n;
		at += (size_t)n;
		give -= (size_t)n;
		if (give > chunks->left)
			give = (size_t)chunks->left;
		og_text_add_bytes(ret_content, text + at, give);
		at += give;
		chunks->left -= give;
	}
	return (ptrdiff_t)at;
}

TEST(chunks_are_joined_however_they_come)
{
	static const char text[] = "3\r\nabc\r\n00010; name=\"v\"\r\n0123456789abcdef\r\n"
				   "A \r\n\r\n\r\n\r\n\r\n\r\n\r\n0\r\nTrailer: x\r\n\r\nrest";
	static const char wanted[] = "abc0123456789abcdef\r\n\r\n\r\n\r\n\r\n";

	for (size_t step = 1; step < sizeof(text); step++) {
		og_auto_text content = {};
		struct og_http_chunks chunks;

		CHECK_EQ(read_chunks(text, step, &content, &chunks), strlen(text) - 4);
		CHECK(chunks.done);
		CHECK(og_streq(content.buf, wanted));
	}
}

TEST(chunks_with_two_readings_are_refused)
{
	static const char *const texts[] = {
		"\r\n",
		"x\r\n",
		"0x3\r\nabc\r\n",
		"+3\r\nabc\r\n",
		" 3\r\nabc\r\n",
		"3\nabc\r\n",
		"3\r\nabc\n",
		"3\r\nabcd\r\n",
		"3\rabc\r\n",
		"3\r\nabc\r\r\n",
		"0\r\n\n",
		"0\r\n\rx",
		"0\r\nA: b\n\r\n",
		"3;a\nb\r\nabc",
		"3_\r\nabc",
		"1234567890123456\r\n",
		"0\n\n",
		"-0\r\n\r\n",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		og_auto_text content = {};
		struct og_http_chunks chunks;

		CHECK_EQ(read_chunks(texts[i], 64, &content, &chunks), -EBADMSG);
	}
}

TEST(extensions_and_trailers_have_an_end)
{
	og_auto_text text = {}, content = {};
	struct og_http_chunks chunks;

	og_text_add(&text, "0\r\n");
	for (int i = 0; i < 1000; i++)
		og_text_add(&text, "Trailer: a value\r\n");
	CHECK_EQ(read_chunks(text.buf, text.len, &content, &chunks), -EBADMSG);
}

TEST_MAIN(TEST_ENTRY(a_head_is_read_line_by_line),
	  TEST_ENTRY(a_head_that_comes_in_pieces_ends_where_a_whole_one_does),
	  TEST_ENTRY(what_other_readers_might_read_in_another_way_is_refused),
	  TEST_ENTRY(numbers_are_digits), TEST_ENTRY(chunks_are_joined_however_they_come),
	  TEST_ENTRY(chunks_with_two_readings_are_refused),
	  TEST_ENTRY(extensions_and_trailers_have_an_end))
