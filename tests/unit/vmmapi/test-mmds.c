/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "base/test.h"
#include "vmmapi/json_walk.h"
#include "vmmapi/mmds.h"
#include "vmmapi/mmds_store.h"
#include "vmmapi/siphash.h"

static const char data[] = "{\"latest\":{\"meta-data\":{\"ami-id\":\"ami-1\",\"a/b\":\"slash\","
			   "\"t~x\":\"tilde\",\"q\\\"\":\"quote\\n\\u0001\",\"n\":5,"
			   "\"list\":[\"x\",{\"y\":\"z\"}],\"empty\":{}}},\"s\":\"]}\"}";

struct guest {
	struct og_mmds mmds;
	struct og_mmds_outcome outcome;
	char answer[sizeof(data) + OG_MMDS_REQUEST_MAX + OG_MMDS_ANSWER_EXTRA + 1];
	const char *body;
	uint64_t now_ms;
};

static void ask(struct guest *guest, const char *request)
{
	size_t n = og_mmds_respond(&guest->mmds, request, strlen(request), guest->now_ms, 7,
				   guest->answer, og_mmds_answer_max(sizeof(data)),
				   &guest->outcome);

	CHECK(n > 0 && n < sizeof(guest->answer));
	guest->answer[n] = '\0';
	guest->body = strstr(guest->answer, "\r\n\r\n");
	CHECK(guest->body != NULL);
	guest->body += 4;
}

static int status(const struct guest *guest)
{
	return atoi(guest->answer + strlen("HTTP/1.1 "));
}

static void get(struct guest *guest, const char *path, const char *headers, int want,
		const char *body)
{
	char request[400];

	(void)snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n%s\r\n", path, headers);
	ask(guest, request);
	if (status(guest) != want || (body != NULL && strcmp(guest->body, body) != 0))
		fprintf(stderr, "GET %s: %s\n", path, guest->answer);
	CHECK_EQ(status(guest), want);
	CHECK(body == NULL || strcmp(guest->body, body) == 0);
}

#define JSON "Accept: application/json\r\n"

TEST(the_first_version_answers_by_path)
{
	struct guest guest = { .mmds = { .text = data, .len = strlen(data) } };

	get(&guest, "/latest/meta-data/ami-id", "", 200, "ami-1");
	get(&guest, "/latest/meta-data/ami-id", JSON, 200, "\"ami-1\"");
	get(&guest, "//latest///meta-data/ami-id/", "", 200, "ami-1");
	get(&guest, "/", "", 200, "latest/\ns");
	get(&guest, "/latest", "", 200, "meta-data/");
	get(&guest, "/latest/meta-data", "", 200, "ami-id\na/b\nt~x\nq\"\nn\nlist\nempty/");
	get(&guest, "/latest/meta-data/a~1b", "", 200, "slash");
	get(&guest, "/latest/meta-data/t~0x", "", 200, "tilde");
	get(&guest, "/latest/meta-data/q\"", "", 200, "quote\n\x01");
	get(&guest, "/latest/meta-data/list/0", "", 200, "x");
	get(&guest, "/latest/meta-data/list/1/y", "", 200, "z");
	get(&guest, "/latest/meta-data/empty", "", 200, "");
	get(&guest, "/latest/meta-data/n", "", 501, NULL);
	get(&guest, "/latest/meta-data/list", "", 501, NULL);
	get(&guest, "/latest/meta-data/n", JSON, 200, "5");
	get(&guest, "/s", "", 200, "]}");
	get(&guest, "/", JSON, 200, data);
	CHECK(guest.outcome.no_token && !guest.outcome.invalid_token);
}

TEST(what_is_not_there_is_not_found)
{
	struct guest guest = { .mmds = { .text = data, .len = strlen(data) } };
	static const char *const paths[] = { "/x",
					     "/lates",
					     "/latest2",
					     "/latest/meta-data/list/2",
					     "/s/x",
					     "/latest/meta-data/list/00",
					     "/latest/meta-data/list/99999999",
					     "/latest/meta-data/list/-1",
					     "/latest/meta-data/a/b" };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		get(&guest, paths[i], "", 404, NULL);
	guest.mmds.text = NULL;
	get(&guest, "/", "", 404, "Resource not found: /.");
}

TEST(imds_compat_never_answers_json)
{
	struct guest guest = { .mmds = { .text = data, .len = strlen(data), .imds_compat = true } };

	get(&guest, "/latest/meta-data/ami-id", JSON, 200, "ami-1");
}

