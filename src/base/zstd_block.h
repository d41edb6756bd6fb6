/* SPDX-License-Identifier: Apache-2.0 */
/* Small pieces as zstd frames of their own (RFC 8878), each packed and unpacked in one go. */
#pragma once

#include <stddef.h>

#include "base/cleanup.h"
#include "base/err.h"

struct og_zstd_block; /* its working memory; one thread at a time */

/* Errors: -ENOMEM. On success *@ret_block is the caller's to free. */
int og_zstd_block_new(struct og_zstd_block **ret_block, struct og_err *err);
struct og_zstd_block *og_zstd_block_free(struct og_zstd_block *block);
OG_DEFINE_CLEANUP(struct og_zstd_block, og_zstd_block_free)

/* Bytes that @len bytes take at most. */
size_t og_zstd_block_bound(size_t len);

/* The same bytes give the same frame. *@ret_len of @out's @room are used. */
int og_zstd_block_pack(struct og_zstd_block *block, const void *buf, size_t len, void *out,
		       size_t room, size_t *ret_len, struct og_err *err);

/* How many of @len bytes the frame at their front is. Errors: -EBADMSG (it is none, or cut short). */
int og_zstd_block_length(const void *buf, size_t len, size_t *ret_len, struct og_err *err);

/* Fills exactly @want bytes. Errors: -EBADMSG (damaged, or of another size), -ENOMEM. */
int og_zstd_block_unpack(struct og_zstd_block *block, const void *buf, size_t len, void *out,
			 size_t want, struct og_err *err);
