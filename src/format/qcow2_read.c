/* SPDX-License-Identifier: Apache-2.0 */
#include "format/qcow2_read.h"

#include <stdlib.h>

#include "base/inflate.h"
#include "base/zstd_block.h"

/* Unpacked clusters held in memory, each at its number modulo this: a file system is read here and there. */
#define UNPACKED 16

struct unpacked {
	uint64_t number; /* of the disk's clusters, and one */
	uint8_t *bytes;	 /* a cluster, owned; NULL until it is needed */
};

struct og_qcow2_reader {
	struct og_qcow2_map map;
	struct og_bytes backing; /* of no bytes: there is none */
	struct unpacked unpacked[UNPACKED];
	uint8_t *packed;	    /* as large as one can be, owned; NULL until it is needed */
	struct og_zstd_block *zstd; /* owned, likewise */
};

static uint64_t cluster_bytes(const struct og_qcow2_reader *reader)
{
	return og_qcow2_cluster_bytes(&reader->map.header);
}

static int inflate(const struct og_qcow2_reader *reader, size_t len, uint8_t *out)
{
	size_t cluster = cluster_bytes(reader), got;
	struct og_inflate_source source = { OG_INFLATE_RAW, reader->packed, len, cluster + 1 };
	og_auto_free char *bytes = NULL;
	int r = og_inflate(&source, &bytes, &got, NULL);

	if (r == -EFBIG || (r == 0 && got != cluster))
		return -EBADMSG;
	if (r == 0)
		memcpy(out, bytes, cluster);
	return r;
}

static int unpack_zstd(struct og_qcow2_reader *reader, size_t len, uint8_t *out)
{
	int r = reader->zstd == NULL ? og_zstd_block_new(&reader->zstd, NULL) : 0;

	if (r == 0)
		r = og_zstd_block_length(reader->packed, len, &len, NULL);
	return r < 0 ? r
		     : og_zstd_block_unpack(reader->zstd, reader->packed, len, out,
					    cluster_bytes(reader), NULL);
}

static int unpack(struct og_qcow2_reader *reader, const struct og_qcow2_place *place, uint8_t *out)
{
	uint64_t there = reader->map.file.size - place->host;
	size_t len = there < place->packed ? (size_t)there : (size_t)place->packed;
	int r;

	if (reader->packed == NULL)
		reader->packed = malloc(2 * cluster_bytes(reader));
	if (reader->packed == NULL)
		return -ENOMEM;
	r = og_bytes_read(&reader->map.file, place->host, reader->packed, len);
	if (r < 0)
		return r;
	r = reader->map.header.zstd ? unpack_zstd(reader, len, out) : inflate(reader, len, out);
	/* What reads a disk must not take it for something of its own that is damaged. */
	return r == -EBADMSG ? -EIO : r;
}

static int read_packed(struct og_qcow2_reader *reader, const struct og_qcow2_place *place,
		       uint64_t offset, uint8_t *buf, size_t len)
{
	uint64_t number = offset / cluster_bytes(reader);
	struct unpacked *unpacked = &reader->unpacked[number % UNPACKED];
	int r;

	if (unpacked->bytes == NULL)
		unpacked->bytes = malloc(cluster_bytes(reader));
	if (unpacked->bytes == NULL)
		return -ENOMEM;
	if (unpacked->number != number + 1) {
		unpacked->number = 0;
		r = unpack(reader, place, unpacked->bytes);
		if (r < 0)
			return r;
		unpacked->number = number + 1;
	}
	memcpy(buf, unpacked->bytes + offset % cluster_bytes(reader), len);
	return 0;
}

/* The backing disk's bytes, and zeros behind its end. */
static int read_below(const struct og_qcow2_reader *reader, uint64_t offset, uint8_t *buf,
		      size_t len)
{
	uint64_t there = offset < reader->backing.size ? reader->backing.size - offset : 0;
	size_t some = there < len ? (size_t)there : len;

	memset(buf + some, 0, len - some);
	return some > 0 ? og_bytes_read(&reader->backing, offset, buf, some) : 0;
}

static int read_piece(struct og_qcow2_reader *reader, const struct og_qcow2_place *place,
		      uint64_t offset, uint8_t *buf, size_t len)
{
	switch (place->kind) {
	case OG_QCOW2_DATA:
		return og_qcow2_read_file(&reader->map, buf, len,
					  place->host + offset % cluster_bytes(reader));
	case OG_QCOW2_PACKED:
		return read_packed(reader, place, offset, buf, len);
	case OG_QCOW2_ABSENT:
		return read_below(reader, offset, buf, len);
	case OG_QCOW2_ZEROS:
		break;
	}
	memset(buf, 0, len);
	return 0;
}

static int read_disk(void *data, uint64_t offset, void *buf, size_t len)
{
	struct og_qcow2_reader *reader = data;
	uint8_t *to = buf;

	while (len > 0) {
		struct og_qcow2_place place = {};
		size_t some;
		int r = og_qcow2_look_up(&reader->map, offset, &place);

		if (r < 0)
			return r;
		some = place.bytes < len ? (size_t)place.bytes : len;
		r = read_piece(reader, &place, offset, to, some);
		if (r < 0)
			return r;
		offset += some;
		to += some;
		len -= some;
	}
	return 0;
}

int og_qcow2_reader_new(const struct og_bytes *file, const struct og_bytes *backing,
			struct og_qcow2_reader **ret_reader, struct og_err *err)
{
	og_cleanup(og_qcow2_reader_freep) struct og_qcow2_reader *reader =
		calloc(1, sizeof(*reader));
	og_auto_free uint8_t *used = NULL;
	int r;

	if (reader == NULL)
		return og_fail(err, -ENOMEM, "open qcow2 image");
	if (backing != NULL)
		reader->backing = *backing;
	r = og_qcow2_map_init(&reader->map, file, OG_QCOW2_UNPACKS, err);
	if (r == 0)
		r = og_qcow2_judge_backing(&reader->map, backing != NULL, err);
	if (r == 0)
		r = og_qcow2_judge(&reader->map, NULL, 0, &used, err);
	if (r < 0)
		return r;
	*ret_reader = og_take_ptr(reader);
	return 0;
}

struct og_qcow2_reader *og_qcow2_reader_free(struct og_qcow2_reader *reader)
{
	if (reader == NULL)
		return NULL;
	for (size_t i = 0; i < UNPACKED; i++)
		free(reader->unpacked[i].bytes);
	free(reader->packed);
	og_zstd_block_free(reader->zstd);
	og_qcow2_map_done(&reader->map);
	free(reader);
	return NULL;
}

struct og_bytes og_qcow2_reader_bytes(struct og_qcow2_reader *reader)
{
	return (struct og_bytes){ read_disk, reader, reader->map.header.bytes };
}
