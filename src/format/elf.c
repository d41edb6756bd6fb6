/* SPDX-License-Identifier: Apache-2.0 */
#include "format/elf.h"

#define HEADER_BYTES   64
#define SECTION_BYTES  64
#define SEGMENT_BYTES  56
#define SECTION_NOBITS 8
#define SEGMENT_LOAD   1
#define SEGMENT_WRITE  2

bool og_elf_is(const uint8_t head[4])
{
	return memcmp(head,
		      "\x7f"
		      "ELF",
		      4) == 0;
}

uint64_t og_elf_number(const struct og_elf *elf, const uint8_t *at, size_t bytes)
{
	uint64_t number = 0;

	for (size_t i = 0; i < bytes; i++)
		number = number << 8 | at[elf->big_endian ? i : bytes - 1 - i];
	return number;
}

/* An address or offset, which is of 4 or 8 bytes at two places. */
static uint64_t get(const struct og_elf *elf, const uint8_t *buf, size_t at32, size_t at64)
{
	return elf->is_64 ? og_elf_number(elf, buf + at64, 8) : og_elf_number(elf, buf + at32, 4);
}

static uint16_t get16(const struct og_elf *elf, const uint8_t *buf, size_t at32, size_t at64)
{
	return (uint16_t)og_elf_number(elf, buf + (elf->is_64 ? at64 : at32), 2);
}

static int damaged(struct og_err *err, int r)
{
	return og_fail_plain(err, r == -ERANGE ? -EBADMSG : r, "damaged ELF file");
}

void og_elf_done(struct og_elf *elf)
{
	free(elf->sections);
	free(elf->names);
	*elf = (struct og_elf){};
}

struct section {
	uint32_t name, type;
	struct og_elf_part part;
};

static struct section section_at(const struct og_elf *elf, uint16_t index)
{
	const uint8_t *at = elf->sections + (size_t)index * elf->section_bytes;

	return (struct section){
		.name = (uint32_t)og_elf_number(elf, at, 4),
		.type = (uint32_t)og_elf_number(elf, at + 4, 4),
		.part = { get(elf, at, 16, 24), get(elf, at, 20, 32) },
	};
}

static bool is_inside(const struct og_elf *elf, const struct og_elf_part *part)
{
	return part->offset <= elf->bytes->size && part->size <= elf->bytes->size - part->offset;
}

static int load(const struct og_elf *elf, uint64_t offset, size_t len, void *ret_buf)
{
	og_auto_free uint8_t *buf = malloc(len > 0 ? len : 1);
	int r = buf != NULL ? og_bytes_read(elf->bytes, offset, buf, len) : -ENOMEM;

	if (r == 0)
		*(uint8_t **)ret_buf = og_take_ptr(buf);
	return r;
}

static int load_sections(struct og_elf *elf, uint16_t names_index)
{
	struct section names;
	int r = load(elf, elf->sections_at, (size_t)elf->section_count * elf->section_bytes,
		     &elf->sections);

	if (r < 0)
		return r;
	if (names_index >= elf->section_count)
		return -EBADMSG;
	names = section_at(elf, names_index);
	if (!is_inside(elf, &names.part))
		return -EBADMSG;
	elf->names_bytes = names.part.size < OG_ELF_NAMES_MAX ? (size_t)names.part.size
							      : OG_ELF_NAMES_MAX;
	return load(elf, names.part.offset, elf->names_bytes, &elf->names);
}

