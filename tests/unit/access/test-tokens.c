/* SPDX-License-Identifier: Apache-2.0 */
/* A58: what is no token of ours, or of somebody whom we trust, for us and now, is refused. */
#include "access/tokens.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/base64.h"
#include "base/pk.h"
#include "base/test.h"
#include "base/text.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define NOW	    1800000000

static const struct og_scope app = { "repository", "team/app", 7 };

static struct og_tokens *open_here(const char *service)
{
	struct og_tokens *tokens = NULL;

	og_auto_fd dir_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK_OK(og_tokens_open(dir_fd, service, 300, &tokens, NULL));
	return tokens;
}

static char *issue(const struct og_tokens *tokens)
{
	char *token = NULL;

	CHECK_OK(og_tokens_issue(tokens, "alice", &app, 1, NOW, &token, NULL));
	return token;
}

static int verify(const struct og_tokens *tokens, const char *token, int64_t now)
{
	struct og_err err = {};
	struct og_jwt jwt;
	bool ours = false;
	int r = og_tokens_verify(tokens, token, false, now, &jwt, &ours, &err);

	if (r == 0)
		og_jwt_done(&jwt);
	else
		CHECK(err.text[0] != '\0');
	return r;
}

TEST(our_tokens_are_ours_also_after_a_restart)
{
	struct og_tokens *tokens = open_here("reg");
	og_auto_free char *token = issue(tokens);
	struct og_jwt_access access;
	struct og_jwt jwt;
	struct stat st;
	bool ours = false;

	og_tokens_free(tokens);
	CHECK_OK(stat("token.key", &st));
	CHECK_EQ(st.st_mode & 0777, 0600);
	tokens = open_here("reg");
	CHECK_OK(og_tokens_verify(tokens, token, false, NOW, &jwt, &ours, NULL));
	CHECK(ours && og_streq(jwt.sub, "alice"));
	CHECK(og_jwt_access_at(&jwt, 0, &access) && og_jwt_allows(&access, "push"));
	og_jwt_done(&jwt);
	og_tokens_free(tokens);
}

TEST(tokens_that_are_over_or_for_others_are_refused)
{
	struct og_tokens *tokens = open_here("reg"), *other;
	og_auto_free char *token = issue(tokens);
	struct og_jwt jwt;
	bool ours = false;

	CHECK_OK(verify(tokens, token, NOW));
	CHECK_EQ(verify(tokens, token, NOW + 300 + OG_JWT_LEEWAY_S), -EACCES);
	CHECK_EQ(verify(tokens, token, NOW - OG_JWT_LEEWAY_S - 1), -EACCES);
	/* Also one whose signature was good a moment ago. */
	CHECK_EQ(og_tokens_verify(tokens, token, true, NOW + 300 + OG_JWT_LEEWAY_S, &jwt, &ours,
				  NULL),
		 -EACCES);
	CHECK_OK(og_tokens_verify(tokens, token, true, NOW, &jwt, &ours, NULL));
	og_jwt_done(&jwt);
	other = open_here("another-registry");
	CHECK_EQ(verify(other, token, NOW), -EACCES);
	og_tokens_free(other);
	/* The same service and issuer, another key. */
	CHECK(unlink("token.key") == 0);
	other = open_here("reg");
	CHECK_EQ(verify(other, token, NOW), -EACCES);
	og_tokens_free(other);
	og_tokens_free(tokens);
}

TEST(every_changed_byte_is_noticed)
{
	struct og_tokens *tokens = open_here("reg");
	og_auto_free char *token = issue(tokens);

	for (size_t i = 0; i < strlen(token); i++) {
		char was = token[i];

		token[i] = was == 'A' ? 'B' : 'A';
		CHECK_EQ(verify(tokens, token, NOW), -EACCES);
		token[i] = '\0';
		CHECK_EQ(verify(tokens, token, NOW), -EACCES);
		token[i] = was;
	}
	CHECK_OK(verify(tokens, token, NOW));
	og_tokens_free(tokens);
}

static char *encode(const void *buf, size_t len)
{
	char *text = og_base64_encode(buf, len);

	text[strcspn(text, "=")] = '\0';
	for (char *at = text; *at != '\0'; at++)
		*at = (char)(*at == '+' ? '-' : *at == '/' ? '_' : *at);
	return text;
}

/* @token with another header. */
static char *with_header(const char *token, const char *header)
{
	og_auto_free char *encoded = encode(header, strlen(header));

	return og_strdupf("%s%s", encoded, strchr(token, '.'));
}

