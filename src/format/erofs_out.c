/* SPDX-License-Identifier: Apache-2.0 */
#include "format/erofs_out.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "format/erofs_disk.h"

int erofs_out_flush(struct erofs_out *out, struct og_err *err)
{
	int r = 0;

	if (out->fill > 0)
		r = out->sink.write(out->sink.data, out->at, out->buf, out->fill, err);
	out->at += out->fill;
	out->fill = 0;
	return r;
}

static int check_room(const struct erofs_out *out, uint64_t len, struct og_err *err)
{
	uint64_t max = EROFS_BLOCKS_MAX * EROFS_BLOCK_BYTES;

	if (len > max || erofs_out_at(out) > max - len)
		return og_fail(err, -EFBIG, "more content than the 16 TiB that EROFS holds");
	return 0;
}

int erofs_out_put(struct erofs_out *out, const void *buf, size_t len, struct og_err *err)
{
	const uint8_t *from = buf;
	int r = check_room(out, len, err);

	while (r == 0 && len > 0) {
		size_t part = OUT_BUF_BYTES - out->fill;

		if (part > len)
			part = len;
		memcpy(out->buf + out->fill, from, part);
		out->fill += part;
		from += part;
		len -= part;
		if (out->fill == OUT_BUF_BYTES)
			r = erofs_out_flush(out, err);
	}
	return r;
}

int erofs_out_zeros(struct erofs_out *out, uint64_t len, struct og_err *err)
{
	int r = check_room(out, len, err);

	if (r < 0)
		return r;
	if (len < OUT_BUF_BYTES - out->fill) {
		memset(out->buf + out->fill, 0, (size_t)len);
		out->fill += (size_t)len;
		return 0;
	}
	/* The sink leaves out what it is not given. */
	r = erofs_out_flush(out, err);
	out->at += len;
	return r;
}

/* Really written: a file that ends here must be as long as it says it is. */
int erofs_out_align(struct erofs_out *out, uint64_t unit, struct og_err *err)
{
	static const uint8_t zeros[EROFS_BLOCK_BYTES];

	assert(unit <= sizeof(zeros));
	return erofs_out_put(out, zeros, (size_t)(-erofs_out_at(out) % unit), err);
}
