/* SPDX-License-Identifier: Apache-2.0 */
#include "client/detach.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

static int parse_key(const char *text, size_t len, uint8_t *ret_key)
{
	char c = len > 0 ? text[len - 1] : '\0';

	if (len == 1) {
		*ret_key = (uint8_t)c;
		return 0;
	}
	if (len != 6 || strncmp(text, "ctrl-", 5) != 0)
		return -EINVAL;
	if (c >= 'a' && c <= 'z')
		*ret_key = (uint8_t)(c - 'a' + 1);
	else if (c == '@' || (c >= '[' && c <= '_'))
		*ret_key = (uint8_t)(c & 31);
	else
		return -EINVAL;
	return 0;
}

int og_detach_parse(const char *text, struct og_detach *ret_detach, struct og_err *err)
{
	struct og_detach detach = {};
	const char *at = text;

	for (;;) {
		size_t len = strcspn(at, ",");

		if (detach.count == OG_DETACH_KEYS_MAX ||
		    parse_key(at, len, &detach.keys[detach.count]) < 0)
			return og_fail_plain(
				err, -EINVAL,
				"detach keys '%s': letters, or ctrl- and a letter or one of @[\\]^_, joined by commas",
				text);
		detach.count++;
		if (at[len] == '\0')
			break;
		at += len + 1;
	}
	*ret_detach = detach;
	return 0;
}

bool og_detach_filter(struct og_detach *detach, const uint8_t *in, size_t len, uint8_t *out,
		      size_t *ret_out_len)
{
	size_t out_len = 0;

	for (size_t i = 0; i < len; i++) {
		if (in[i] != detach->keys[detach->matched] && detach->matched > 0) {
			memcpy(out + out_len, detach->keys, detach->matched);
			out_len += detach->matched;
			detach->matched = 0;
		}
		if (in[i] == detach->keys[detach->matched])
			detach->matched++;
		else
			out[out_len++] = in[i];
		if (detach->matched == detach->count) {
			detach->matched = 0;
			*ret_out_len = out_len;
			return true;
		}
	}
	*ret_out_len = out_len;
	return false;
}
