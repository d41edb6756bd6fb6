/* SPDX-License-Identifier: Apache-2.0 */
#include "format/tar.h"

#include <errno.h>

#include "../archive.h"
#include "base/test.h"
#include "base/text.h"

#define GNU_MAGIC "ustar  "

/* What a reader was told, as text: one entry a line. */
struct told {
	struct og_text text;
	uint64_t files_open;
};

static int tell_entry(void *data, const struct og_tar_entry *entry, struct og_err *err)
{
	static const char types[] = "flscbdp";
	struct told *told = data;

	(void)err;
	og_text_addf(&told->text, "%c %s>%s %o %u:%u %lld.%09u %u,%u %llu", types[entry->type],
		     entry->name, entry->link, entry->mode, entry->uid, entry->gid,
		     (long long)entry->mtime_sec, entry->mtime_nsec, entry->dev_major,
		     entry->dev_minor, (unsigned long long)entry->size);
	for (size_t i = 0; i < entry->xattr_count; i++)
		og_text_addf(&told->text, " %s=%.*s", entry->xattrs[i].name,
			     (int)entry->xattrs[i].len, (const char *)entry->xattrs[i].value);
	if (entry->type != OG_TAR_FILE)
		og_text_add(&told->text, "\n");
	told->files_open = entry->type == OG_TAR_FILE;
	return 0;
}

static int tell_content(void *data, uint64_t offset, const void *buf, size_t len,
			struct og_err *err)
{
	struct told *told = data;

	(void)err;
	CHECK(told->files_open);
	/* A byte at a time, so that the size of the pieces does not show. */
	for (size_t i = 0; i < len; i++)
		og_text_addf(&told->text, " %llu%c", (unsigned long long)offset + i,
			     ((const char *)buf)[i]);
	return 0;
}

static int tell_end(void *data, struct og_err *err)
{
	struct told *told = data;

	(void)err;
	CHECK(told->files_open);
	told->files_open = 0;
	og_text_add(&told->text, "\n");
	return 0;
}

static const struct og_tar_ops ops = {
	.entry = tell_entry,
	.content = tell_content,
	.file_end = tell_end,
};

static int read_in_pieces(const struct archive *archive, size_t piece, struct told *told,
			  struct og_err *err)
{
	og_cleanup(og_tar_freep) struct og_tar *tar = NULL;

	CHECK_OK(og_tar_new(&ops, told, &tar, NULL));
	for (size_t at = 0; at < archive->len; at += piece) {
		size_t len = archive->len - at < piece ? archive->len - at : piece;
		int r = og_tar_feed(tar, archive->bytes + at, len, err);

		if (r < 0)
			return r;
	}
	return og_tar_finish(tar, err);
}

/* The archive reads as @want, whatever pieces it comes in. */
static void check_reads(const struct archive *archive, const char *want)
{
	static const size_t pieces[] = { 1, 7, 511, 512, 513, 4096, sizeof(archive->bytes) };

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct told told = {};
		struct og_err err = {};
		int r = read_in_pieces(archive, pieces[i], &told, &err);

		if (r < 0)
			fprintf(stderr, "%s\n", err.text);
		CHECK_OK(r);
		if (told.text.buf == NULL || !og_streq(told.text.buf, want))
			fprintf(stderr, "got:  %swant: %s", told.text.buf, want);
		CHECK(told.text.buf != NULL && og_streq(told.text.buf, want));
		og_text_done(&told.text);
	}
}

static void check_refused(const struct archive *archive, const char *words)
{
	static const size_t pieces[] = { 1, 512, sizeof(archive->bytes) };

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct told told = {};
		struct og_err err = {};

		CHECK_EQ(read_in_pieces(archive, pieces[i], &told, &err), -EBADMSG);
		if (strstr(err.text, words) == NULL)
			fprintf(stderr, "got: %s\n", err.text);
		CHECK(strstr(err.text, words) != NULL);
		og_text_done(&told.text);
	}
}

static struct archive archive;