TEST(a_header_chooses_neither_key_nor_algorithm)
{
	static const char *const headers[] = {
		"{\"alg\":\"none\"}",
		"{\"alg\":\"HS256\"}",
		"{\"alg\":\"RS256\"}",
		"{\"alg\":\"EdDSA\"}",
		"{\"alg\":\"ES256\",\"kid\":\"../../../../dev/null\"}",
		"{\"alg\":\"ES256\",\"kid\":\"unknown\"}",
		"{\"alg\":\"ES256\",\"jwk\":{}}",
		"{\"alg\":\"ES256\"}", /* only the signature is wrong */
	};
	struct og_tokens *tokens = open_here("reg");
	og_auto_free char *token = issue(tokens);

	for (size_t i = 0; i < COUNT_OF(headers); i++) {
		og_auto_free char *changed = with_header(token, headers[i]);
		og_auto_free char *bare = strdup(changed);

		CHECK_EQ(verify(tokens, changed, NOW), -EACCES);
		*(strrchr(bare, '.') + 1) = '\0';
		CHECK_EQ(verify(tokens, bare, NOW), -EACCES);
	}
	og_tokens_free(tokens);
}

/* A token of @issuer signed by @sk. */
static char *foreign(const struct og_sk *sk, const char *issuer)
{
	og_cleanup(og_json_freep) struct og_json *claims = og_json_new_object();
	uint8_t der[OG_PK_SIGNATURE_MAX], raw[OG_PK_RAW_BYTES];
	og_auto_free char *opened = NULL;
	size_t len = 0;

	og_json_set_string(claims, "iss", issuer);
	og_json_set_string(claims, "sub", "carol");
	og_json_set_string(claims, "aud", "their-name-of-us");
	og_json_set_int(claims, "exp", NOW + 60);
	opened = og_jwt_open("ANY:KEY", claims);
	CHECK_OK(og_sk_sign(sk, opened, strlen(opened), der, &len, NULL));
	CHECK_OK(og_pk_raw_from_der(der, len, raw));
	return og_jwt_seal(opened, raw, sizeof(raw));
}

TEST(another_issuer_is_believed_by_its_own_key_alone)
{
	struct og_tokens *tokens = open_here("reg");
	og_auto_free char *pem = NULL, *good = NULL, *as_us = NULL, *wrong_key = NULL;
	struct og_sk *sk = NULL, *other = NULL;
	struct og_pk *pk = NULL;
	struct og_jwt jwt;
	bool ours = true;

	CHECK_OK(og_sk_generate(&sk, NULL));
	CHECK_OK(og_sk_generate(&other, NULL));
	CHECK_OK(og_sk_public(sk, &pk, NULL));
	CHECK_OK(og_pk_write(pk, &pem, NULL));
	good = foreign(sk, "https://auth.example.org");
	CHECK_EQ(verify(tokens, good, NOW), -EACCES);
	CHECK_OK(og_tokens_trust(tokens, "https://auth.example.org", "their-name-of-us", pem,
				 strlen(pem), NULL));
	CHECK_EQ(og_tokens_trust(tokens, OG_TOKENS_ISSUER, "x", pem, strlen(pem), NULL), -EINVAL);
	CHECK_OK(og_tokens_verify(tokens, good, false, NOW, &jwt, &ours, NULL));
	CHECK(!ours && og_streq(jwt.sub, "carol"));
	og_jwt_done(&jwt);
	/* It does not speak for us, and nobody else speaks for it. */
	as_us = foreign(sk, OG_TOKENS_ISSUER);
	CHECK_EQ(verify(tokens, as_us, NOW), -EACCES);
	wrong_key = foreign(other, "https://auth.example.org");
	CHECK_EQ(verify(tokens, wrong_key, NOW), -EACCES);
	og_pk_free(pk);
	og_sk_free(sk);
	og_sk_free(other);
	og_tokens_free(tokens);
}

TEST_MAIN(TEST_ENTRY(our_tokens_are_ours_also_after_a_restart),
	  TEST_ENTRY(tokens_that_are_over_or_for_others_are_refused),
	  TEST_ENTRY(every_changed_byte_is_noticed),
	  TEST_ENTRY(a_header_chooses_neither_key_nor_algorithm),
	  TEST_ENTRY(another_issuer_is_believed_by_its_own_key_alone))
