/* SPDX-License-Identifier: Apache-2.0 */
/* The EROFS writer's way out: a buffer in front of the sink. No one else includes it. */
#pragma once

#include "format/erofs_write.h"

#define OUT_BUF_BYTES (1U << 20)

struct erofs_out {
	struct og_erofs_sink sink;
	uint8_t *buf; /* owned */
	size_t fill;
	uint64_t at; /* where the buffer's first byte goes */
};

int erofs_out_put(struct erofs_out *out, const void *buf, size_t len, struct og_err *err);
int erofs_out_zeros(struct erofs_out *out, uint64_t len, struct og_err *err);
int erofs_out_align(struct erofs_out *out, uint64_t unit, struct og_err *err);
int erofs_out_flush(struct erofs_out *out, struct og_err *err);

static inline uint64_t erofs_out_at(const struct erofs_out *out)
{
	return out->at + out->fill;
}
