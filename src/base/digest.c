/* SPDX-License-Identifier: Apache-2.0 */
#include "base/digest.h"

#include <errno.h>

#include "base/text.h"

static const char hex_digits[] = "0123456789abcdef";

static int nibble(char c)
{
	const char *at = c != '\0' ? strchr(hex_digits, c) : NULL;

	return at != NULL ? (int)(at - hex_digits) : -EINVAL;
}

int og_digest_parse_hex(const char *hex, struct og_digest *ret_digest)
{
	struct og_digest digest;

	for (size_t i = 0; i < OG_SHA256_BYTES; i++) {
		int high = nibble(hex[2 * i]);
		int low = high < 0 ? high : nibble(hex[2 * i + 1]);

		if (low < 0)
			return -EINVAL;
		digest.sha256[i] = (uint8_t)(high << 4 | low);
	}
	*ret_digest = digest;
	return 0;
}

int og_digest_parse(const char *text, struct og_digest *ret_digest)
{
	size_t prefix = strlen(OG_DIGEST_PREFIX);

	if (!og_starts_with(text, OG_DIGEST_PREFIX) || strlen(text) != prefix + OG_DIGEST_HEX_CHARS)
		return -EINVAL;
	return og_digest_parse_hex(text + prefix, ret_digest);
}

static void put_hex(char *at, const struct og_digest *digest)
{
	for (size_t i = 0; i < OG_SHA256_BYTES; i++) {
		*at++ = hex_digits[digest->sha256[i] >> 4];
		*at++ = hex_digits[digest->sha256[i] & 15];
	}
	*at = '\0';
}

struct og_digest_text og_digest_format(const struct og_digest *digest)
{
	struct og_digest_text out = { .text = OG_DIGEST_PREFIX };

	put_hex(out.text + strlen(OG_DIGEST_PREFIX), digest);
	return out;
}

struct og_digest_text og_digest_hex(const struct og_digest *digest)
{
	struct og_digest_text out;

	put_hex(out.text, digest);
	return out;
}
