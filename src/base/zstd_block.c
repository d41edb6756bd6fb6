/* SPDX-License-Identifier: Apache-2.0 */
#include "base/zstd_block.h"

#include <stdlib.h>
#include <zstd.h>

/* What memory of guests shrinks to hardly changes beyond it, and each level up takes twice the time. */
#define LEVEL 3

struct og_zstd_block {
	ZSTD_CCtx *pack;   /* owned */
	ZSTD_DCtx *unpack; /* owned */
};

int og_zstd_block_new(struct og_zstd_block **ret_block, struct og_err *err)
{
	og_cleanup(og_zstd_block_freep) struct og_zstd_block *block = calloc(1, sizeof(*block));

	if (block == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	block->pack = ZSTD_createCCtx();
	block->unpack = ZSTD_createDCtx();
	if (block->pack == NULL || block->unpack == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	*ret_block = og_take_ptr(block);
	return 0;
}

struct og_zstd_block *og_zstd_block_free(struct og_zstd_block *block)
{
	if (block == NULL)
		return NULL;
	ZSTD_freeCCtx(block->pack);
	ZSTD_freeDCtx(block->unpack);
	free(block);
	return NULL;
}

size_t og_zstd_block_bound(size_t len)
{
	return ZSTD_compressBound(len);
}

int og_zstd_block_pack(struct og_zstd_block *block, const void *buf, size_t len, void *out,
		       size_t room, size_t *ret_len, struct og_err *err)
{
	size_t n = ZSTD_compressCCtx(block->pack, out, room, buf, len, LEVEL);

	if (ZSTD_isError(n))
		return og_fail_plain(err, -EIO, "zstd: %s", ZSTD_getErrorName(n));
	*ret_len = n;
	return 0;
}

int og_zstd_block_length(const void *buf, size_t len, size_t *ret_len, struct og_err *err)
{
	size_t n = ZSTD_findFrameCompressedSize(buf, len);

	if (ZSTD_isError(n))
		return og_fail_plain(err, -EBADMSG, "zstd: %s", ZSTD_getErrorName(n));
	*ret_len = n;
	return 0;
}

int og_zstd_block_unpack(struct og_zstd_block *block, const void *buf, size_t len, void *out,
			 size_t want, struct og_err *err)
{
	size_t n = ZSTD_decompressDCtx(block->unpack, out, want, buf, len);

	if (ZSTD_isError(n))
		return og_fail_plain(err, -EBADMSG, "zstd: %s", ZSTD_getErrorName(n));
	if (n != want)
		return og_fail_plain(err, -EBADMSG, "zstd: %zu bytes in place of %zu", n, want);
	return 0;
}