int og_elf_open(const struct og_bytes *bytes, struct og_elf *ret_elf, struct og_err *err)
{
	og_cleanup(og_elf_done) struct og_elf elf = { .bytes = bytes };
	uint8_t head[HEADER_BYTES] = {};
	int r = og_bytes_read(bytes, 0, head, bytes->size < sizeof(head) ? 52 : sizeof(head));

	if (r < 0)
		return damaged(err, r);
	if (!og_elf_is(head) || head[4] < 1 || head[4] > 2 || head[5] < 1 || head[5] > 2)
		return damaged(err, -EBADMSG);
	elf.is_64 = head[4] == 2;
	elf.big_endian = head[5] == 2;
	elf.segments_at = get(&elf, head, 28, 32);
	elf.sections_at = get(&elf, head, 32, 40);
	elf.segment_bytes = get16(&elf, head, 42, 54);
	elf.segment_count = get16(&elf, head, 44, 56);
	elf.section_bytes = get16(&elf, head, 46, 58);
	elf.section_count = get16(&elf, head, 48, 60);
	if (elf.section_count > OG_ELF_SECTIONS_MAX || elf.segment_count > OG_ELF_SEGMENTS_MAX ||
	    (elf.section_count > 0 && (elf.section_bytes < (elf.is_64 ? SECTION_BYTES : 40) ||
				       elf.section_bytes > 2 * SECTION_BYTES)) ||
	    (elf.segment_count > 0 && elf.segment_bytes < (elf.is_64 ? SEGMENT_BYTES : 32)))
		return damaged(err, -EBADMSG);
	if (elf.section_count > 0)
		r = load_sections(&elf, get16(&elf, head, 50, 62));
	if (r < 0)
		return damaged(err, r);
	*ret_elf = elf;
	elf = (struct og_elf){};
	return 0;
}

static bool has_name(const struct og_elf *elf, const struct section *section, const char *wanted)
{
	size_t len = strlen(wanted) + 1;

	return section->name <= elf->names_bytes && len <= elf->names_bytes - section->name &&
	       memcmp(elf->names + section->name, wanted, len) == 0;
}

int og_elf_section(const struct og_elf *elf, const char *name, struct og_elf_part *ret_part,
		   struct og_err *err)
{
	for (uint16_t i = 1; i < elf->section_count; i++) {
		struct section section = section_at(elf, i);

		if (section.type == SECTION_NOBITS || !has_name(elf, &section, name))
			continue;
		if (!is_inside(elf, &section.part))
			return damaged(err, -EBADMSG);
		*ret_part = section.part;
		return 0;
	}
	return og_fail_plain(err, -ENOENT, "no section '%s'", name);
}

struct segment {
	uint32_t type, flags;
	uint64_t address;
	struct og_elf_part part;
};

static int read_segment(const struct og_elf *elf, uint16_t index, struct segment *ret_segment)
{
	uint8_t buf[SEGMENT_BYTES] = {};
	uint64_t at = elf->segments_at + (uint64_t)index * elf->segment_bytes;
	int r = og_bytes_read(elf->bytes, at, buf, elf->is_64 ? SEGMENT_BYTES : 32);

	if (r < 0)
		return r;
	ret_segment->type = (uint32_t)og_elf_number(elf, buf, 4);
	ret_segment->flags = (uint32_t)og_elf_number(elf, buf + (elf->is_64 ? 4 : 24), 4);
	ret_segment->part.offset = get(elf, buf, 4, 8);
	ret_segment->address = get(elf, buf, 8, 16);
	ret_segment->part.size = get(elf, buf, 16, 32);
	return 0;
}

int og_elf_address(const struct og_elf *elf, uint64_t address, struct og_elf_part *ret_part,
		   struct og_err *err)
{
	struct segment segment = {};

	for (uint16_t i = 0; i < elf->segment_count; i++) {
		uint64_t skip;
		int r = read_segment(elf, i, &segment);

		if (r < 0)
			return damaged(err, r);
		skip = address - segment.address;
		if (segment.type != SEGMENT_LOAD || address < segment.address ||
		    skip >= segment.part.size || !is_inside(elf, &segment.part))
			continue;
		*ret_part = (struct og_elf_part){ segment.part.offset + skip,
						  segment.part.size - skip };
		return 0;
	}
	return og_fail_plain(err, -ENOENT, "no bytes for address 0x%llx",
			     (unsigned long long)address);
}

int og_elf_data_segment(const struct og_elf *elf, struct og_elf_part *ret_part, struct og_err *err)
{
	struct segment segment = {};

	for (uint16_t i = 0; i < elf->segment_count; i++) {
		int r = read_segment(elf, i, &segment);

		if (r < 0)
			return damaged(err, r);
		if (segment.type != SEGMENT_LOAD || (segment.flags & SEGMENT_WRITE) == 0 ||
		    !is_inside(elf, &segment.part))
			continue;
		*ret_part = segment.part;
		return 0;
	}
	return og_fail_plain(err, -ENOENT, "no segment is for data");
}