static void put_token(struct guest *guest, const char *header, char token[200])
{
	char request[300];

	(void)snprintf(request, sizeof(request), "PUT /latest/api/token HTTP/1.1\r\n%s\r\n",
		       header);
	ask(guest, request);
	CHECK_EQ(status(guest), 200);
	CHECK(strlen(guest->body) < 100);
	strcpy(token, guest->body);
}

TEST(the_second_version_wants_a_token_that_expires)
{
	struct guest guest = { .mmds = { .text = data,
					 .len = strlen(data),
					 .v2 = true,
					 .key = "0123456789abcdef0123456789abcde" },
			       .now_ms = 5000 };
	char token[200], header[300];

	get(&guest, "/s", "", 401, NULL);
	CHECK(guest.outcome.no_token);
	get(&guest, "/s", "X-metadata-token: abc\r\n", 401, "MMDS token not valid.");
	CHECK(guest.outcome.invalid_token);
	put_token(&guest, "X-metadata-token-ttl-seconds: 10\r\n", token);
	CHECK(strstr(guest.answer, "x-metadata-token-ttl-seconds: 10\r\n") != NULL);
	(void)snprintf(header, sizeof(header), "X-aws-ec2-metadata-token: %s\r\n", token);
	get(&guest, "/s", header, 200, "]}");
	guest.now_ms = 14999;
	get(&guest, "/s", header, 200, "]}");
	guest.now_ms = 15000;
	get(&guest, "/s", header, 401, NULL);
	guest.now_ms = 6000;
	guest.mmds.key[20] ^= 1; /* another machine's */
	get(&guest, "/s", header, 401, NULL);
}

TEST(a_token_with_any_digit_changed_is_refused)
{
	struct guest guest = { .mmds = { .text = data, .len = strlen(data), .v2 = true } };
	char token[200], header[300];

	put_token(&guest, "X-aws-ec2-metadata-token-ttl-seconds: 21600\r\n", token);
	for (size_t i = 0; token[i] != '\0'; i++) {
		char was = token[i];

		token[i] = was == '0' ? '1' : '0';
		(void)snprintf(header, sizeof(header), "X-metadata-token: %s\r\n", token);
		get(&guest, "/s", header, 401, NULL);
		token[i] = was;
	}
}

TEST(bad_requests_for_a_token_are_refused)
{
	struct guest guest = { .mmds = { .v2 = true } };

	static const struct {
		const char *request;
		int status;
	} cases[] = {
		{ "PUT /latest/api/token HTTP/1.1\r\n\r\n", 400 },
		{ "PUT /latest/api/token HTTP/1.1\r\nX-metadata-token-ttl-seconds: 0\r\n\r\n",
		  400 },
		{ "PUT /latest/api/token HTTP/1.1\r\nX-metadata-token-ttl-seconds: 21601\r\n\r\n",
		  400 },
		{ "PUT /latest/api/token HTTP/1.1\r\nX-metadata-token-ttl-seconds: x\r\n\r\n",
		  400 },
		{ "PUT /latest/api/token HTTP/1.1\r\nX-metadata-token-ttl-seconds: -1\r\n\r\n",
		  400 },
		{ "PUT /latest/api/token HTTP/1.1\r\nX-metadata-token-ttl-seconds: 10\r\n"
		  "X-Forwarded-For: a\r\n\r\n",
		  400 },
		{ "PUT /latest/api HTTP/1.1\r\nX-metadata-token-ttl-seconds: 10\r\n\r\n", 404 },
		{ "PUT /s HTTP/1.1\r\n\r\n", 404 },
		{ "PATCH /s HTTP/1.1\r\n\r\n", 405 },
		{ "DELETE /s HTTP/1.1\r\n\r\n", 405 },
		{ "GET / HTTP/9\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n", 413 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ask(&guest, cases[i].request);
		if (status(&guest) != cases[i].status)
			fprintf(stderr, "%s\n%s\n", cases[i].request, guest.answer);
		CHECK_EQ(status(&guest), cases[i].status);
	}
	CHECK(og_path_is("//latest/api//token", 19, "/latest/api/token"));
}

TEST(a_request_in_pieces_and_two_in_one_are_told_apart)
{
	static const char two[] = "GET /s HTTP/1.1\r\nContent-Length: 2\r\n\r\nabGET /";
	struct guest guest = { .mmds = { .text = data, .len = strlen(data) } };
	size_t first = strlen(two) - 5;

	for (size_t len = 0; len < first; len++)
		CHECK_EQ(og_mmds_respond(&guest.mmds, two, len, 0, 0, guest.answer,
					 sizeof(guest.answer), &guest.outcome),
			 0);
	ask(&guest, two);
	CHECK_EQ(status(&guest), 200);
	CHECK_EQ(guest.outcome.taken, first);
	CHECK(guest.outcome.keep_alive);
}

TEST(text_that_is_cut_anywhere_is_survived)
{
	static const char *const paths[] = { "/latest/meta-data/list/1/y", "/s", "/", "/latest" };

	for (size_t len = 0; len <= strlen(data); len++) {
		char *cut = malloc(len + 1);

		CHECK(cut != NULL);
		memcpy(cut, data, len);
		for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
			struct og_span root = { cut, cut + len }, value;
			char buf[64];

			if (og_span_find(&root, paths[i], strlen(paths[i]), &value)) {
				(void)og_span_imds(&value, buf, sizeof(buf));
				CHECK(value.at >= cut && value.end <= cut + len);
			}
		}
		free(cut);
	}
}

