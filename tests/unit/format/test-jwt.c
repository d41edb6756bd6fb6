/* SPDX-License-Identifier: Apache-2.0 */
#include "format/jwt.h"

#include <errno.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/test.h"
#include "base/text.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define NOW	    1800000000
#define CLAIMS                                                                  \
	"{\"iss\":\"us\",\"aud\":\"reg\",\"sub\":\"alice\",\"exp\":1800000300," \
	"\"access\":[{\"type\":\"repository\",\"name\":\"team/app\",\"actions\":[\"pull\"]}]}"
#define HEADER "{\"typ\":\"JWT\",\"alg\":\"ES256\",\"kid\":\"AB:CD\"}"

static void add64(struct og_text *text, const void *buf, size_t len)
{
	og_auto_free char *encoded = og_base64_encode(buf, len);

	encoded[strcspn(encoded, "=")] = '\0';
	for (char *at = encoded; *at != '\0'; at++)
		*at = (char)(*at == '+' ? '-' : *at == '/' ? '_' : *at);
	og_text_add(text, encoded);
}

static char *make(const char *header, const char *claims, size_t signature_len)
{
	unsigned char signature[OG_JWT_SIG_MAX + 1] = { 1, 2, 3 };
	struct og_text text = {};

	add64(&text, header, strlen(header));
	og_text_add(&text, ".");
	add64(&text, claims, strlen(claims));
	og_text_add(&text, ".");
	add64(&text, signature, signature_len);
	return og_text_take(&text);
}

static int parse(const char *header, const char *claims, size_t signature_len, struct og_jwt *jwt)
{
	og_auto_free char *text = make(header, claims, signature_len);
	struct og_err err = {};
	int r = og_jwt_parse(text, strlen(text), jwt, &err);

	CHECK((r < 0) == (err.text[0] != '\0'));
	return r;
}

TEST(a_token_says_what_it_claims)
{
	og_auto_free char *text = make(HEADER, CLAIMS, 64);
	struct og_jwt_access access;
	struct og_jwt jwt;

	CHECK_OK(og_jwt_parse(text, strlen(text), &jwt, NULL));
	CHECK_EQ(jwt.alg, OG_JWT_ES256);
	CHECK(og_streq(jwt.kid, "AB:CD") && og_streq(jwt.sub, "alice"));
	CHECK_EQ(jwt.exp, 1800000300);
	CHECK(text[jwt.signed_len] == '.');
	CHECK_EQ(strchr(text + jwt.signed_len + 1, '.') == NULL, 1);
	CHECK_EQ(jwt.signature_len, 64);
	CHECK(og_jwt_access_at(&jwt, 0, &access) && og_streq(access.name, "team/app"));
	CHECK(og_jwt_allows(&access, "pull") && !og_jwt_allows(&access, "push"));
	CHECK(!og_jwt_access_at(&jwt, 1, &access));
	og_jwt_done(&jwt);
}

TEST(headers_that_would_choose_their_own_judge_are_refused)
{
	static const char *const rows[] = {
		"{\"alg\":\"none\"}",
		"{\"alg\":\"None\"}",
		"{\"alg\":\"HS256\"}",
		"{\"alg\":\"ES384\"}",
		"{\"alg\":\"es256\"}",
		"{\"alg\":[\"ES256\"]}",
		"{\"alg\":\"ES256\",\"alg\":\"none\"}",
		"{}",
		"[]",
		"{\"alg\":\"ES256\",\"crit\":[\"exp\"]}",
		"{\"alg\":\"ES256\",\"jwk\":{\"kty\":\"EC\"}}",
		"{\"alg\":\"ES256\",\"jku\":\"http://example.org/\"}",
		"{\"alg\":\"ES256\",\"x5u\":\"http://example.org/\"}",
		"{\"alg\":\"ES256\",\"kid\":\"../../etc/passwd\"}",
		"{\"alg\":\"ES256\",\"kid\":\"..\"}",
		"{\"alg\":\"ES256\",\"kid\":\"/dev/null\"}",
		"{\"alg\":\"ES256\",\"kid\":\"a b\"}",
		"{\"alg\":\"ES256\",\"kid\":\"' or 1=1 --\"}",
		"{\"alg\":\"ES256\",\"kid\":7}",
		"{\"alg\":\"ES256\",\"typ\":\"JWE\"}",
	};
	struct og_jwt jwt;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int r = parse(rows[i], CLAIMS, 64, &jwt);

		if (r != -EBADMSG && r != -ENOTSUP) {
			fprintf(stderr, "%s: %d\n", rows[i], r);
			exit(EXIT_FAILURE);
		}
	}
}

TEST(malformed_claims_are_refused)
{
	static const char *const rows[] = {
		"{}",
		"[]",
		"{\"exp\":0}",
		"{\"exp\":-1}",
		"{\"exp\":\"1800000300\"}",
		"{\"exp\":1e300}",
		"{\"exp\":1800000300,\"nbf\":\"x\"}",
		"{\"exp\":1800000300,\"iss\":7}",
		"{\"exp\":1800000300,\"aud\":7}",
		"{\"exp\":1800000300,\"aud\":[7]}",
		"{\"exp\":1800000300,\"access\":{}}",
		"{\"exp\":1800000300,\"access\":[7]}",
		"{\"exp\":1800000300,\"access\":[{\"type\":\"repository\"}]}",
		"{\"exp\":1800000300,\"access\":[{\"type\":\"a\",\"name\":\"b\",\"actions\":\"*\"}]}",
		"{\"exp\":1800000300,\"access\":[{\"type\":\"a\",\"name\":\"b\",\"actions\":[1]}]}",
		"{\"exp\":1800000300,\"exp\":1900000000}",
	};
	struct og_jwt jwt;

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		CHECK_EQ(parse(HEADER, rows[i], 64, &jwt), -EBADMSG);
}

