/* SPDX-License-Identifier: Apache-2.0 */
#include "format/stdstream.h"

#include <errno.h>
#include <string.h>

void og_stdstream_put(uint8_t ret_header[OG_STDSTREAM_HEADER], enum og_stdstream_id id,
		      uint32_t length)
{
	ret_header[0] = (uint8_t)id;
	ret_header[1] = 0;
	ret_header[2] = 0;
	ret_header[3] = 0;
	ret_header[4] = (uint8_t)(length >> 24);
	ret_header[5] = (uint8_t)(length >> 16);
	ret_header[6] = (uint8_t)(length >> 8);
	ret_header[7] = (uint8_t)length;
}

static int check_header(const uint8_t *header)
{
	if (header[0] > OG_STDSYSTEM || header[1] != 0 || header[2] != 0 || header[3] != 0)
		return -EBADMSG;
	return 0;
}

static uint32_t header_length(const uint8_t *header)
{
	return (uint32_t)header[4] << 24 | (uint32_t)header[5] << 16 | (uint32_t)header[6] << 8 |
	       header[7];
}

ptrdiff_t og_stdstream_next(struct og_stdstream *state, const uint8_t *buf, size_t len,
			    struct og_stdstream_part *ret_part)
{
	size_t take;

	*ret_part = (struct og_stdstream_part){};
	if (state->left == 0) {
		take = OG_STDSTREAM_HEADER - state->header_len;
		take = len < take ? len : take;
		memcpy(state->header + state->header_len, buf, take);
		state->header_len += take;
		if (state->header_len < OG_STDSTREAM_HEADER)
			return (ptrdiff_t)take;
		state->header_len = 0;
		state->left = header_length(state->header);
		return check_header(state->header) < 0 ? -EBADMSG : (ptrdiff_t)take;
	}
	take = len < state->left ? len : state->left;
	state->left -= (uint32_t)take;
	ret_part->id = (enum og_stdstream_id)state->header[0];
	ret_part->content = buf;
	ret_part->len = take;
	return (ptrdiff_t)take;
}
