/* SPDX-License-Identifier: Apache-2.0 */
#include "format/qcow2_read.h"

#include <errno.h>
#include <stdlib.h>

#include "../vmm/qcow2.h"
#include "base/io.h"
#include "base/test.h"
#include "base/zstd_block.h"

#define BITS	9U
#define CLUSTER (1U << BITS)
#define BYTES	(32U * CLUSTER)

/* The entry of one of the disk's first clusters. */
#define ENTRY(n) (AT_L2 * (uint64_t)CLUSTER + 8 * (n))

/* A compressed cluster at @at, of @sectors behind its first. */
#define PACKED(at, sectors) (1ULL << 62 | (uint64_t)(sectors) << 61 | (at))

static int read_fd(void *data, uint64_t offset, void *buf, size_t len)
{
	ssize_t n = og_pread_upto(*(const int *)data, buf, len, offset);

	return n < 0 ? (int)n : (size_t)n == len ? 0 : -EIO;
}

static int open_below(int *fd, const struct og_bytes *below, struct og_qcow2_reader **reader,
		      struct og_err *err)
{
	struct og_bytes file = { read_fd, fd, (uint64_t)lseek(*fd, 0, SEEK_END) };

	*reader = NULL;
	return og_qcow2_reader_new(&file, below, reader, err);
}

/* What opening and reading the whole disk says. */
static int read_all(int fd, uint8_t *disk, struct og_err *err)
{
	og_cleanup(og_qcow2_reader_freep) struct og_qcow2_reader *reader = NULL;
	struct og_bytes bytes;
	int r = open_below(&fd, NULL, &reader, err);

	if (r < 0)
		return r;
	bytes = og_qcow2_reader_bytes(reader);
	CHECK_EQ(bytes.size, BYTES);
	CHECK_EQ(og_bytes_read(&bytes, 1, disk, BYTES), -ERANGE);
	memset(disk, '?', BYTES);
	return og_bytes_read(&bytes, 0, disk, BYTES);
}

static void fill(int fd, uint64_t at, int byte, size_t len)
{
	uint8_t data[2 * CLUSTER];

	memset(data, byte, len);
	CHECK_EQ(pwrite(fd, data, len, (off_t)at), len);
}

static void check_filled(const uint8_t *at, uint8_t byte, size_t len)
{
	for (size_t i = 0; i < len; i++)
		CHECK_EQ(at[i], byte);
}

TEST(a_disk_reads_as_its_tables_say)
{
	for (uint32_t version = 2; version <= 3; version++) {
		int fd = make_image(version, BITS, BYTES);
		uint64_t first = IMAGE_CLUSTERS * (uint64_t)CLUSTER;
		uint8_t disk[BYTES];

		fill(fd, first, 'a', CLUSTER);
		fill(fd, first + CLUSTER, 'b', 100); /* the file ends within */
		put64(fd, ENTRY(1), first | 1ULL << 63);
		put64(fd, ENTRY(2), first + CLUSTER);
		if (version == 3) /* zeros, whose cluster is kept */
			put64(fd, ENTRY(1), first | 1);
		CHECK_OK(read_all(fd, disk, NULL));
		check_filled(disk, 0, CLUSTER);
		check_filled(disk + CLUSTER, version == 3 ? 0 : 'a', CLUSTER);
		check_filled(disk + 2 * CLUSTER, 'b', 100);
		check_filled(disk + 2 * CLUSTER + 100, 0, BYTES - 2 * CLUSTER - 100);
		og_close(fd);
	}
}

/* A cluster of @byte as deflate that compresses nothing (RFC 1951, 3.2.4); @len is what it becomes. */
static size_t put_deflate(int fd, uint64_t at, int byte, size_t len)
{
	uint8_t head[5] = { 1, (uint8_t)len, (uint8_t)(len >> 8), (uint8_t)~len,
			    (uint8_t)(~len >> 8) };

	CHECK_EQ(pwrite(fd, head, sizeof(head), (off_t)at), sizeof(head));
	fill(fd, at + sizeof(head), byte, len);
	return sizeof(head) + len;
}

TEST(compressed_clusters_are_unpacked)
{
	int fd = make_image(3, BITS, BYTES);
	uint64_t at = IMAGE_CLUSTERS * (uint64_t)CLUSTER + 7;
	uint8_t disk[BYTES];

	/* One begins in the cluster of the file that the other ends in. */
	put64(fd, ENTRY(3), PACKED(at, 1));
	at += put_deflate(fd, at, 'x', CLUSTER);
	put64(fd, ENTRY(19), PACKED(at, 1)); /* held in memory where that was */
	put64(fd, ENTRY(0), PACKED(at, 1));
	(void)put_deflate(fd, at, 'y', CLUSTER);
	/* Where the last sector of that ends, something else begins. */
	at = (IMAGE_CLUSTERS + 3) * (uint64_t)CLUSTER;
	put64(fd, ENTRY(1), at);
	fill(fd, at, 'd', CLUSTER);
	CHECK_OK(read_all(fd, disk, NULL));
	check_filled(disk, 'y', CLUSTER);
	check_filled(disk + CLUSTER, 'd', CLUSTER);
	check_filled(disk + 2 * CLUSTER, 0, CLUSTER);
	check_filled(disk + 3 * CLUSTER, 'x', CLUSTER);
	check_filled(disk + 19 * CLUSTER, 'y', CLUSTER);
	og_close(fd);
}

