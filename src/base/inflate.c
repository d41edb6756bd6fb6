/* SPDX-License-Identifier: Apache-2.0 */
#include "base/inflate.h"

#include <isa-l/igzip_lib.h>
#include <string.h>

#include "base/cleanup.h"

/* What is asked for first: text becomes a quarter. It grows from there, so a lie costs a lie's bytes. */
static size_t first_room(size_t len, size_t max_bytes)
{
	size_t room = len < 1024 ? 4096 : len < (64U << 20) ? 4 * len : len;

	return room < max_bytes ? room : max_bytes;
}

static int grow(char **out, size_t *room, size_t max_bytes, struct og_err *err)
{
	size_t more_room = *room < max_bytes / 2 ? 2 * *room : max_bytes;
	char *more;

	if (*room >= max_bytes)
		return og_fail_plain(err, -EFBIG, "it becomes over %zu bytes", max_bytes);
	more = realloc(*out, more_room + 1);
	if (more == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	*out = more;
	*room = more_room;
	return 0;
}

int og_inflate(const struct og_inflate_source *source, char **ret_buf, size_t *ret_len,
	       struct og_err *err)
{
	size_t len = source->len, max_bytes = source->max_bytes;
	og_auto_free struct inflate_state *state = malloc(sizeof(*state));
	size_t room = first_room(len, max_bytes), done = 0;
	og_auto_free char *out = malloc(room + 1);

	if (state == NULL || out == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	if (len > UINT32_MAX)
		return og_fail(err, -EFBIG, "compressed data of %zu bytes", len);
	isal_inflate_init(state);
	state->crc_flag = source->kind == OG_INFLATE_ZLIB ? ISAL_ZLIB : ISAL_DEFLATE;
	/* It is not written to; ISA-L has no word for that. */
	memcpy(&state->next_in, &source->buf, sizeof(source->buf));
	state->avail_in = (uint32_t)len;
	while (state->block_state != ISAL_BLOCK_FINISH) {
		size_t part = room - done < (1U << 30) ? room - done : 1U << 30;
		uint32_t before = state->avail_in;

		if (part == 0) {
			int r = grow(&out, &room, max_bytes, err);

			if (r < 0)
				return r;
			continue;
		}
		state->next_out = (uint8_t *)out + done;
		state->avail_out = (uint32_t)part;
		if (isal_inflate(state) != ISAL_DECOMP_OK)
			return og_fail_plain(err, -EBADMSG, "damaged compressed data");
		done += part - state->avail_out;
		if (state->avail_out == part && state->avail_in == before &&
		    state->block_state != ISAL_BLOCK_FINISH)
			return og_fail_plain(err, -EBADMSG, "compressed data is cut short");
	}
	out[done] = '\0';
	*ret_len = done;
	*ret_buf = og_take_ptr(out);
	return 0;
}
