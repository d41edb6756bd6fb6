/* SPDX-License-Identifier: Apache-2.0 */
#include "format/partitions.h"

#define SECTOR	      512
#define MBR_TABLE_AT  446
#define MBR_ENTRY     16
#define MBR_GPT	      0xee
#define GPT_ENTRY_MIN 128
#define GPT_ENTRY_MAX 4096

static uint32_t read32(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
	       (uint32_t)at[3] << 24;
}

static uint64_t read64(const uint8_t *at)
{
	return read32(at) | (uint64_t)read32(at + 4) << 32;
}

static void add(const struct og_bytes *disk, uint64_t first, uint64_t count,
		struct og_partition *partitions, size_t *count_of)
{
	uint64_t sectors = disk->size / SECTOR;

	if (count == 0 || first == 0 || first >= sectors || count > sectors - first ||
	    *count_of == OG_PARTITIONS_MAX)
		return;
	partitions[(*count_of)++] = (struct og_partition){ first * SECTOR, count * SECTOR };
}

static int read_gpt(const struct og_bytes *disk, struct og_partition *partitions, size_t *count,
		    struct og_err *err)
{
	uint8_t head[92], entry[GPT_ENTRY_MIN];
	uint32_t entries, bytes;
	uint64_t at;
	int r = og_bytes_read(disk, SECTOR, head, sizeof(head));

	if (r < 0 || memcmp(head, "EFI PART", 8) != 0)
		return r == -ERANGE || r == 0 ? 0 : og_fail(err, r, "read the disk");
	at = read64(head + 72);
	entries = read32(head + 80);
	bytes = read32(head + 84);
	if (at > disk->size / SECTOR || bytes < GPT_ENTRY_MIN || bytes > GPT_ENTRY_MAX)
		return 0;
	for (uint32_t i = 0; i < entries && i < OG_PARTITIONS_MAX; i++) {
		uint64_t first, last;

		r = og_bytes_read(disk, at * SECTOR + (uint64_t)i * bytes, entry, sizeof(entry));
		if (r < 0)
			return r == -ERANGE ? 0 : og_fail(err, r, "read the disk");
		first = read64(entry + 32);
		last = read64(entry + 40);
		if (read64(entry) != 0 && last >= first && last < UINT64_MAX)
			add(disk, first, last - first + 1, partitions, count);
	}
	return 0;
}

int og_partitions_read(const struct og_bytes *disk, struct og_partition *partitions,
		       size_t *ret_count, struct og_err *err)
{
	uint8_t mbr[SECTOR];
	int r = og_bytes_read(disk, 0, mbr, sizeof(mbr));

	*ret_count = 0;
	if (r < 0)
		return r == -ERANGE ? 0 : og_fail(err, r, "read the disk");
	if (mbr[510] != 0x55 || mbr[511] != 0xaa)
		return 0;
	for (int i = 0; i < 4; i++) {
		const uint8_t *entry = mbr + MBR_TABLE_AT + MBR_ENTRY * i;

		if (entry[4] == MBR_GPT)
			return read_gpt(disk, partitions, ret_count, err);
		if (entry[4] != 0)
			add(disk, read32(entry + 8), read32(entry + 12), partitions, ret_count);
	}
	return 0;
}
