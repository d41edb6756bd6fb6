/* SPDX-License-Identifier: Apache-2.0 */
#include "format/rpm.h"

#include "base/test.h"
#include "package_list.h"

struct header {
	uint8_t bytes[4096];
	size_t len;
	uint32_t tags;
	uint8_t store[2048];
	uint32_t stored;
};

static void put32(uint8_t *at, uint32_t number)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(number >> (24 - 8 * i));
}

static void add(struct header *header, uint32_t tag, uint32_t type, uint32_t count,
		const void *data, size_t len)
{
	uint8_t *at = header->bytes + 8 + 16 * (size_t)header->tags++;

	put32(at, tag);
	put32(at + 4, type);
	put32(at + 8, header->stored);
	put32(at + 12, count);
	memcpy(header->store + header->stored, data, len);
	header->stored += (uint32_t)len;
}

static void add_text(struct header *header, uint32_t tag, const char *text)
{
	add(header, tag, 6, 1, text, strlen(text) + 1);
}

static void seal(struct header *header)
{
	put32(header->bytes, header->tags);
	put32(header->bytes + 4, header->stored);
	header->len = 8 + 16 * (size_t)header->tags + header->stored;
	memcpy(header->bytes + 8 + 16 * (size_t)header->tags, header->store, header->stored);
}

static struct header *make(struct header *header)
{
	*header = (struct header){};
	add_text(header, 1000, "glibc-common");
	add_text(header, 1001, "2.28");
	add_text(header, 1002, "72.el8");
	add_text(header, 1022, "x86_64");
	add_text(header, 1044, "glibc-all-2.28-72.el8.src.rpm");
	return header;
}

static int read_header(const struct header *header, struct og_text *list)
{
	return og_rpm_read_header(header->bytes, header->len, list_package, list_file, list, NULL);
}

TEST(a_header_names_its_package_and_its_files)
{
	struct header header;
	og_auto_text list = {};

	make(&header);
	add(&header, 1003, 4, 1, "\0\0\0\2", 4);
	add(&header, 1116, 4, 3, "\0\0\0\1\0\0\0\0\0\0\0\1", 12);
	add(&header, 1117, 8, 3, "a\0b\0c", 6);
	add(&header, 1118, 8, 2, "/x/\0/y/", 8);
	seal(&header);
	CHECK_OK(read_header(&header, &list));
	CHECK_LIST(list, "glibc-common 2:2.28-72.el8 x86_64 glibc-all 2:2.28-72.el8\n"
			 "/y/|a\n/x/|b\n/y/|c\n");
}

TEST(a_signers_key_is_no_package_and_no_source_is_none)
{
	struct header header = {};
	og_auto_text list = {};

	add_text(&header, 1000, "gpg-pubkey");
	add_text(&header, 1001, "1");
	seal(&header);
	CHECK_OK(read_header(&header, &list));
	header = (struct header){};
	add_text(&header, 1000, "x");
	add_text(&header, 1001, "1");
	add_text(&header, 1044, "(none)");
	seal(&header);
	CHECK_OK(read_header(&header, &list));
	CHECK_LIST(list, "x 1 - - -\n");
}

TEST(what_contradicts_itself_is_damaged)
{
	struct header header;
	og_auto_text list = {};

	make(&header);
	seal(&header);
	put32(header.bytes, 4000);
	CHECK_EQ(read_header(&header, &list), -EBADMSG);
	put32(header.bytes, 0x10000000);
	CHECK_EQ(read_header(&header, &list), -E2BIG);
	make(&header);
	add(&header, 1116, 4, 2, "\0\0\0\0\0\0\0\7", 8);
	add(&header, 1117, 8, 2, "a\0b", 4);
	add(&header, 1118, 8, 1, "/x/", 4);
	seal(&header);
	CHECK_EQ(read_header(&header, &list), -EBADMSG);
	header = (struct header){};
	add_text(&header, 1000, "x");
	seal(&header);
	CHECK_EQ(read_header(&header, &list), -EBADMSG);
}

TEST(every_cut_and_every_wild_number_stays_inside)
{
	struct header header;

	for (size_t at = 0; at < 88; at++) {
		og_auto_text list = {};

		make(&header);
		seal(&header);
		memset(header.bytes + at, 0xff, 4);
		(void)read_header(&header, &list);
		seal(&header);
		header.len = at;
		CHECK(read_header(&header, &list) < 0);
	}
}

static int never(void *data, const uint8_t *buf, size_t len, struct og_err *err)
{
	(void)data;
	(void)buf;
	(void)len;
	(void)err;
	CHECK(false);
	return 0;
}

TEST(a_chain_of_pages_that_is_a_ring_ends)
{
	static uint8_t file[3 * 512];

	file[12] = 0x61, file[13] = 0x15, file[14] = 0x06; /* magic */
	file[21] = 2;					   /* pages of 512 bytes */
	file[512 + 20] = 2;				   /* a key and a value */
	file[512 + 25] = 13;
	file[512 + 28] = 100; /* where the value is */
	file[512 + 100] = 3;
	file[512 + 104] = 2; /* page 2 */
	file[512 + 109] = 4; /* 1024 bytes */
	file[1024 + 16] = 2; /* which is followed by itself */
	file[1024 + 22] = 1;
	file[1024 + 25] = 7;
	/* A byte a turn: it has an end, and then is no header's. */
	CHECK_EQ(og_rpm_read_bdb(file, sizeof(file) - 1, never, NULL, NULL), -EBADMSG);
	file[512 + 109] = 0xff; /* longer than the file */
	CHECK_EQ(og_rpm_read_bdb(file, sizeof(file), never, NULL, NULL), -EBADMSG);
}

TEST(what_is_no_database_is_refused)
{
	static uint8_t file[8192];

	CHECK_EQ(og_rpm_read_bdb(file, sizeof(file), never, NULL, NULL), -EBADMSG);
	CHECK_EQ(og_rpm_read_bdb(file, 3, never, NULL, NULL), -EBADMSG);
	CHECK_EQ(og_rpm_read_ndb(file, sizeof(file), never, NULL, NULL), -EBADMSG);
	memcpy(file, "RpmP", 4);
	CHECK_EQ(og_rpm_read_ndb(file, sizeof(file), never, NULL, NULL), -EBADMSG);
	file[12] = 1;
	CHECK_EQ(og_rpm_read_ndb(file, sizeof(file), never, NULL, NULL), -EBADMSG);
	for (size_t at = 32; at < 4096; at += 16)
		memcpy(file + at, "Slot", 4);
	CHECK_OK(og_rpm_read_ndb(file, sizeof(file), never, NULL, NULL));
	file[36] = 1;
	file[42] = 0xff;
	CHECK_EQ(og_rpm_read_ndb(file, sizeof(file), never, NULL, NULL), -EBADMSG);
}

TEST_MAIN(TEST_ENTRY(a_header_names_its_package_and_its_files),
	  TEST_ENTRY(a_signers_key_is_no_package_and_no_source_is_none),
	  TEST_ENTRY(what_contradicts_itself_is_damaged),
	  TEST_ENTRY(every_cut_and_every_wild_number_stays_inside),
	  TEST_ENTRY(a_chain_of_pages_that_is_a_ring_ends),
	  TEST_ENTRY(what_is_no_database_is_refused))
