/* SPDX-License-Identifier: Apache-2.0 */
#include "base/compress.h"

#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

/* Large pieces keep hashing and writing busy; two are in flight. */
#define PIECE_BYTES (1U << 20)
/* Plain bytes in pieces at least this large are handed on without a copy. */
#define DIRECT_BYTES (128U * 1024U)
#define HEAD_BYTES   6U

struct og_decompress {
	const struct kind *kind; /* NULL until known */
	struct og_decompress_limits limits;
	og_decompress_fn *fn;
	void *data;
	uint8_t head[HEAD_BYTES]; /* first bytes, until the kind is known */
	size_t head_fill;
	uint8_t *pieces[2]; /* owned */
	unsigned int piece; /* the one being filled */
	size_t fill;
	uint64_t in_bytes;
	uint64_t out_bytes;
	struct inflate_state *inflate; /* owned */
	ZSTD_DCtx *zstd;	       /* owned */
	bool inside;		       /* a member or frame has begun and not ended */
};

struct kind {
	enum og_compression compression;
	const char *name;
	uint8_t magic[HEAD_BYTES];
	size_t magic_bytes;
	int (*begin)(struct og_decompress *decompress, struct og_err *err);
	int (*feed)(struct og_decompress *decompress, const uint8_t *buf, size_t len,
		    struct og_err *err);
};

static int hand_out(struct og_decompress *decompress, const uint8_t *buf, size_t len,
		    struct og_err *err)
{
	const struct og_decompress_limits *limits = &decompress->limits;

	decompress->out_bytes += len;
	if (limits->max_bytes > 0 && decompress->out_bytes > limits->max_bytes)
		return og_fail(err, -EFBIG, "more than the limit of %llu bytes, decompressed",
			       (unsigned long long)limits->max_bytes);
	if (limits->max_ratio > 0 && decompress->out_bytes > limits->ratio_from_bytes &&
	    decompress->out_bytes / limits->max_ratio > decompress->in_bytes)
		return og_fail(err, -EFBIG,
			       "grows to more than %llu times its compressed size: the limit "
			       "against decompression bombs",
			       (unsigned long long)limits->max_ratio);
	return decompress->fn(decompress->data, buf, len, err);
}

static int hand_out_piece(struct og_decompress *decompress, struct og_err *err)
{
	size_t len = decompress->fill;
	uint8_t *piece = decompress->pieces[decompress->piece];

	if (len == 0)
		return 0;
	decompress->piece = !decompress->piece;
	decompress->fill = 0;
	return hand_out(decompress, piece, len, err);
}

static int feed_plain(struct og_decompress *decompress, const uint8_t *buf, size_t len,
		      struct og_err *err)
{
	int r = 0;

	if (len >= DIRECT_BYTES) {
		r = hand_out_piece(decompress, err);
		return r < 0 ? r : hand_out(decompress, buf, len, err);
	}
	if (len > PIECE_BYTES - decompress->fill)
		r = hand_out_piece(decompress, err);
	memcpy(decompress->pieces[decompress->piece] + decompress->fill, buf, len);
	decompress->fill += len;
	return r;
}

static int begin_plain(struct og_decompress *decompress, struct og_err *err)
{
	(void)decompress;
	(void)err;
	return 0;
}

static int begin_gzip(struct og_decompress *decompress, struct og_err *err)
{
	/* Too large for a stack: it holds gzip's window and tables. */
	decompress->inflate = malloc(sizeof(*decompress->inflate));
	if (decompress->inflate == NULL)
		return og_fail(err, -ENOMEM, "allocate gzip reader");
	isal_inflate_init(decompress->inflate);
	return 0;
}

/* One call of ISA-L: to the end of the input, of the piece, or of the member. */
static int inflate_some(struct og_decompress *decompress, struct og_err *err)
{
	struct inflate_state *inflate = decompress->inflate;
	int r;

	if (!decompress->inside) {
		isal_inflate_reset(inflate);
		inflate->crc_flag = ISAL_GZIP;
		decompress->inside = true;
	}
	inflate->next_out = decompress->pieces[decompress->piece] + decompress->fill;
	inflate->avail_out = PIECE_BYTES - (uint32_t)decompress->fill;
	r = isal_inflate(inflate);
	if (r != ISAL_DECOMP_OK)
		return og_fail(err, -EBADMSG, "gzip data is damaged, or goes on behind its end");
	decompress->fill = PIECE_BYTES - inflate->avail_out;
	if (inflate->block_state == ISAL_BLOCK_FINISH)
		decompress->inside = false;
	return 0;
}

static int feed_gzip(struct og_decompress *decompress, const uint8_t *buf, size_t len,
		     struct og_err *err)
{
	struct inflate_state *inflate = decompress->inflate;
	bool full = false;

