/* SPDX-License-Identifier: Apache-2.0 */
#include "access/tokens.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/permissions.h"
#include "base/io.h"
#include "base/password.h"
#include "base/pk.h"
#include "base/text.h"

#define KEY_FILE     "token.key"
#define KEY_FILE_MAX 4096U
#define KEY_ID_BYTES 16U
#define JTI_BYTES    16U

/* What a signature is judged by. */
struct trusted {
	char *issuer, *audience; /* owned */
	struct og_pk *pk;	 /* owned */
	char kid[2 * KEY_ID_BYTES + 1];
};

struct og_tokens {
	struct og_sk *sk; /* owned */
	unsigned lifetime_s;
	struct trusted keys[OG_TOKENS_KEYS + 1]; /* ours is the first */
	size_t key_count;
};

static void to_hex(const uint8_t *bytes, size_t len, char *out)
{
	for (size_t i = 0; i < len; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static int make_key(int dir_fd, struct og_sk **ret_sk, struct og_err *err)
{
	og_auto_free void *der = NULL;
	size_t len = 0;
	int r = og_sk_generate(ret_sk, err);

	if (r == 0)
		r = og_sk_write(*ret_sk, &der, &len, err);
	if (r < 0)
		return r;
	r = og_replace_file(dir_fd, KEY_FILE, der, len, 0600, true, err);
	explicit_bzero(der, len);
	return r;
}

static int load_key(int dir_fd, struct og_sk **ret_sk, struct og_err *err)
{
	og_auto_free char *der = NULL;
	size_t len = 0;
	int r;

	if (faccessat(dir_fd, KEY_FILE, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		return make_key(dir_fd, ret_sk, err);
	r = og_read_file(dir_fd, KEY_FILE, KEY_FILE_MAX, &der, &len, err);
	if (r < 0)
		return r;
	r = og_sk_parse(der, len, false, ret_sk, err);
	explicit_bzero(der, len);
	return r < 0 ? og_fail_in(err, r, KEY_FILE) : 0;
}

/* Takes @pk over, also when it fails. */
static int add_key(struct og_tokens *tokens, const char *issuer, const char *audience,
		   struct og_pk *pk, struct og_err *err)
{
	struct trusted *key = &tokens->keys[tokens->key_count];

	key->issuer = strdup(issuer);
	key->audience = strdup(audience);
	key->pk = pk;
	to_hex(og_pk_id(pk), KEY_ID_BYTES, key->kid);
	tokens->key_count++;
	return key->issuer != NULL && key->audience != NULL ? 0 : og_fail(err, -ENOMEM, "keys");
}

int og_tokens_open(int dir_fd, const char *service, unsigned lifetime_s,
		   struct og_tokens **ret_tokens, struct og_err *err)
{
	og_cleanup(og_tokens_freep) struct og_tokens *tokens = calloc(1, sizeof(*tokens));
	struct og_pk *pk = NULL;
	int r;

	if (tokens == NULL)
		return og_fail(err, -ENOMEM, "tokens");
	tokens->lifetime_s = lifetime_s;
	r = load_key(dir_fd, &tokens->sk, err);
	if (r == 0)
		r = og_sk_public(tokens->sk, &pk, err);
	if (r == 0)
		r = add_key(tokens, OG_TOKENS_ISSUER, service, pk, err);
	if (r < 0)
		return r;
	*ret_tokens = og_take_ptr(tokens);
	return 0;
}

struct og_tokens *og_tokens_free(struct og_tokens *tokens)
{
	if (tokens == NULL)
		return NULL;
	for (size_t i = 0; i < tokens->key_count; i++) {
		free(tokens->keys[i].issuer);
		free(tokens->keys[i].audience);
		og_pk_free(tokens->keys[i].pk);
	}
	og_sk_free(tokens->sk);
	free(tokens);
	return NULL;
}

int og_tokens_trust(struct og_tokens *tokens, const char *issuer, const char *audience,
		    const char *pem, size_t len, struct og_err *err)
{
	struct og_pk *pk = NULL;
	int r;

	if (tokens->key_count > OG_TOKENS_KEYS)
		return og_fail_plain(err, -E2BIG, "over %u keys of token issuers", OG_TOKENS_KEYS);
	if (og_streq(issuer, OG_TOKENS_ISSUER) || issuer[0] == '\0' || audience[0] == '\0')
		return og_fail_plain(err, -EINVAL, "'%s' is no other issuer", issuer);
	r = og_pk_parse(pem, len, &pk, err);
	return r < 0 ? r : add_key(tokens, issuer, audience, pk, err);
}

const char *og_tokens_service(const struct og_tokens *tokens)
{
	return tokens->keys[0].audience;
}

unsigned og_tokens_lifetime_s(const struct og_tokens *tokens)
{
	return tokens->lifetime_s;
}

/* ---- making ---- */

/* The one action on the catalog is "*". */
static struct og_json *words_of(const struct og_scope *scope)
{
	struct og_json *words;

	if (og_streq(scope->type, OG_SCOPE_TYPE_REPO))
		return og_scope_words(scope->rights);
	words = og_json_new_array();
	if (scope->rights == OG_RIGHT_ALL)
		og_json_push(words, og_json_new_string("*"));
	return words;
}

static struct og_json *claims_of(const struct og_tokens *tokens, const char *subject,
				 const struct og_scope *scopes, size_t count, int64_t now)
{
	struct og_json *claims = og_json_new_object(), *access = og_json_new_array();
	uint8_t random[JTI_BYTES];
	char jti[2 * JTI_BYTES + 1];

	og_random(random, sizeof(random));
	to_hex(random, sizeof(random), jti);
	for (size_t i = 0; i < count; i++) {
		struct og_json *entry = og_json_new_object();

		og_json_set_string(entry, "type", scopes[i].type);
		og_json_set_string(entry, "name", scopes[i].name);
		og_json_set(entry, "actions", words_of(&scopes[i]));
		og_json_push(access, entry);
	}
	og_json_set_string(claims, "iss", OG_TOKENS_ISSUER);
	og_json_set_string(claims, "sub", subject);
	og_json_set_string(claims, "aud", og_tokens_service(tokens));
	og_json_set_int(claims, "exp", now + (int64_t)tokens->lifetime_s);
	og_json_set_int(claims, "nbf", now);
	og_json_set_int(claims, "iat", now);
	og_json_set_string(claims, "jti", jti);
	og_json_set(claims, "access", access);
	return claims;
}

int og_tokens_issue(const struct og_tokens *tokens, const char *subject,
		    const struct og_scope *scopes, size_t count, int64_t now, char **ret_token,
		    struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *claims =
		claims_of(tokens, subject, scopes, count, now);
	og_auto_free char *opened = og_jwt_open(tokens->keys[0].kid, claims);
	uint8_t der[OG_PK_SIGNATURE_MAX], raw[OG_PK_RAW_BYTES];
	size_t len = 0;
	int r;

	if (opened == NULL)
		return og_fail(err, -ENOMEM, "token");
	r = og_sk_sign(tokens->sk, opened, strlen(opened), der, &len, err);
	if (r == 0)
		r = og_pk_raw_from_der(der, len, raw);
	if (r < 0)
		return r;
	*ret_token = og_jwt_seal(opened, raw, sizeof(raw));
	return *ret_token != NULL ? 0 : og_fail(err, -ENOMEM, "token");
}

/* ---- judging ---- */

static bool is_kind(const struct og_pk *pk, enum og_jwt_alg alg)
{
	switch (alg) {
	case OG_JWT_ES256:
		return og_pk_kind(pk) == OG_PK_P256;
	case OG_JWT_RS256:
		return og_pk_kind(pk) == OG_PK_RSA;
	case OG_JWT_EDDSA:
		return og_pk_kind(pk) == OG_PK_ED25519;
	}
	return false;
}

static int verify_by(const struct og_pk *pk, const struct og_jwt *jwt, const char *text,
		     struct og_err *err)
{
	uint8_t der[OG_PK_SIGNATURE_MAX];
	size_t len = 0;

	if (jwt->alg != OG_JWT_ES256)
		return og_pk_verify(pk, text, jwt->signed_len, jwt->signature, jwt->signature_len,
				    err);
	if (jwt->signature_len != OG_PK_RAW_BYTES ||
	    og_pk_der_from_raw(jwt->signature, der, &len) < 0)
		return og_fail_plain(err, -EKEYREJECTED, "token: no signature");
	return og_pk_verify(pk, text, jwt->signed_len, der, len, err);
}

static int judge(const struct og_tokens *tokens, const struct og_jwt *jwt, const char *text,
		 bool verified, int64_t now, bool *ret_ours, struct og_err *err)
{
	bool known = false;

	for (size_t i = 0; i < tokens->key_count; i++) {
		const struct trusted *key = &tokens->keys[i];
		int r;

		if (!og_streq(key->issuer, jwt->iss) || !is_kind(key->pk, jwt->alg) ||
		    (i == 0 && jwt->kid[0] != '\0' && !og_streq(jwt->kid, key->kid)))
			continue;
		known = true;
		if (!verified && verify_by(key->pk, jwt, text, NULL) < 0)
			continue;
		r = og_jwt_check(jwt, key->issuer, key->audience, now, err);
		/* One that was verified before may be by another key of its issuer. */
		if (r < 0 && verified)
			continue;
		if (r < 0)
			return r;
		*ret_ours = i == 0;
		return 0;
	}
	return og_fail_plain(err, -EKEYREJECTED, "token: %s",
			     !known	? "of no issuer that is trusted"
			     : verified ? "it is over"
					: "its signature is wrong");
}

int og_tokens_verify(const struct og_tokens *tokens, const char *text, bool verified, int64_t now,
		     struct og_jwt *ret_jwt, bool *ret_ours, struct og_err *err)
{
	struct og_jwt jwt;

	if (og_jwt_parse(text, strlen(text), &jwt, err) < 0)
		return -EACCES;
	if (judge(tokens, &jwt, text, verified, now, ret_ours, err) < 0) {
		og_jwt_done(&jwt);
		return -EACCES;
	}
	*ret_jwt = jwt;
	return 0;
}
