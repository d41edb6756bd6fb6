/* SPDX-License-Identifier: Apache-2.0 */
#include "format/blob_digest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HEX_DIGITS "0123456789abcdef"

/* algorithm ::= component (separator component)*, component ::= [a-z0-9]+, separator [+._-] */
static bool is_algorithm(const char *text, size_t len)
{
	bool after_component = false;

	for (size_t i = 0; i < len; i++) {
		bool letter = (text[i] >= 'a' && text[i] <= 'z') ||
			      (text[i] >= '0' && text[i] <= '9');

		if (!letter && (!after_component || strchr("+._-", text[i]) == NULL))
			return false;
		after_component = letter;
	}
	return after_component;
}

/* encoded ::= [a-zA-Z0-9=_-]+ */
static bool is_encoded(const char *text)
{
	size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "0123456789=_-");

	return len > 0 && text[len] == '\0';
}

int og_blob_digest_parse(const char *text, struct og_blob_digest *ret_digest)
{
	struct og_blob_digest digest = {};
	const char *colon = strchr(text, ':');
	size_t hex_len;

	if (colon == NULL || !is_algorithm(text, (size_t)(colon - text)))
		return -EINVAL;
	if (strncmp(text, "sha256:", 7) == 0)
		digest.kind = OG_HASH_SHA256;
	else if (strncmp(text, "sha512:", 7) == 0)
		digest.kind = OG_HASH_SHA512;
	else
		return is_encoded(colon + 1) ? -ENOTSUP : -EINVAL;
	hex_len = 2 * og_hash_bytes(digest.kind);
	if (strlen(colon + 1) != hex_len || strspn(colon + 1, HEX_DIGITS) != hex_len)
		return -EINVAL;
	memcpy(digest.text, text, strlen(text) + 1);
	*ret_digest = digest;
	return 0;
}

void og_blob_digest_of(enum og_hash_kind kind, const uint8_t *hash,
		       struct og_blob_digest *ret_digest)
{
	struct og_blob_digest digest = { .kind = kind };
	char *to = digest.text;

	memcpy(to, kind == OG_HASH_SHA512 ? "sha512:" : "sha256:", 7);
	to += 7;
	for (size_t i = 0; i < og_hash_bytes(kind); i++) {
		*to++ = HEX_DIGITS[hash[i] >> 4];
		*to++ = HEX_DIGITS[hash[i] & 15];
	}
	*to = '\0';
	*ret_digest = digest;
}

const char *og_blob_digest_hex(const struct og_blob_digest *digest)
{
	return digest->text + 7;
}

bool og_blob_digest_equal(const struct og_blob_digest *a, const struct og_blob_digest *b)
{
	return strcmp(a->text, b->text) == 0;
}