	/* ISA-L does not write to its input, whatever its type says. */
	inflate->next_in = (uint8_t *)(uintptr_t)buf;
	inflate->avail_in = (uint32_t)len;
	while (inflate->avail_in > 0 || (full && decompress->inside)) {
		int r = inflate_some(decompress, err);

		full = decompress->fill == PIECE_BYTES;
		if (r == 0 && full)
			r = hand_out_piece(decompress, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int begin_zstd(struct og_decompress *decompress, struct og_err *err)
{
	decompress->zstd = ZSTD_createDCtx();
	if (decompress->zstd == NULL)
		return og_fail(err, -ENOMEM, "allocate zstd reader");
	(void)ZSTD_DCtx_setParameter(decompress->zstd, ZSTD_d_windowLogMax, OG_ZSTD_WINDOW_LOG_MAX);
	return 0;
}

static int feed_zstd(struct og_decompress *decompress, const uint8_t *buf, size_t len,
		     struct og_err *err)
{
	ZSTD_inBuffer in = { .src = buf, .size = len };
	bool full = false;

	while (in.pos < in.size || full) {
		ZSTD_outBuffer out = {
			.dst = decompress->pieces[decompress->piece],
			.size = PIECE_BYTES,
			.pos = decompress->fill,
		};
		size_t left = ZSTD_decompressStream(decompress->zstd, &out, &in);
		int r = 0;

		if (ZSTD_isError(left))
			return og_fail(err, -EBADMSG, "zstd data is damaged: %s",
				       ZSTD_getErrorName(left));
		decompress->inside = left > 0;
		decompress->fill = out.pos;
		full = out.pos == PIECE_BYTES && left > 0;
		if (out.pos == PIECE_BYTES)
			r = hand_out_piece(decompress, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int begin_unknown(struct og_decompress *decompress, struct og_err *err)
{
	return og_fail(err, -EBADMSG, "compressed by %s: use gzip, zstd or none",
		       decompress->kind->name);
}

/* The last one fits all. */
static const struct kind kinds[] = {
	{ OG_COMPRESSION_GZIP, "gzip", { 0x1f, 0x8b }, 2, begin_gzip, feed_gzip },
	{ OG_COMPRESSION_ZSTD, "zstd", { 0x28, 0xb5, 0x2f, 0xfd }, 4, begin_zstd, feed_zstd },
	{ OG_COMPRESSION_NONE, "xz", { 0xfd, '7', 'z', 'X', 'Z', 0 }, 6, begin_unknown, feed_plain },
	{ OG_COMPRESSION_NONE, "none", { 0 }, 0, begin_plain, feed_plain },
};

/* A frame to be skipped: 0x184d2a50 to 0x184d2a5f. */
static bool is_zstd_skippable(const uint8_t *head, size_t len)
{
	return len >= 4 && (head[0] & 0xf0) == 0x50 && memcmp(head + 1, "\x2a\x4d\x18", 3) == 0;
}

static int find_kind(struct og_decompress *decompress, struct og_err *err)
{
	const struct kind *kind = kinds;
	int r;

	while (decompress->head_fill < kind->magic_bytes ||
	       memcmp(decompress->head, kind->magic, kind->magic_bytes) != 0)
		kind++;
	if (is_zstd_skippable(decompress->head, decompress->head_fill))
		kind = &kinds[1];
	decompress->kind = kind;
	r = kind->begin(decompress, err);
	return r < 0 ? r : kind->feed(decompress, decompress->head, decompress->head_fill, err);
}

int og_decompress_new(const struct og_decompress_limits *limits, og_decompress_fn *fn, void *data,
		      struct og_decompress **ret_decompress, struct og_err *err)
{
	og_cleanup(og_decompress_freep) struct og_decompress *decompress =
		calloc(1, sizeof(*decompress));

	if (decompress == NULL)
		return og_fail(err, -ENOMEM, "allocate decompressor");
	for (int i = 0; i < 2; i++) {
		decompress->pieces[i] = malloc(PIECE_BYTES);
		if (decompress->pieces[i] == NULL)
			return og_fail(err, -ENOMEM, "allocate decompressor");
	}
	decompress->limits = *limits;
	decompress->fn = fn;
	decompress->data = data;
	*ret_decompress = og_take_ptr(decompress);
	return 0;
}

struct og_decompress *og_decompress_free(struct og_decompress *decompress)
{
	if (decompress == NULL)
		return NULL;
	free(decompress->pieces[0]);
	free(decompress->pieces[1]);
	free(decompress->inflate);
	(void)ZSTD_freeDCtx(decompress->zstd);
	free(decompress);
	return NULL;
}

int og_decompress_feed(struct og_decompress *decompress, const void *buf, size_t len,
		       struct og_err *err)
{
	const uint8_t *from = buf;
	int r;

	decompress->in_bytes += len;
	while (decompress->kind == NULL && len > 0) {
		decompress->head[decompress->head_fill++] = *from++;
		len--;
		if (decompress->head_fill < HEAD_BYTES)
			continue;
		r = find_kind(decompress, err);
		if (r < 0)
			return r;
	}
	/* ISA-L counts in 32 bits. */
	for (size_t part; len > 0; from += part, len -= part) {
		part = len < 1U << 30 ? len : 1U << 30;
		r = decompress->kind->feed(decompress, from, part, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int og_decompress_finish(struct og_decompress *decompress, struct og_err *err)
{
	int r = decompress->kind == NULL ? find_kind(decompress, err) : 0;

	if (r == 0 && decompress->inside)
		return og_fail(err, -EBADMSG, "%s data is cut short", decompress->kind->name);
	return r < 0 ? r : hand_out_piece(decompress, err);
}

enum og_compression og_decompress_kind(const struct og_decompress *decompress)
{
	return decompress->kind != NULL ? decompress->kind->compression : OG_COMPRESSION_UNKNOWN;
}
