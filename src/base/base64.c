/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *og_base64_encode(const void *buf, size_t len)
{
	const uint8_t *bytes = buf;
	char *text = malloc((len + 2) / 3 * 4 + 1);
	size_t out = 0;

	if (text == NULL)
		return NULL;
	for (size_t i = 0; i < len; i += 3) {
		uint32_t group = (uint32_t)bytes[i] << 16;

		if (i + 1 < len)
			group |= (uint32_t)bytes[i + 1] << 8;
		if (i + 2 < len)
			group |= bytes[i + 2];
		text[out++] = alphabet[group >> 18];
		text[out++] = alphabet[group >> 12 & 63];
		text[out++] = i + 1 < len ? alphabet[group >> 6 & 63] : '=';
		text[out++] = i + 2 < len ? alphabet[group & 63] : '=';
	}
	text[out] = '\0';
	return text;
}

static int value_of(char c)
{
	const char *at;

	if (c == '-')
		c = '+';
	if (c == '_')
		c = '/';
	at = strchr(alphabet, c);
	return at != NULL && c != '\0' ? (int)(at - alphabet) : -1;
}

/* The length without padding, or -EINVAL when the padding is wrong. */
static ssize_t significant_len(const char *text)
{
	size_t len = strcspn(text, "=");
	size_t padding = strspn(text + len, "=");

	if (text[len + padding] != '\0' || len % 4 == 1)
		return -EINVAL;
	if (padding > 0 && (len + padding) % 4 != 0)
		return -EINVAL;
	return padding < 3 ? (ssize_t)len : -EINVAL;
}

int og_base64_decode(const char *text, char **ret_buf, size_t *ret_len)
{
	ssize_t len = significant_len(text);
	uint32_t bits = 0;
	size_t out = 0;
	char *buf;

	if (len < 0)
		return -EINVAL;
	buf = malloc((size_t)len / 4 * 3 + 4);
	if (buf == NULL)
		return -ENOMEM;
	for (ssize_t i = 0; i < len; i++) {
		int value = value_of(text[i]);

		if (value < 0) {
			free(buf);
			return -EINVAL;
		}
		bits = bits << 6 | (uint32_t)value;
		if (i % 4 != 0)
			buf[out++] = (char)(bits >> (6 - 2 * (i % 4)));
	}
	buf[out] = '\0';
	*ret_buf = buf;
	if (ret_len != NULL)
		*ret_len = out;
	return 0;
}