TEST(cut_and_stretched_tokens_are_refused)
{
	og_auto_free char *text = make(HEADER, CLAIMS, 64);
	og_auto_free char *more = og_strdupf("%s.AA", text);
	og_auto_free char *padded = og_strdupf("%s=", text);
	og_auto_free char *blank = og_strdupf("%s ", text);
	struct og_jwt jwt;

	for (size_t len = 0; len < strlen(text); len++)
		CHECK(og_jwt_parse(text, len, &jwt, NULL) < 0);
	CHECK(og_jwt_parse(more, strlen(more), &jwt, NULL) == -EBADMSG);
	CHECK(og_jwt_parse(padded, strlen(padded), &jwt, NULL) == -EBADMSG);
	CHECK(og_jwt_parse(blank, strlen(blank), &jwt, NULL) == -EBADMSG);
	CHECK_EQ(og_jwt_parse(text, (size_t)OG_JWT_MAX + 1, &jwt, NULL), -E2BIG);
	CHECK_EQ(parse(HEADER, CLAIMS, 63, &jwt), -EBADMSG);
	CHECK_EQ(parse(HEADER, CLAIMS, 65, &jwt), -EBADMSG);
	CHECK_EQ(parse("{\"alg\":\"RS256\"}", CLAIMS, OG_JWT_SIG_MAX + 1, &jwt), -EBADMSG);
	/* The last character of 64 bytes has four bits that say nothing. */
	text[strlen(text) - 1] = 'B';
	CHECK_EQ(og_jwt_parse(text, strlen(text), &jwt, NULL), -EBADMSG);
}

TEST(issuer_audience_and_time_are_asked)
{
	static const struct {
		const char *claims, *issuer, *audience;
		int64_t now;
		int want;
	} rows[] = {
		{ CLAIMS, "us", "reg", NOW, 0 },
		{ CLAIMS, "us", "reg", NOW + 300 + OG_JWT_LEEWAY_S, -EKEYEXPIRED },
		{ CLAIMS, "us", "reg", NOW + 300 + OG_JWT_LEEWAY_S - 1, 0 },
		{ CLAIMS, "them", "reg", NOW, -EKEYREJECTED },
		{ CLAIMS, "us", "other", NOW, -EKEYREJECTED },
		{ CLAIMS, "us", "re", NOW, -EKEYREJECTED },
		{ CLAIMS, "us", "", NOW, -EKEYREJECTED },
		{ "{\"exp\":1800000300,\"iss\":\"us\"}", "us", "reg", NOW, -EKEYREJECTED },
		{ "{\"exp\":1800000300,\"iss\":\"us\",\"aud\":[]}", "us", "reg", NOW,
		  -EKEYREJECTED },
		{ "{\"exp\":1800000300,\"aud\":\"reg\"}", "", "reg", NOW, -EKEYREJECTED },
		{ "{\"exp\":1800000300,\"iss\":\"us\",\"aud\":[\"a\",\"reg\"]}", "us", "reg", NOW,
		  0 },
		{ "{\"exp\":1800000300,\"iss\":\"us\",\"aud\":\"reg\",\"nbf\":1800000000.5}", "us",
		  "reg", NOW - OG_JWT_LEEWAY_S, 0 },
		{ "{\"exp\":1800000300,\"iss\":\"us\",\"aud\":\"reg\",\"nbf\":1800000000}", "us",
		  "reg", NOW - OG_JWT_LEEWAY_S - 1, -EKEYEXPIRED },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct og_jwt jwt;

		CHECK_OK(parse(HEADER, rows[i].claims, 64, &jwt));
		CHECK_EQ(og_jwt_check(&jwt, rows[i].issuer, rows[i].audience, rows[i].now, NULL),
			 rows[i].want);
		og_jwt_done(&jwt);
	}
}

TEST(what_is_made_is_read)
{
	og_cleanup(og_json_freep) struct og_json *claims = og_json_new_object();
	og_auto_free char *opened = NULL, *text = NULL;
	unsigned char signature[64];
	struct og_jwt jwt;

	memset(signature, 0xfb, sizeof(signature));
	og_json_set_string(claims, "iss", "us");
	og_json_set_int(claims, "exp", NOW);
	opened = og_jwt_open("key1", claims);
	text = og_jwt_seal(opened, signature, sizeof(signature));
	CHECK_OK(og_jwt_parse(text, strlen(text), &jwt, NULL));
	CHECK_EQ(jwt.signed_len, strlen(opened));
	CHECK(memcmp(jwt.signature, signature, sizeof(signature)) == 0);
	CHECK(og_streq(jwt.kid, "key1"));
	og_jwt_done(&jwt);
}

TEST_MAIN(TEST_ENTRY(a_token_says_what_it_claims),
	  TEST_ENTRY(headers_that_would_choose_their_own_judge_are_refused),
	  TEST_ENTRY(malformed_claims_are_refused),
	  TEST_ENTRY(cut_and_stretched_tokens_are_refused),
	  TEST_ENTRY(issuer_audience_and_time_are_asked), TEST_ENTRY(what_is_made_is_read))
