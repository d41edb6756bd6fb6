/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/test.h"

#define LARGE_BYTES (45U << 20) /* beyond what goes through the page cache */

static int new_file(void)
{
	int fd = open("file", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	return fd;
}

static uint8_t *large(void)
{
	uint8_t *data = malloc(LARGE_BYTES);
	uint32_t state = 1;

	CHECK(data != NULL);
	for (size_t i = 0; i < LARGE_BYTES; i++) {
		state = state * 1103515245 + 12345;
		data[i] = (uint8_t)(state >> 16);
	}
	return data;
}

static void check_file(int fd, const uint8_t *want, size_t len)
{
	og_auto_free uint8_t *got = malloc(len + 1);

	CHECK(got != NULL);
	CHECK_EQ(og_pread_upto(fd, got, len + 1, 0), len);
	CHECK(memcmp(got, want, len) == 0);
}

/* Writes @data from @from on in pieces. */
static void write_pieces(int fd, const uint8_t *data, size_t from, size_t len, size_t piece)
{
	og_cleanup(og_file_writer_freep) struct og_file_writer *writer = NULL;

	CHECK_OK(og_file_writer_new(fd, &writer, NULL));
	for (size_t at = from; at < len; at += piece)
		CHECK_OK(og_file_writer_add(writer, data + at, len - at < piece ? len - at : piece,
					    at, NULL));
	CHECK_OK(og_file_writer_wait(writer, NULL));
}

TEST(a_large_file_is_written_whole_whatever_pieces_it_comes_in)
{
	static const size_t pieces[] = { 70001, 1 << 20, LARGE_BYTES };
	og_auto_free uint8_t *data = large();
	og_auto_fd fd = new_file();

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		CHECK_OK(ftruncate(fd, 0));
		write_pieces(fd, data, 0, LARGE_BYTES - i, pieces[i]);
		check_file(fd, data, LARGE_BYTES - i);
	}
}

TEST(a_file_that_does_not_begin_on_a_block_is_whole_too)
{
	og_auto_free uint8_t *data = large();
	og_auto_fd fd = new_file();

	memset(data, 0, 777);
	write_pieces(fd, data, 777, LARGE_BYTES, 1 << 20);
	check_file(fd, data, LARGE_BYTES);
}

TEST(places_left_out_read_as_zeros)
{
	og_cleanup(og_file_writer_freep) struct og_file_writer *writer = NULL;
	og_auto_fd fd = new_file();
	char buf[4] = "";

	CHECK_OK(og_file_writer_new(fd, &writer, NULL));
	CHECK_OK(og_file_writer_add(writer, "far", 3, 1 << 30, NULL));
	CHECK_OK(og_file_writer_add(writer, "near", 4, 0, NULL));
	CHECK_OK(og_file_writer_wait(writer, NULL));
	CHECK_EQ(og_pread_upto(fd, buf, 4, (1 << 30) - 1), 4);
	CHECK(memcmp(buf, "\0far", 4) == 0);
	CHECK_EQ(og_pread_upto(fd, buf, 4, 0), 4);
	CHECK(memcmp(buf, "near", 4) == 0);
}

TEST(zeros_at_the_end_count_and_cost_nothing)
{
	og_auto_free uint8_t *data = calloc(1, LARGE_BYTES);
	og_auto_fd fd = new_file();
	struct stat st;

	CHECK(data != NULL);
	data[0] = 1;
	write_pieces(fd, data, 0, LARGE_BYTES / (2 << 20) * (2 << 20), 1 << 20);
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_size, LARGE_BYTES / (2 << 20) * (2 << 20));
	CHECK(st.st_blocks * 512 < 8 << 20);
}

TEST(a_full_disk_is_told_at_the_latest_at_the_end)
{
	og_cleanup(og_file_writer_freep) struct og_file_writer *writer = NULL;
	og_auto_fd fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct og_err err = {};

	CHECK(fd >= 0);
	CHECK_OK(og_file_writer_new(fd, &writer, NULL));
	CHECK_OK(og_file_writer_add(writer, "bytes", 5, 0, NULL));
	CHECK_EQ(og_file_writer_wait(writer, &err), -ENOSPC);
	CHECK(strstr(err.text, "make room") != NULL);
	CHECK_EQ(og_file_writer_wait(writer, NULL), -ENOSPC);
}

TEST(an_unfinished_writer_can_be_dropped)
{
	og_auto_fd fd = new_file();
	struct og_file_writer *writer;

	CHECK_OK(og_file_writer_new(fd, &writer, NULL));
	CHECK_OK(og_file_writer_add(writer, "bytes", 5, 0, NULL));
	CHECK(og_file_writer_free(writer) == NULL);
	CHECK(og_file_writer_free(NULL) == NULL);
}

TEST_MAIN(TEST_ENTRY(a_large_file_is_written_whole_whatever_pieces_it_comes_in),
	  TEST_ENTRY(a_file_that_does_not_begin_on_a_block_is_whole_too),
	  TEST_ENTRY(places_left_out_read_as_zeros),
	  TEST_ENTRY(zeros_at_the_end_count_and_cost_nothing),
	  TEST_ENTRY(a_full_disk_is_told_at_the_latest_at_the_end),
	  TEST_ENTRY(an_unfinished_writer_can_be_dropped))