static void make_zstd(int fd, uint64_t at)
{
	og_cleanup(og_zstd_block_freep) struct og_zstd_block *block = NULL;
	uint8_t data[CLUSTER], out[2 * CLUSTER];
	size_t len = 0;

	memset(data, 'z', sizeof(data));
	CHECK_OK(og_zstd_block_new(&block, NULL));
	CHECK_OK(og_zstd_block_pack(block, data, sizeof(data), out, sizeof(out), &len, NULL));
	CHECK_EQ(pwrite(fd, out, len, (off_t)at), len);
	fill(fd, at + len, 0x5a, 100); /* of the sector, no part of it */
	put64(fd, 72, 8);
	put32(fd, 100, 112);
	put32(fd, 104, 1U << 24);
	put64(fd, ENTRY(2), PACKED(at, 0));
}

TEST(zstd_is_unpacked_where_the_header_says_so)
{
	int fd = make_image(3, BITS, BYTES);
	struct og_err err = {};
	uint8_t disk[BYTES];

	make_zstd(fd, IMAGE_CLUSTERS * (uint64_t)CLUSTER);
	CHECK_OK(read_all(fd, disk, NULL));
	check_filled(disk + 2 * CLUSTER, 'z', CLUSTER);

	put32(fd, 104, 2U << 24);
	CHECK_EQ(read_all(fd, disk, &err), -EOPNOTSUPP);
	CHECK(strstr(err.text, "compression") != NULL);
	put32(fd, 100, 104); /* the field is not there */
	CHECK_EQ(read_all(fd, disk, NULL), -EBADMSG);
	put32(fd, 100, 112);
	put64(fd, 72, 0); /* deflate, which it is not */
	CHECK_EQ(read_all(fd, disk, NULL), -EIO);
	og_close(fd);
}

TEST(compressed_clusters_of_another_size_are_damage)
{
	static const size_t sizes[] = { 0, CLUSTER - 1, CLUSTER + 1 };
	uint64_t at = IMAGE_CLUSTERS * (uint64_t)CLUSTER;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		int fd = make_image(3, BITS, BYTES);
		uint8_t disk[BYTES];

		(void)put_deflate(fd, at, 'x', sizes[i]);
		put64(fd, ENTRY(0), PACKED(at, 1));
		CHECK_EQ(read_all(fd, disk, NULL), -EIO);
		CHECK_OK(ftruncate(fd, (off_t)at + 100));
		CHECK_EQ(read_all(fd, disk, NULL), -EIO);
		og_close(fd);
	}
}

TEST(compressed_clusters_in_wrong_places_are_refused)
{
	static const uint64_t places[] = {
		AT_L1 * CLUSTER,		/* a table */
		AT_L2 * CLUSTER + 100,		/* its own */
		(IMAGE_CLUSTERS - 1) * CLUSTER, /* ends behind, begins in one */
		1ULL << 40,			/* outside */
		(IMAGE_CLUSTERS + 2) * CLUSTER, /* at the file's end */
		IMAGE_CLUSTERS * CLUSTER + 1,	/* in the data of another */
	};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		int fd = make_image(3, BITS, BYTES);
		struct og_err err = {};
		uint8_t disk[BYTES];

		fill(fd, IMAGE_CLUSTERS * CLUSTER, 'a', 2 * CLUSTER);
		put64(fd, ENTRY(1), IMAGE_CLUSTERS * CLUSTER);
		CHECK_OK(read_all(fd, disk, &err));
		put64(fd, ENTRY(0), PACKED(places[i], 1));
		CHECK_EQ(read_all(fd, disk, &err), -EBADMSG);
		CHECK(strstr(err.text, "qcow2 image uses") != NULL);
		og_close(fd);
	}
}

TEST(what_is_not_there_is_what_it_lies_over)
{
	uint8_t below[3 * CLUSTER / 2], disk[BYTES];
	struct og_memory memory = { below, sizeof(below) };
	struct og_bytes backing = og_bytes_of_memory(&memory);
	og_cleanup(og_qcow2_reader_freep) struct og_qcow2_reader *reader = NULL;
	int fd = make_image(3, BITS, BYTES);
	struct og_bytes bytes;
	struct og_err err = {};

	memset(below, 'u', sizeof(below));
	memset(disk, '?', sizeof(disk));
	CHECK_EQ(open_below(&fd, &backing, &reader, &err), -EINVAL);
	put64(fd, 8, 200); /* where its name is, which nobody reads */
	CHECK_EQ(open_below(&fd, NULL, &reader, &err), -EOPNOTSUPP);
	CHECK(strstr(err.text, "backing=") != NULL);
	put64(fd, ENTRY(0), 1);
	CHECK_OK(open_below(&fd, &backing, &reader, &err));
	bytes = og_qcow2_reader_bytes(reader);
	CHECK_OK(og_bytes_read(&bytes, 0, disk, BYTES));
	check_filled(disk, 0, CLUSTER);
	check_filled(disk + CLUSTER, 'u', CLUSTER / 2);
	check_filled(disk + 3 * CLUSTER / 2, 0, BYTES - 3 * CLUSTER / 2);
	og_close(fd);
}

TEST_MAIN(TEST_ENTRY(a_disk_reads_as_its_tables_say), TEST_ENTRY(compressed_clusters_are_unpacked),
	  TEST_ENTRY(zstd_is_unpacked_where_the_header_says_so),
	  TEST_ENTRY(compressed_clusters_of_another_size_are_damage),
	  TEST_ENTRY(compressed_clusters_in_wrong_places_are_refused),
	  TEST_ENTRY(what_is_not_there_is_what_it_lies_over))
