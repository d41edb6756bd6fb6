/* SPDX-License-Identifier: Apache-2.0 */
#include "format/vm_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

#define MAJOR 1U
#define MINOR 0U

#define HEADER_BYTES 40U
#define FILE_BYTES   152U
#define CHUNK_BYTES  48U
#define PLACE_BYTES  8U
#define RANGE_BYTES  8U

static const uint8_t magic[8] = { 0x6f, 0x6e, 0x67, 0x67, 0x69, 0x1a, 0x56, 0x49 };

void og_vm_index_done(struct og_vm_index *index)
{
	free(index->files);
	free(index->chunks);
	free(index->places);
	free(index->ranges);
	*index = (struct og_vm_index){};
}

bool og_vm_name_is_good(const char *name)
{
	static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				   "0123456789._-";
	size_t len = strlen(name);

	return len > 0 && len <= OG_VM_NAME_MAX && name[0] != '.' && strspn(name, good) == len;
}

/* ---- numbers: little endian ---- */

static void put32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static void put64(uint8_t *at, uint64_t value)
{
	put32(at, (uint32_t)value);
	put32(at + 4, (uint32_t)(value >> 32));
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
	       (uint32_t)at[3] << 24;
}

static uint64_t get64(const uint8_t *at)
{
	return get32(at) | (uint64_t)get32(at + 4) << 32;
}

/* ---- sizes ---- */

static int check_counts(const struct og_vm_index *index, struct og_err *err)
{
	if (index->file_count == 0)
		return og_fail_plain(err, -EBADMSG, "index: no file in it");
	if (index->file_count > OG_VM_FILES_MAX || index->pack_count > OG_VM_PACKS_MAX ||
	    index->chunk_count > OG_VM_CHUNKS_MAX || index->place_count > OG_VM_PLACES_MAX ||
	    index->range_count > OG_VM_RANGES_MAX)
		return og_fail_plain(err, -E2BIG,
				     "index: over a limit: %u files, %u packs, %u chunks, %u "
				     "places, %u ranges",
				     index->file_count, index->pack_count, index->chunk_count,
				     index->place_count, index->range_count);
	return 0;
}

static uint64_t total_bytes(const struct og_vm_index *index)
{
	return HEADER_BYTES + (uint64_t)index->file_count * FILE_BYTES +
	       (uint64_t)index->chunk_count * CHUNK_BYTES +
	       (uint64_t)index->place_count * PLACE_BYTES +
	       (uint64_t)index->range_count * RANGE_BYTES;
}

uint64_t og_vm_index_data_bytes(const struct og_vm_index *index)
{
	uint64_t bytes = (uint64_t)index->place_count * OG_VM_CHUNK_BYTES;

	for (uint32_t i = 0; i < index->range_count; i++)
		bytes += (uint64_t)index->ranges[i].pages * OG_VM_PAGE_BYTES;
	return bytes;
}

/* ---- writing ---- */

static uint8_t *write_file(uint8_t *at, const struct og_vm_file *file)
{
	memcpy(at, file->name, strlen(file->name));
	at += sizeof(file->name);
	put64(at, file->size);
	put32(at + 8, file->flags);
	put32(at + 12, file->place_count);
	put32(at + 16, file->range_count);
	return at + 24;
}

static uint8_t *write_chunk(uint8_t *at, const struct og_vm_chunk *chunk)
{
	memcpy(at, chunk->digest.sha256, OG_SHA256_BYTES);
	put32(at + 32, chunk->pack);
	put32(at + 36, chunk->offset);
	put32(at + 40, chunk->stored);
	put32(at + 44, chunk->bytes);
	return at + CHUNK_BYTES;
}

int og_vm_index_write(const struct og_vm_index *index, uint8_t **ret_buf, size_t *ret_len,
		      struct og_err *err)
{
	uint64_t len = total_bytes(index);
	int r = check_counts(index, err);
	uint8_t *buf, *at;

	if (r == 0 && len > OG_VM_INDEX_BYTES_MAX)
		r = og_fail_plain(err, -E2BIG, "index: over %u bytes", OG_VM_INDEX_BYTES_MAX);
	if (r < 0)
		return r;
	buf = calloc(1, len);
	if (buf == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	memcpy(buf, magic, sizeof(magic));
	put32(buf + 8, MAJOR | MINOR << 16);
	put32(buf + 12, OG_VM_CHUNK_BYTES);
	put32(buf + 16, index->file_count);
	put32(buf + 20, index->pack_count);
	put32(buf + 24, index->chunk_count);
	put32(buf + 28, index->place_count);
	put32(buf + 32, index->range_count);
	at = buf + HEADER_BYTES;
	for (uint32_t i = 0; i < index->file_count; i++)
		at = write_file(at, &index->files[i]);
	for (uint32_t i = 0; i < index->chunk_count; i++)
		at = write_chunk(at, &index->chunks[i]);
	for (uint32_t i = 0; i < index->place_count; i++, at += PLACE_BYTES) {
		put32(at, index->places[i].position);
		put32(at + 4, index->places[i].chunk);
	}
	for (uint32_t i = 0; i < index->range_count; i++, at += RANGE_BYTES) {
		put32(at, index->ranges[i].page);
		put32(at + 4, index->ranges[i].pages);
	}
	*ret_buf = buf;
	*ret_len = len;
	return 0;
}

/* ---- reading ---- */

static int read_header(const uint8_t *buf, size_t len, struct og_vm_index *index,
		       struct og_err *err)
{
	int r;