TEST(every_type_is_told_with_its_metadata)
{
	archive_add(&archive, &(struct archive_entry){ .name = "f",
						       .content = "abc",
						       .mode = 04755,
						       .uid = 1,
						       .gid = 2,
						       .mtime = 77 });
	archive_add(&archive, &(struct archive_entry){ .name = "d/", .type = '5', .mode = 0700 });
	archive_add(&archive, &(struct archive_entry){ .name = "s", .type = '2', .link = "f" });
	archive_add(&archive, &(struct archive_entry){ .name = "h", .type = '1', .link = "f" });
	archive_add(&archive,
		    &(struct archive_entry){ .name = "c", .type = '3', .major = 5, .minor = 1 });
	archive_add(&archive, &(struct archive_entry){ .name = "b", .type = '4', .major = 8 });
	archive_add(&archive, &(struct archive_entry){ .name = "p", .type = '6' });
	archive_add(&archive,
		    &(struct archive_entry){ .name = "n", .prefix = "long/way", .content = "" });
	archive_end(&archive);
	check_reads(&archive, "f f> 4755 1:2 77.000000000 0,0 3 0a 1b 2c\n"
			      "d d/> 700 0:0 0.000000000 0,0 0\n"
			      "s s>f 0 0:0 0.000000000 0,0 0\n"
			      "l h>f 0 0:0 0.000000000 0,0 0\n"
			      "c c> 0 0:0 0.000000000 5,1 0\n"
			      "b b> 0 0:0 0.000000000 8,0 0\n"
			      "p p> 0 0:0 0.000000000 0,0 0\n"
			      "f long/way/n> 0 0:0 0.000000000 0,0 0\n");
}

TEST(pax_records_replace_what_the_header_says)
{
	archive_pax(&archive, 'x', "path", "longer/name");
	archive_end(&archive);
	check_refused(&archive, "inside an entry");

	archive.len = 0;
	archive_pax(&archive, 'g', "mtime", "5");
	archive_pax(&archive, 'x', "path", "first");
	archive_pax(&archive, 'x', "SCHILY.xattr.user.a%3Db", "v");
	archive_add(&archive, &(struct archive_entry){ .name = "f" });
	archive_pax(&archive, 'x', "mtime", "-1.25");
	archive_add(&archive, &(struct archive_entry){ .name = "g" });
	archive_pax(&archive, 'x', "uid", "4000000000");
	archive_add(&archive, &(struct archive_entry){ .name = "h" });
	archive_end(&archive);
	check_reads(&archive, "f f> 0 0:0 5.000000000 0,0 0 user.a=b=v\n"
			      "f g> 0 0:0 -2.750000000 0,0 0\n"
			      "f h> 0 4000000000:0 5.000000000 0,0 0\n");
}