static struct og_json *parsed(const char *text)
{
	struct og_json *json = NULL;

	CHECK_OK(og_json_parse(text, strlen(text), &json, NULL));
	return json;
}

/* RFC 7396, appendix A, but for those whose documents are null. */
TEST(merging_is_as_the_standard_says)
{
	static const char *const cases[][3] = {
		{ "{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
		{ "{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}" },
		{ "{\"a\":\"b\"}", "{\"a\":null}", "{}" },
		{ "{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}" },
		{ "{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
		{ "{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}" },
		{ "{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}",
		  "{\"a\":{\"b\":\"d\"}}" },
		{ "{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}" },
		{ "[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]" },
		{ "{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]" },
		{ "{\"a\":\"foo\"}", "\"bar\"", "\"bar\"" },
		{ "{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}" },
		{ "[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}" },
		{ "{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct og_mmds_store store = { .max_bytes = 1000 };
		struct og_json *json = parsed(cases[i][0]), *patch = parsed(cases[i][1]);

		CHECK_EQ(og_mmds_store_patch(&store, patch, NULL), -ENOENT);
		CHECK_OK(og_mmds_store_put(&store, json, NULL));
		CHECK_OK(og_mmds_store_patch(&store, patch, NULL));
		if (strcmp(store.text, cases[i][2]) != 0)
			fprintf(stderr, "%s + %s is %s\n", cases[i][0], cases[i][1], store.text);
		CHECK(strcmp(store.text, cases[i][2]) == 0);
		og_mmds_store_done(&store);
		(void)og_json_free(json);
		(void)og_json_free(patch);
	}
}

TEST(the_store_keeps_its_limit_and_what_it_had)
{
	struct og_mmds_store store = { .max_bytes = 12 };
	struct og_json *small = parsed("{\"a\":\"1\"}"), *large = parsed("{\"a\":\"12345678\"}");
	struct og_json *more = parsed("{\"b\":\"1\"}");

	CHECK_OK(og_mmds_store_put(&store, small, NULL));
	CHECK_EQ(og_mmds_store_put(&store, large, NULL), -EFBIG);
	CHECK_EQ(og_mmds_store_patch(&store, more, NULL), -EFBIG);
	CHECK(strcmp(store.text, "{\"a\":\"1\"}") == 0);
	og_mmds_store_done(&store);
	(void)og_json_free(small);
	(void)og_json_free(large);
	(void)og_json_free(more);
}

/* The vector of the paper's appendix A. */
TEST(siphash_is_siphash)
{
	uint8_t key[16], text[15];

	for (uint8_t i = 0; i < 16; i++)
		key[i] = i;
	for (uint8_t i = 0; i < 15; i++)
		text[i] = i;
	CHECK(og_siphash(key, text, sizeof(text)) == 0xa129ca6149be45e5);
}

TEST_MAIN(TEST_ENTRY(the_first_version_answers_by_path), TEST_ENTRY(what_is_not_there_is_not_found),
	  TEST_ENTRY(imds_compat_never_answers_json),
	  TEST_ENTRY(the_second_version_wants_a_token_that_expires),
	  TEST_ENTRY(a_token_with_any_digit_changed_is_refused),
	  TEST_ENTRY(bad_requests_for_a_token_are_refused),
	  TEST_ENTRY(a_request_in_pieces_and_two_in_one_are_told_apart),
	  TEST_ENTRY(text_that_is_cut_anywhere_is_survived),
	  TEST_ENTRY(merging_is_as_the_standard_says),
	  TEST_ENTRY(the_store_keeps_its_limit_and_what_it_had), TEST_ENTRY(siphash_is_siphash))