	if (len < HEADER_BYTES || memcmp(buf, magic, sizeof(magic)) != 0)
		return og_fail_plain(err, -EBADMSG, "index: it is none");
	if ((get32(buf + 8) & 0xffff) != MAJOR)
		return og_fail_plain(err, -ENOTSUP, "index: of version %u, this onggi reads %u",
				     get32(buf + 8) & 0xffff, MAJOR);
	if (get32(buf + 12) != OG_VM_CHUNK_BYTES || get32(buf + 36) != 0)
		return og_fail_plain(err, -ENOTSUP,
				     "index: chunks of %u bytes, this onggi reads %u",
				     get32(buf + 12), OG_VM_CHUNK_BYTES);
	index->file_count = get32(buf + 16);
	index->pack_count = get32(buf + 20);
	index->chunk_count = get32(buf + 24);
	index->place_count = get32(buf + 28);
	index->range_count = get32(buf + 32);
	r = check_counts(index, err);
	if (r < 0)
		return r;
	if (len != total_bytes(index))
		return og_fail_plain(err, -EBADMSG, "index: %zu bytes, its counts make %llu", len,
				     (unsigned long long)total_bytes(index));
	return 0;
}

static void *room_for(size_t count, size_t size)
{
	return calloc(count > 0 ? count : 1, size);
}

static int read_tables(const uint8_t *at, struct og_vm_index *index, struct og_err *err)
{
	index->files = room_for(index->file_count, sizeof(*index->files));
	index->chunks = room_for(index->chunk_count, sizeof(*index->chunks));
	index->places = room_for(index->place_count, sizeof(*index->places));
	index->ranges = room_for(index->range_count, sizeof(*index->ranges));
	if (index->files == NULL || index->chunks == NULL || index->places == NULL ||
	    index->ranges == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	for (uint32_t i = 0; i < index->file_count; i++, at += FILE_BYTES) {
		struct og_vm_file *file = &index->files[i];

		memcpy(file->name, at, sizeof(file->name));
		file->size = get64(at + 128);
		file->flags = get32(at + 136);
		file->place_count = get32(at + 140);
		file->range_count = get32(at + 144);
		if (file->name[OG_VM_NAME_MAX] != '\0' || get32(at + 148) != 0)
			return og_fail_plain(err, -EBADMSG, "index: file %u is bent", i);
	}
	for (uint32_t i = 0; i < index->chunk_count; i++, at += CHUNK_BYTES) {
		struct og_vm_chunk *chunk = &index->chunks[i];

		memcpy(chunk->digest.sha256, at, OG_SHA256_BYTES);
		chunk->pack = get32(at + 32);
		chunk->offset = get32(at + 36);
		chunk->stored = get32(at + 40);
		chunk->bytes = get32(at + 44);
	}
	for (uint32_t i = 0; i < index->place_count; i++, at += PLACE_BYTES)
		index->places[i] = (struct og_vm_place){ get32(at), get32(at + 4) };
	for (uint32_t i = 0; i < index->range_count; i++, at += RANGE_BYTES)
		index->ranges[i] = (struct og_vm_range){ get32(at), get32(at + 4) };
	return 0;
}

/* Chunks lie in their packs one behind the other, without overlap, and each pack is needed. */
static int check_chunks(const struct og_vm_index *index, struct og_err *err)
{
	uint32_t pack = 0, end = 0;

	for (uint32_t i = 0; i < index->chunk_count; i++) {
		const struct og_vm_chunk *chunk = &index->chunks[i];

		if (i == 0 ? chunk->pack != 0 : chunk->pack != pack && chunk->pack != pack + 1)
			return og_fail_plain(err, -EBADMSG, "index: chunk %u: pack %u is not next",
					     i, chunk->pack);
		if (chunk->pack != pack)
			end = 0;
		pack = chunk->pack;
		if (chunk->bytes == 0 || chunk->bytes > OG_VM_CHUNK_BYTES || chunk->stored == 0 ||
		    chunk->offset < end || chunk->offset > OG_VM_PACK_BYTES_MAX ||
		    chunk->stored > OG_VM_PACK_BYTES_MAX - chunk->offset)
			return og_fail_plain(err, -EBADMSG,
					     "index: chunk %u: %u bytes at %u of pack %u, %u bytes "
					     "of content, cannot be",
					     i, chunk->stored, chunk->offset, chunk->pack,
					     chunk->bytes);
		end = chunk->offset + chunk->stored;
	}
	if (index->pack_count != (index->chunk_count > 0 ? pack + 1 : 0))
		return og_fail_plain(err, -EBADMSG, "index: %u packs, its chunks are in %u",
				     index->pack_count, index->chunk_count > 0 ? pack + 1 : 0);
	return 0;
}

static int check_places(const struct og_vm_index *index, const struct og_vm_file *file,
			struct og_err *err)
{
	uint64_t least = 0;

	for (uint32_t i = 0; i < file->place_count; i++) {
		const struct og_vm_place *place = &index->places[file->first_place + i];
		uint64_t offset = (uint64_t)place->position * OG_VM_CHUNK_BYTES;
		uint64_t left;

		if (place->position < least || offset >= file->size ||
		    place->chunk >= index->chunk_count)
			return og_fail_plain(err, -EBADMSG,
					     "index: '%s': chunk %u cannot be at place %u",
					     file->name, place->chunk, place->position);
		left = file->size - offset;
		if (index->chunks[place->chunk].bytes !=
		    (left < OG_VM_CHUNK_BYTES ? left : OG_VM_CHUNK_BYTES))
			return og_fail_plain(err, -EBADMSG,
					     "index: '%s': chunk %u has another size than place %u",
					     file->name, place->chunk, place->position);
		least = (uint64_t)place->position + 1;
	}
	return 0;
}

static int check_ranges(const struct og_vm_index *index, const struct og_vm_file *file,
			struct og_err *err)
{
	uint64_t pages = (file->size + OG_VM_PAGE_BYTES - 1) / OG_VM_PAGE_BYTES, least = 0;

	if (file->range_count > 0 && (file->flags & OG_VM_FILE_EXACT) == 0)
		return og_fail_plain(err, -EBADMSG, "index: '%s' has ranges in vain", file->name);
	for (uint32_t i = 0; i < file->range_count; i++) {
		const struct og_vm_range *range = &index->ranges[file->first_range + i];

		if (range->pages == 0 || range->page < least || range->page >= pages ||
		    range->pages > pages - range->page)
			return og_fail_plain(err, -EBADMSG, "index: '%s': range %u cannot be",
					     file->name, i);
		least = (uint64_t)range->page + range->pages;
	}
	return 0;
}

static int check_file(struct og_vm_index *index, uint32_t nth, uint64_t *places, uint64_t *ranges,
		      struct og_err *err)
{
	struct og_vm_file *file = &index->files[nth];
	int r;

	if (!og_vm_name_is_good(file->name))
		return og_fail_plain(err, -EBADMSG, "index: '%.40s' is no name for a file",
				     file->name);
	for (uint32_t i = 0; i < nth; i++)
		if (og_streq(index->files[i].name, file->name))
			return og_fail_plain(err, -EBADMSG, "index: two files '%s'", file->name);
	if (file->size > OG_VM_FILE_BYTES_MAX || (file->flags & ~OG_VM_FILE_EXACT) != 0 ||
	    file->place_count > index->place_count - *places ||
	    file->range_count > index->range_count - *ranges)
		return og_fail_plain(err, -EBADMSG, "index: '%s' cannot be", file->name);
	file->first_place = (uint32_t)*places;
	file->first_range = (uint32_t)*ranges;
	*places += file->place_count;
	*ranges += file->range_count;
	r = check_places(index, file, err);
	return r < 0 ? r : check_ranges(index, file, err);
}

int og_vm_index_read(const uint8_t *buf, size_t len, struct og_vm_index *ret_index,
		     struct og_err *err)
{
	og_cleanup(og_vm_index_done) struct og_vm_index index = {};
	uint64_t places = 0, ranges = 0;
	int r = read_header(buf, len, &index, err);

	if (r == 0)
		r = read_tables(buf + HEADER_BYTES, &index, err);
	if (r == 0)
		r = check_chunks(&index, err);
	for (uint32_t i = 0; i < index.file_count && r == 0; i++)
		r = check_file(&index, i, &places, &ranges, err);
	if (r == 0 && (places != index.place_count || ranges != index.range_count))
		r = og_fail_plain(err, -EBADMSG, "index: it has more than its files");
	if (r < 0)
		return r;
	*ret_index = index;
	index = (struct og_vm_index){};
	return 0;
}

/* ---- a snapshot's state file ---- */

bool og_vm_state_machine(const uint8_t *buf, size_t len, uint64_t *ret_memory_mib,
			 uint32_t *ret_cpus)
{
	static const uint8_t state_magic[8] = { 0x6f, 0x6e, 0x67, 0x67, 0x69, 0x1a, 0x56, 0x4d };
	size_t at = 24;

	if (len < at || memcmp(buf, state_magic, sizeof(state_magic)) != 0)
		return false;
	while (len - at >= 8) {
		size_t section = get32(buf + at + 4);

		if (section > len - at - 8)
			return false;
		if (memcmp(buf + at, "MACH", 4) == 0 && section >= 12) {
			*ret_memory_mib = get64(buf + at + 8);
			*ret_cpus = get32(buf + at + 16);
			return true;
		}
		at += 8 + section;
	}
	return false;
}
