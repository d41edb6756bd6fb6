/* SPDX-License-Identifier: Apache-2.0 */
#include "format/cosign_key.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/text.h"

#define LINE_CHARS 64

/* What cosign writes, and what it wrote before version 2. */
static const char *const labels[] = { "ENCRYPTED SIGSTORE PRIVATE KEY",
				      "ENCRYPTED COSIGN PRIVATE KEY" };

/* The label that @text begins with, NULL for none; *@ret_body is what follows its line. */
static const char *find_label(const char *text, const char **ret_body)
{
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		char begin[64];

		(void)snprintf(begin, sizeof(begin), "-----BEGIN %s-----\n", labels[i]);
		if (og_starts_with(text, begin)) {
			*ret_body = text + strlen(begin);
			return labels[i];
		}
	}
	return NULL;
}

bool og_cosign_key_is(const char *text, size_t len)
{
	const char *body;

	return len > 0 && find_label(text, &body) != NULL;
}

/* The bytes between the two lines. */
static int read_pem(const char *text, char **ret_buf, size_t *ret_len, struct og_err *err)
{
	const char *body = NULL;
	const char *label = find_label(text, &body);
	og_auto_text base64 = {};
	char end[64];
	const char *at;

	if (label == NULL)
		return og_fail_plain(err, -EBADMSG, "it does not begin as one");
	(void)snprintf(end, sizeof(end), "-----END %s-----", label);
	at = strstr(body, end);
	if (at == NULL || at[strlen(end) + strspn(at + strlen(end), "\r\n")] != '\0')
		return og_fail_plain(err, -EBADMSG, "it does not end as one");
	for (const char *c = body; c < at; c++) {
		if (*c != '\n' && *c != '\r')
			og_text_add_bytes(&base64, c, 1);
	}
	if (base64.failed)
		return og_fail(err, -ENOMEM, "no memory");
	if (base64.buf == NULL || og_base64_decode(base64.buf, ret_buf, ret_len) < 0)
		return og_fail_plain(err, -EBADMSG, "it is not base64");
	return 0;
}

static int read_bytes(const struct og_json *object, const char *name, uint8_t *ret_bytes,
		      size_t want, struct og_err *err)
{
	og_auto_free char *buf = NULL;
	size_t len = 0;

	if (og_base64_decode(og_json_string(og_json_get(object, name), ""), &buf, &len) < 0 ||
	    len != want)
		return og_fail_plain(err, -EBADMSG, "%s is not %zu bytes of base64", name, want);
	memcpy(ret_bytes, buf, want);
	return 0;
}

static int read_key(const struct og_json *root, struct og_cosign_key *key, struct og_err *err)
{
	const struct og_json *kdf = og_json_get(root, "kdf");
	const struct og_json *params = og_json_get(kdf, "params");
	const struct og_json *cipher = og_json_get(root, "cipher");
	uint64_t rounds = og_json_uint(og_json_get(params, "r"), 0);
	uint64_t lanes = og_json_uint(og_json_get(params, "p"), 0);
	int r;

	if (!og_streq(og_json_string(og_json_get(kdf, "name"), ""), "scrypt") ||
	    !og_streq(og_json_string(og_json_get(cipher, "name"), ""), "nacl/secretbox"))
		return og_fail_plain(err, -EBADMSG, "it is not by scrypt and nacl/secretbox");
	if (rounds > UINT32_MAX || lanes > UINT32_MAX)
		return og_fail_plain(err, -E2BIG, "scrypt's r and p are beyond all reason");
	key->sealed.n = og_json_uint(og_json_get(params, "N"), 0);
	key->sealed.r = (uint32_t)rounds;
	key->sealed.p = (uint32_t)lanes;
	r = read_bytes(kdf, "salt", key->sealed.salt, sizeof(key->sealed.salt), err);
	if (r == 0)
		r = read_bytes(cipher, "nonce", key->sealed.nonce, sizeof(key->sealed.nonce), err);
	if (r < 0)
		return r;
	if (og_base64_decode(og_json_string(og_json_get(root, "ciphertext"), ""), &key->box,
			     &key->box_len) < 0 ||
	    key->box_len <= OG_SEALED_SEAL_BYTES)
		return og_fail_plain(err, -EBADMSG, "ciphertext is not base64, or too short");
	return 0;
}

int og_cosign_key_parse(const char *text, size_t len, struct og_cosign_key *ret_key,
			struct og_err *err)
{
	og_cleanup(og_cosign_key_done) struct og_cosign_key key = {};
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	og_auto_free char *json = NULL;
	size_t json_len = 0;
	int r;

	if (len > OG_COSIGN_KEY_BYTES_MAX || strlen(text) != len)
		return og_fail_plain(err, -E2BIG, "private key: over %u bytes, or not text",
				     OG_COSIGN_KEY_BYTES_MAX);
	r = read_pem(text, &json, &json_len, err);
	if (r == 0)
		r = og_json_parse(json, json_len, &root, err);
	if (r == -EINVAL)
		r = -EBADMSG;
	if (r == 0)
		r = read_key(root, &key, err);
	if (r < 0)
		return og_fail_in(err, r, "private key");
	*ret_key = key;
	key = (struct og_cosign_key){};
	return 0;
}

void og_cosign_key_done(struct og_cosign_key *key)
{
	free(key->box);
	*key = (struct og_cosign_key){};
}

static void set_base64(struct og_json *object, const char *key, const void *buf, size_t len)
{
	og_auto_free char *text = og_base64_encode(buf, len);

	og_json_set_string(object, key, text != NULL ? text : "");
}

char *og_cosign_key_write(const struct og_cosign_key *key)
{
	og_cleanup(og_json_freep) struct og_json *root = og_json_new_object();
	struct og_json *kdf = og_json_new_object(), *params = og_json_new_object();
	struct og_json *cipher = og_json_new_object();
	og_auto_free char *json = NULL, *base64 = NULL;
	og_auto_text text = {};

	og_json_set_string(kdf, "name", "scrypt");
	og_json_set(params, "N", og_json_new_uint(key->sealed.n));
	og_json_set(params, "r", og_json_new_uint(key->sealed.r));
	og_json_set(params, "p", og_json_new_uint(key->sealed.p));
	og_json_set(kdf, "params", params);
	set_base64(kdf, "salt", key->sealed.salt, sizeof(key->sealed.salt));
	og_json_set(root, "kdf", kdf);
	og_json_set_string(cipher, "name", "nacl/secretbox");
	set_base64(cipher, "nonce", key->sealed.nonce, sizeof(key->sealed.nonce));
	og_json_set(root, "cipher", cipher);
	set_base64(root, "ciphertext", key->box, key->box_len);
	json = og_json_write(root);
	base64 = json != NULL ? og_base64_encode(json, strlen(json)) : NULL;
	if (base64 == NULL)
		return NULL;
	og_text_addf(&text, "-----BEGIN %s-----\n", labels[0]);
	for (size_t at = 0; at < strlen(base64); at += LINE_CHARS)
		og_text_addf(&text, "%.*s\n", LINE_CHARS, base64 + at);
	og_text_addf(&text, "-----END %s-----\n", labels[0]);
	return og_text_take(&text);
}
