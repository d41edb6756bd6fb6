/* SPDX-License-Identifier: Apache-2.0 */
#include "format/vm_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/test.h"

static struct og_vm_file files[] = {
	{ .name = "memory",
	  .size = 3 * OG_VM_CHUNK_BYTES + 5,
	  .flags = OG_VM_FILE_EXACT,
	  .place_count = 2,
	  .range_count = 1 },
	{ .name = "state", .size = 5, .place_count = 1, .first_place = 2, .first_range = 1 },
};

static struct og_vm_chunk chunks[] = {
	{ .pack = 0, .offset = 0, .stored = 100, .bytes = OG_VM_CHUNK_BYTES },
	{ .pack = 0, .offset = 200, .stored = 14, .bytes = 5 },
};

static struct og_vm_place places[] = { { 1, 0 }, { 3, 1 }, { 0, 1 } };
static struct og_vm_range ranges[] = { { 16, 16 } };

static const struct og_vm_index sample = {
	.files = files,
	.chunks = chunks,
	.places = places,
	.ranges = ranges,
	.file_count = 2,
	.pack_count = 1,
	.chunk_count = 2,
	.place_count = 3,
	.range_count = 1,
};

TEST(what_was_written_is_read)
{
	og_cleanup(og_vm_index_done) struct og_vm_index index = {};
	og_auto_free uint8_t *buf = NULL;
	size_t len = 0;

	CHECK(og_vm_index_write(&sample, &buf, &len, NULL) == 0);
	CHECK(len == 40 + 2 * 152 + 2 * 48 + 3 * 8 + 8);
	CHECK(og_vm_index_read(buf, len, &index, NULL) == 0);
	CHECK(index.file_count == 2 && strcmp(index.files[1].name, "state") == 0);
	CHECK(index.files[1].first_place == 2 && index.files[1].first_range == 1);
	CHECK(memcmp(index.chunks, chunks, sizeof(chunks)) == 0);
	CHECK(memcmp(index.places, places, sizeof(places)) == 0);
	CHECK(og_vm_index_data_bytes(&index) == 3 * 65536 + 16 * 4096);
}

TEST(every_cut_is_refused)
{
	og_auto_free uint8_t *buf = NULL;
	size_t len = 0;
	int taken = 0;

	CHECK(og_vm_index_write(&sample, &buf, &len, NULL) == 0);
	for (size_t cut = 0; cut < len; cut++) {
		og_cleanup(og_vm_index_done) struct og_vm_index index = {};
		struct og_err err = {};

		taken += og_vm_index_read(buf, cut, &index, &err) == 0;
	}
	CHECK(taken == 0);
}

TEST(names_that_lead_elsewhere_are_none)
{
	static const char *const bad[] = { "", ".", "..", ".hidden", "a/b", "a b", "a\n", "ä" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(!og_vm_name_is_good(bad[i]));
	CHECK(og_vm_name_is_good("memory-1_x.raw"));
}

TEST_MAIN(TEST_ENTRY(what_was_written_is_read), TEST_ENTRY(every_cut_is_refused),
	  TEST_ENTRY(names_that_lead_elsewhere_are_none))