TEST(gnu_long_names_and_binary_numbers_are_read)
{
	char name[300];
	char want[512];
	uint8_t *block;

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	archive_add(&archive,
		    &(struct archive_entry){ .type = 'L', .content = name, .magic = GNU_MAGIC });
	archive_add(&archive,
		    &(struct archive_entry){ .type = 'K', .content = "to", .magic = GNU_MAGIC });
	block = archive_header(&archive,
			       &(struct archive_entry){ .type = '2', .magic = GNU_MAGIC });
	memcpy(block + 108, "\x80\0\0\0\x12\x34\x56\x78", 8);
	memcpy(block + 136, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", 12);
	archive_seal(block);
	archive_end(&archive);
	(void)snprintf(want, sizeof(want), "s %s>to 0 %u:0 -2.000000000 0,0 0\n", name,
		       0x12345678U);
	check_reads(&archive, want);
}

TEST(a_gnu_sparse_file_is_told_where_its_bytes_are)
{
	uint8_t *block = archive_header(&archive, &(struct archive_entry){ .name = "s",
									   .type = 'S',
									   .content = "abcd",
									   .magic = GNU_MAGIC });

	memcpy(block + 386, "00000000002\00000000000001\0", 24);
	memcpy(block + 410, "00000000010\00000000000002\0", 24);
	block[482] = 1;
	memcpy(block + 483, "00000000100", 12);
	archive_seal(block);
	block = archive.bytes + archive.len;
	archive_content(&archive, "00000000040\00000000000001\0", 24);
	archive_content(&archive, "abcd", 4);
	archive_end(&archive);
	check_reads(&archive, "f s> 0 0:0 0.000000000 0,0 64 2a 8b 9c 32d\n");
}

TEST(pax_sparse_files_of_all_versions_are_told_alike)
{
	uint8_t *block;

	/* 0.1 */
	archive_add(&archive,
		    &(struct archive_entry){
			    .type = 'x',
			    .content = "26 GNU.sparse.map=2,1,8,2\n22 GNU.sparse.size=64\n"
				       "22 GNU.sparse.name=a1\n" });
	archive_add(&archive, &(struct archive_entry){ .name = "x", .content = "abc" });
	/* 0.0 */
	archive_add(&archive,
		    &(struct archive_entry){
			    .type = 'x',
			    .content = "22 GNU.sparse.size=64\n23 GNU.sparse.offset=2\n"
				       "25 GNU.sparse.numbytes=1\n23 GNU.sparse.offset=8\n"
				       "25 GNU.sparse.numbytes=2\n" });
	archive_add(&archive, &(struct archive_entry){ .name = "a0", .content = "abc" });
	/* 1.0 */
	archive_add(&archive, &(struct archive_entry){
				      .type = 'x',
				      .content = "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"
						 "26 GNU.sparse.realsize=64\n" });
	block = archive_header(&archive, &(struct archive_entry){ .name = "b" });
	memcpy(block + 124, "00000001003", 12);
	archive_seal(block);
	archive_content(&archive, "2\n2\n1\n8\n2\n", 10);
	archive_content(&archive, "abc", 3);
	archive_end(&archive);
	check_reads(&archive, "f a1> 0 0:0 0.000000000 0,0 64 2a 8b 9c\n"
			      "f a0> 0 0:0 0.000000000 0,0 64 2a 8b 9c\n"
			      "f b> 0 0:0 0.000000000 0,0 64 2a 8b 9c\n");
}

TEST(a_pax_size_is_for_the_file_alone)
{
	archive_pax(&archive, 'x', "size", "3");
	archive_add(&archive, &(struct archive_entry){
				      .type = 'L', .content = "real-name", .magic = GNU_MAGIC });
	archive_add(&archive, &(struct archive_entry){ .name = "f" });
	archive_content(&archive, "abc", 3);
	archive_end(&archive);
	check_reads(&archive, "f real-name> 0 0:0 0.000000000 0,0 3 0a 1b 2c\n");
}

TEST(content_of_links_and_directories_does_not_exist)
{
	uint8_t *block =
		archive_header(&archive, &(struct archive_entry){ .name = "d", .type = '5' });

	memcpy(block + 124, "00000001000", 12);
	archive_seal(block);
	archive_add(&archive, &(struct archive_entry){ .name = "f" });
	archive_end(&archive);
	check_reads(&archive, "d d> 0 0:0 0.000000000 0,0 0\nf f> 0 0:0 0.000000000 0,0 0\n");
}

TEST(an_old_tar_names_directories_by_a_slash)
{
	uint8_t *block = archive_header(&archive, &(struct archive_entry){ .name = "d/" });

	block[156] = '\0';
	memset(block + 257, 0, 255);
	archive_seal(block);
	archive_end(&archive);
	check_reads(&archive, "d d/> 0 0:0 0.000000000 0,0 0\n");
}

static const struct {
	const char *key, *value, *words;
	char type;
} bad_records[] = {
	{ "size", "-1", "size", 'x' },
	{ "size", "9223372036854775808", "size", 'x' },
	{ "size", "1x", "size", 'x' },
	{ "uid", "4294967295", "uid", 'x' },
	{ "mtime", "1.x", "mtime", 'x' },
	{ "mtime", "99999999999999999999", "mtime", 'x' },
	{ "path", "all", "global", 'g' },
	{ "size", "5", "global", 'g' },
	{ "SCHILY.xattr.user.x", "y", "global", 'g' },
	{ "GNU.sparse.map", "1,2,3", "GNU.sparse.map", 'x' },
	{ "GNU.sparse.numbytes", "3", "GNU.sparse.numbytes", 'x' },
	{ "GNU.sparse.major", "2", "no complete map", 'x' },
};

TEST(bad_pax_records_are_refused)
{
	for (size_t i = 0; i < sizeof(bad_records) / sizeof(bad_records[0]); i++) {
		archive.len = 0;
		archive_pax(&archive, bad_records[i].type, bad_records[i].key,
			    bad_records[i].value);
		archive_add(&archive, &(struct archive_entry){ .name = "f" });
		archive_end(&archive);
		check_refused(&archive, bad_records[i].words);
	}
}

TEST(an_archive_that_is_cut_short_anywhere_is_refused)
{
	archive_pax(&archive, 'x', "path", "name");
	archive_add(&archive, &(struct archive_entry){ .name = "f", .content = "abc" });
	for (size_t len = 1; len <= archive.len; len++) {
		struct archive *part = malloc(sizeof(*part));
		struct told told = {};

		CHECK(part != NULL);
		memcpy(part->bytes, archive.bytes, len);
		part->len = len;
		CHECK_EQ(read_in_pieces(part, 512, &told, NULL), -EBADMSG);
		og_text_done(&told.text);
		free(part);
	}
}

TEST(nothing_may_follow_the_end)
{
	archive_add(&archive, &(struct archive_entry){ .name = "f" });
	archive_end(&archive);
	archive_end(&archive);
	check_reads(&archive, "f f> 0 0:0 0.000000000 0,0 0\n");
	archive_add(&archive, &(struct archive_entry){ .name = "g" });
	check_refused(&archive, "behind its end");
}

TEST(a_flood_of_attributes_is_refused)
{
	char *text = malloc(1 << 20);
	size_t len = 0;

	CHECK(text != NULL);
	for (int i = 0; i < 2000; i++)
		len += (size_t)snprintf(text + len, (1 << 20) - len,
					"28 SCHILY.xattr.user.%04d=y\n", i);
	archive_add(&archive, &(struct archive_entry){ .type = 'x', .content = text });
	free(text);
	archive_add(&archive, &(struct archive_entry){ .name = "f" });
	archive_end(&archive);
	check_refused(&archive, "more than 1024 extended attributes");
}

static int refuse_entry(void *data, const struct og_tar_entry *entry, struct og_err *err)
{
	(void)data;
	(void)entry;
	return og_fail(err, -EXDEV, "not this one");
}

TEST(an_error_of_the_caller_ends_the_reading)
{
	static const struct og_tar_ops refusing = { .entry = refuse_entry };
	og_cleanup(og_tar_freep) struct og_tar *tar = NULL;

	archive_add(&archive, &(struct archive_entry){ .name = "d", .type = '5' });
	CHECK_OK(og_tar_new(&refusing, NULL, &tar, NULL));
	CHECK_EQ(og_tar_feed(tar, archive.bytes, archive.len, NULL), -EXDEV);
}

TEST_MAIN(TEST_ENTRY(every_type_is_told_with_its_metadata),
	  TEST_ENTRY(pax_records_replace_what_the_header_says),
	  TEST_ENTRY(gnu_long_names_and_binary_numbers_are_read),
	  TEST_ENTRY(a_gnu_sparse_file_is_told_where_its_bytes_are),
	  TEST_ENTRY(pax_sparse_files_of_all_versions_are_told_alike),
	  TEST_ENTRY(a_pax_size_is_for_the_file_alone),
	  TEST_ENTRY(content_of_links_and_directories_does_not_exist),
	  TEST_ENTRY(an_old_tar_names_directories_by_a_slash),
	  TEST_ENTRY(bad_pax_records_are_refused),
	  TEST_ENTRY(an_archive_that_is_cut_short_anywhere_is_refused),
	  TEST_ENTRY(nothing_may_follow_the_end), TEST_ENTRY(a_flood_of_attributes_is_refused),
	  TEST_ENTRY(an_error_of_the_caller_ends_the_reading))
