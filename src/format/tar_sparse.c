/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "base/grow.h"
#include "format/tar_parts.h"

#define GNU_NUMBER_BYTES 12

int tar_map_add(struct tar_map *map, uint64_t offset, uint64_t bytes, struct og_err *err)
{
	if (map->count == OG_TAR_SEGMENTS_MAX)
		return og_fail(err, -EBADMSG, "sparse file of more than %u pieces",
			       OG_TAR_SEGMENTS_MAX);
	if (og_grow(map->segments, map->count) < 0)
		return og_fail(err, -ENOMEM, "allocate sparse map");
	map->segments[map->count++] = (struct tar_segment){ .offset = offset, .bytes = bytes };
	return 0;
}

void tar_map_done(struct tar_map *map)
{
	free(map->segments);
	*map = (struct tar_map){};
}

int tar_map_check(const struct tar_map *map, uint64_t real_size, uint64_t packed_size,
		  struct og_err *err)
{
	uint64_t end = 0, sum = 0;

	for (size_t i = 0; i < map->count; i++) {
		const struct tar_segment *segment = &map->segments[i];

		if (segment->offset < end || segment->offset > real_size ||
		    segment->bytes > real_size - segment->offset)
			return og_fail(err, -EBADMSG, "sparse map is out of order or too long");
		end = segment->offset + segment->bytes;
		sum += segment->bytes; /* cannot wrap: the segments do not overlap */
	}
	if (sum != packed_size)
		return og_fail(err, -EBADMSG, "sparse map does not match the size");
	return 0;
}

static int map_number(struct tar_map_reader *reader, struct tar_map *map, struct og_err *err)
{
	uint64_t number = reader->number;

	reader->number = 0;
	reader->digits = false;
	if (!reader->counted) {
		if (number > OG_TAR_SEGMENTS_MAX)
			return og_fail(err, -EBADMSG, "sparse file of more than %u pieces",
				       OG_TAR_SEGMENTS_MAX);
		reader->counted = true;
		reader->left = 2 * number;
		return 0;
	}
	reader->left--;
	reader->has_offset = !reader->has_offset;
	if (reader->has_offset) {
		reader->offset = number;
		return 0;
	}
	return tar_map_add(map, reader->offset, number, err);
}

int tar_map_read_block(struct tar_map_reader *reader, struct tar_map *map, const uint8_t *block,
		       struct og_err *err)
{
	for (size_t i = 0; i < OG_TAR_BLOCK_BYTES; i++) {
		int r;

		if (isdigit(block[i])) {
			uint64_t digit = (uint64_t)(block[i] - '0');

			if (reader->number > (INT64_MAX - digit) / 10)
				return og_fail(err, -EBADMSG, "number in sparse map is too large");
			reader->number = 10 * reader->number + digit;
			reader->digits = true;
			continue;
		}
		if (block[i] != '\n' || !reader->digits)
			return og_fail(err, -EBADMSG, "sparse map is no list of numbers");
		r = map_number(reader, map, err);
		if (r < 0)
			return r;
		if (reader->counted && reader->left == 0)
			return 1;
	}
	return 0;
}

int tar_map_read_gnu(struct tar_map *map, const uint8_t *at, size_t count, struct og_err *err)
{
	for (size_t i = 0; i < count; i++, at += 2 * (size_t)GNU_NUMBER_BYTES) {
		int64_t offset, bytes;
		int r;

		if (at[0] == '\0')
			return 0;
		if (tar_number(at, GNU_NUMBER_BYTES, &offset) < 0 || offset < 0 ||
		    tar_number(at + GNU_NUMBER_BYTES, GNU_NUMBER_BYTES, &bytes) < 0 || bytes < 0)
			return og_fail(err, -EBADMSG, "sparse map holds no number");
		r = tar_map_add(map, (uint64_t)offset, (uint64_t)bytes, err);
		if (r < 0)
			return r;
	}
	return 0;
}
