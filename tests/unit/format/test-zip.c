/* SPDX-License-Identifier: Apache-2.0 */
/* Zip archives of more than 4 GiB, which no test can have on a disk, and what lies about its size. */
#include "format/zip.h"

#include "base/test.h"
#include "base/text.h"

#define FAR   (5ULL << 30) /* where the archive's first member ends */
#define NAME  "small"
#define WORDS "what is in it"

/* In front, where something looks like a member. */
#define TRAP	 10
#define IN_FRONT 100

/* FAR bytes of nothing behind the first member's header, and then @tail. */
struct archive {
	struct og_text tail;
	uint64_t front; /* bytes of another program */
};

static int read_archive(void *data, uint64_t offset, void *buf, size_t len)
{
	const struct archive *archive = data;
	uint64_t begin = archive->front + FAR;

	for (size_t i = 0; i < len; i++)
		((uint8_t *)buf)[i] =
			offset + i < begin ? 0 : (uint8_t)archive->tail.buf[offset + i - begin];
	if (offset == TRAP && len >= 4)
		memcpy(buf, "PK\3\4", 4);
	return 0;
}

static void add(struct og_text *text, unsigned width, uint64_t value)
{
	for (unsigned i = 0; i < width; i++) {
		char byte = (char)(i < sizeof(value) ? value >> (8 * i) : 0);

		og_text_add_bytes(text, &byte, 1);
	}
}

/* In the directory: sizes and place stand in the extra field as far as they are told to. */
static void add_entry(struct og_text *text, uint64_t size, uint64_t at, unsigned extra_bytes)
{
	add(text, 4, 0x02014b50);
	add(text, 12, 0);
	add(text, 4, 0);
	add(text, 4, size > UINT32_MAX ? UINT32_MAX : size);
	add(text, 4, size > UINT32_MAX ? UINT32_MAX : size);
	add(text, 2, strlen(NAME));
	add(text, 2, 4 + extra_bytes + 5);
	add(text, 10, 0);
	add(text, 4, at > UINT32_MAX ? UINT32_MAX : at);
	og_text_add(text, NAME);
	add(text, 2, 0x9999); /* another field in front */
	add(text, 2, 1);
	add(text, 1, 7);
	add(text, 2, 1);
	add(text, 2, extra_bytes);
	if (extra_bytes >= 16) {
		add(text, 8, size);
		add(text, 8, size);
	} else if (extra_bytes >= 8)
		add(text, 8, at);
	else
		add(text, extra_bytes, 0);
}

static void add_end(struct archive *archive, uint64_t directory_at, uint64_t pointed, uint64_t lie)
{
	struct og_text *text = &archive->tail;
	uint64_t end_at = FAR + text->len;

	add(text, 4, 0x06064b50);
	add(text, 8, 44 + lie);
	add(text, 28, 0);
	add(text, 8, end_at - directory_at);
	add(text, 8, directory_at);
	add(text, 4, 0x07064b50);
	add(text, 4, 0);
	add(text, 8, pointed != 0 ? pointed : end_at);
	add(text, 4, 1);
	add(text, 4, 0x06054b50);
	add(text, 8, UINT64_MAX);
	add(text, 8, UINT64_MAX);
	add(text, 2, 0);
}

static void build(struct archive *archive, unsigned extra_bytes, uint64_t pointed, uint64_t lie)
{
	struct og_text *text = &archive->tail;
	uint64_t directory_at;

	add(text, 4, 0x04034b50);
	add(text, 22, 0);
	add(text, 2, strlen(NAME));
	add(text, 2, 0);
	og_text_add(text, NAME);
	og_text_add(text, WORDS);
	directory_at = FAR + text->len;
	add_entry(text, FAR - 100, 0, 16);
	add_entry(text, strlen(WORDS), FAR, extra_bytes);
	add_end(archive, directory_at, pointed, lie);
	CHECK(!text->failed);
}

static struct og_bytes bytes_of(struct archive *archive)
{
	return (struct og_bytes){ .read = read_archive,
				  .data = archive,
				  .size = archive->front + FAR + archive->tail.len };
}

TEST(members_beyond_4_gib_are_read)
{
	for (uint64_t front = 0; front <= IN_FRONT; front += IN_FRONT) {
		struct archive archive = { .front = front };
		struct og_bytes bytes = bytes_of(&archive);
		struct og_zip_member member = {};
		struct og_zip zip = {};
		char *buf = NULL;
		size_t len = 0;

		build(&archive, 8, 0, 0);
		bytes = bytes_of(&archive);
		CHECK_OK(og_zip_open(&bytes, &zip, NULL));
		CHECK_EQ(zip.shift, front);
		CHECK(og_zip_next(&zip, &member));
		CHECK_EQ(member.size, FAR - 100);
		CHECK_EQ(member.packed, FAR - 100);
		CHECK(og_zip_next(&zip, &member));
		CHECK_EQ(member.header_at, FAR);
		CHECK_OK(og_zip_read(&zip, &member, 1000, &buf, &len, NULL));
		CHECK(len == strlen(WORDS) && memcmp(buf, WORDS, len) == 0);
		CHECK(!og_zip_next(&zip, &member));
		free(buf);
		og_zip_done(&zip);
		og_text_done(&archive.tail);
	}
}

TEST(an_entry_without_its_wide_values_ends_the_directory)
{
	static const unsigned bytes_of_extra[] = { 0, 7 };

	for (size_t i = 0; i < 2; i++) {
		struct archive archive = {};
		struct og_bytes bytes;
		struct og_zip_member member = {};
		struct og_zip zip = {};

		build(&archive, bytes_of_extra[i], 0, 0);
		bytes = bytes_of(&archive);
		CHECK_OK(og_zip_open(&bytes, &zip, NULL));
		CHECK(og_zip_next(&zip, &member));
		CHECK(!og_zip_next(&zip, &member));
		og_zip_done(&zip);
		og_text_done(&archive.tail);
	}
}

TEST(an_end_that_lies_is_refused)
{
	static const struct {
		uint64_t pointed, lie;
	} rows[] = { { 0, 1 }, { UINT64_MAX, 1 }, { UINT64_MAX - 30, UINT64_MAX - 43 }, { 1, 1 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct archive archive = {};
		struct og_bytes bytes;
		struct og_zip zip = {};

		build(&archive, 8, rows[i].pointed, rows[i].lie);
		bytes = bytes_of(&archive);
		CHECK_EQ(og_zip_open(&bytes, &zip, NULL), -EBADMSG);
		og_text_done(&archive.tail);
	}
}

TEST(a_member_at_the_end_of_numbers_is_refused)
{
	struct archive archive = { .front = IN_FRONT };
	struct og_bytes bytes;
	struct og_zip_member member = {};
	struct og_zip zip = {};
	uint64_t at = 0;

	build(&archive, 8, 0, 0);
	bytes = bytes_of(&archive);
	CHECK_OK(og_zip_open(&bytes, &zip, NULL));
	CHECK(og_zip_next(&zip, &member));
	member.packed = 1;
	member.header_at = UINT64_MAX - IN_FRONT + 1 + TRAP;
	CHECK_EQ(og_zip_place(&zip, &member, &at, NULL), -EBADMSG);
	og_zip_done(&zip);
	og_text_done(&archive.tail);
}

TEST_MAIN(TEST_ENTRY(members_beyond_4_gib_are_read),
	  TEST_ENTRY(an_entry_without_its_wide_values_ends_the_directory),
	  TEST_ENTRY(an_end_that_lies_is_refused),
	  TEST_ENTRY(a_member_at_the_end_of_numbers_is_refused))
