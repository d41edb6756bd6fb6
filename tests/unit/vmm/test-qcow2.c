/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "base/cleanup.h"
#include "base/test.h"
#include "qcow2.h"
#include "vmm/block/qcow2.h"

#define BITS	9U
#define CLUSTER (1U << BITS)
#define BYTES	(64U * CLUSTER * 2) /* two L2 tables */

static int open_fd(int fd, bool readonly, struct og_disk_part *backing, struct og_disk *disk,
		   struct og_disk_part *part, struct og_err *err)
{
	struct og_disk_source source = {
		.parts = part,
		.n_parts = 1,
		.readonly = readonly,
		.format = OG_DISK_QCOW2,
		.has_backing = backing != NULL,
		.backing = backing,
	};

	*part = (struct og_disk_part){ .fd = fd };
	return og_disk_open(disk, &source, err);
}

static int judge(int fd, bool readonly, struct og_err *err)
{
	struct og_disk_part part;
	struct og_disk disk;
	int r = open_fd(fd, readonly, NULL, &disk, &part, err);

	if (r == 0)
		og_disk_done(&disk);
	return r;
}

/* Another random number. */
static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525U + 1013904223U;
	return *seed >> 8;
}

static void write_at(const struct og_disk *disk, uint64_t at, const void *bytes, size_t len)
{
	struct iovec iov[2] = { { (void *)(uintptr_t)bytes, len / 3 },
				{ (uint8_t *)(uintptr_t)bytes + len / 3, len - len / 3 } };

	CHECK_OK(og_disk_write(disk, at, iov, 2));
}

static void check_same(const struct og_disk *disk, const uint8_t *model, size_t bytes)
{
	uint8_t *got = malloc(bytes);
	struct iovec iov[2] = { { got, 700 }, { got + 700, bytes - 700 } };

	CHECK(got != NULL);
	CHECK_OK(og_disk_read(disk, 0, iov, 2));
	for (size_t i = 0; i < bytes; i++)
		CHECK_EQ(got[i], model[i]);
	free(got);
}

/* One random write, zeroing or discard on the disk and on its model. */
static void step(const struct og_disk *disk, uint8_t *model, uint64_t bytes, uint32_t *seed)
{
	uint8_t data[5 * CLUSTER];
	uint64_t at = next(seed) % (bytes / 512) * 512;
	uint64_t len = (next(seed) % 5 + 1) * 512;

	if (len > bytes - at)
		len = bytes - at;
	if (next(seed) % 4 != 0) {
		memset(data, (int)next(seed), len);
		write_at(disk, at, data, len);
		memcpy(model + at, data, len);
	} else {
		CHECK_OK(og_disk_zero(disk, at, len, false));
		memset(model + at, 0, len);
	}
}

static void compare_with_model(uint32_t version, uint32_t bits, int backing_fd, uint32_t seed)
{
	uint64_t bytes = 200ULL * 1024;
	struct og_disk_part part, backing = { .fd = backing_fd };
	int fd = make_image(version, bits, bytes);
	uint8_t *model = calloc(1, bytes);
	struct og_disk disk;

	if (backing_fd >= 0) {
		put64(fd, 8, 200);
		CHECK(pread(backing_fd, model, bytes, 0) > 0);
	}
	CHECK_OK(open_fd(fd, false, backing_fd >= 0 ? &backing : NULL, &disk, &part, NULL));
	for (unsigned i = 0; i < 400; i++)
		step(&disk, model, bytes, &seed);
	check_same(&disk, model, bytes);
	og_disk_done(&disk);

	/* What was written is a good image, and says the same. */
	CHECK_OK(open_fd(fd, false, backing_fd >= 0 ? &backing : NULL, &disk, &part, NULL));
	check_same(&disk, model, bytes);
	og_disk_done(&disk);
	free(model);
	og_close(fd);
}

TEST(an_image_reads_as_what_was_written)
{
	for (uint32_t bits = 11; bits <= 16; bits++)
		for (uint32_t version = 2; version <= 3; version++)
			compare_with_model(version, bits, -1, bits);
}

TEST(what_an_image_has_not_is_its_backing_files)
{
	int fd = memfd_create("below", MFD_CLOEXEC);

	for (unsigned i = 0; i < 70000; i++) /* shorter than the disk */
		CHECK_EQ(pwrite(fd, &(uint8_t){ (uint8_t)(i / 7) }, 1, (off_t)i), 1);
	CHECK_OK(ftruncate(fd, 69632));
	for (uint32_t version = 2; version <= 3; version++)
		compare_with_model(version, 12, fd, 77);
	og_close(fd);
}

TEST(a_backing_file_is_never_opened_by_the_images_word)
{
	int fd = make_image(3, 12, 65536), below = memfd_create("below", MFD_CLOEXEC);
	struct og_disk_part part, backing = { .fd = below };
	struct og_disk disk;
	struct og_err err;

	CHECK_OK(ftruncate(below, 4096));
	CHECK_EQ(open_fd(fd, true, &backing, &disk, &part, &err), -EINVAL);
	put64(fd, 8, 200);
	put32(fd, 16, 11);
	CHECK_EQ(judge(fd, true, &err), -EOPNOTSUPP);
	CHECK(strstr(err.text, "backing=") != NULL);
	CHECK_OK(open_fd(fd, true, &backing, &disk, &part, &err));
	og_disk_done(&disk);
	og_close(fd);
	og_close(below);
}

TEST(discarded_clusters_are_used_again)
{
	uint8_t data[64 * CLUSTER];
	struct og_disk_part part;
	struct og_disk disk;
	int fd = make_image(3, BITS, sizeof(data));
	off_t end = 0;

	memset(data, 'x', sizeof(data));
	CHECK_OK(open_fd(fd, false, NULL, &disk, &part, NULL));
	for (unsigned i = 0; i < 5; i++) {
		write_at(&disk, 0, data, sizeof(data));
		if (i == 0)
			end = lseek(fd, 0, SEEK_END);
		CHECK_OK(og_disk_zero(&disk, 0, sizeof(data), true));
	}
	CHECK_EQ(lseek(fd, 0, SEEK_END), end);
	og_disk_done(&disk);
	CHECK_OK(judge(fd, false, NULL));
	og_close(fd);
}

TEST(a_full_refcount_table_is_no_space)
{
	uint64_t bytes = 9ULL << 20; /* one cluster of table counts 64 * 256 clusters: 8 MiB */
	uint8_t data[CLUSTER * 16] = { 1 };
	struct og_disk_part part;
	struct og_disk disk;
	int fd = make_image(3, BITS, 256 * 1024), r = 0;

	/* The L1 of a larger disk, at the file's end. */
	CHECK_OK(ftruncate(fd, (IMAGE_CLUSTERS + 5) * (off_t)CLUSTER));
	put64(fd, 24, bytes);
	put32(fd, 36, 5 * 64);
	put64(fd, 40, (uint64_t)IMAGE_CLUSTERS * CLUSTER);
	put_count(fd, BITS, AT_L1, 0);
	put_count(fd, BITS, AT_L2, 0);
	for (unsigned i = 0; i < 5; i++)
		put_count(fd, BITS, IMAGE_CLUSTERS + i, 1);
	CHECK_OK(open_fd(fd, false, NULL, &disk, &part, NULL));
	for (uint64_t at = 0; r == 0 && at < bytes; at += sizeof(data)) {
		struct iovec iov = { data, sizeof(data) };

		r = og_disk_write(&disk, at, &iov, 1);
	}
	CHECK_EQ(r, -ENOSPC);
	og_disk_done(&disk);
	CHECK_OK(judge(fd, false, NULL));
	og_close(fd);
}

/* Each lie is told on a good image: a word of 4 or 8 bytes at a place. */
static const struct lie {
	const char *what;
	uint64_t at;
	unsigned bytes;
	uint64_t value;
	int readonly, writable; /* what it is answered */
} lies[] = {
	{ "magic", 0, 4, 0x51464900, -EBADMSG, -EBADMSG },
	{ "version 4", 4, 4, 4, -EOPNOTSUPP, -EOPNOTSUPP },
	{ "version 1", 4, 4, 1, -EOPNOTSUPP, -EOPNOTSUPP },
	{ "clusters of 256 bytes", 20, 4, 8, -EBADMSG, -EBADMSG },
	{ "clusters of 4 MiB", 20, 4, 22, -EBADMSG, -EBADMSG },
	{ "clusters of 2^4G", 20, 4, UINT32_MAX, -EBADMSG, -EBADMSG },
	{ "odd size", 24, 8, 1000, -EBADMSG, -EBADMSG },
	{ "huge size", 24, 8, UINT64_MAX - 511, -EBADMSG, -EBADMSG },
	{ "more than L1 reaches", 24, 8, 1 << 24, -EBADMSG, -EBADMSG },
	{ "encryption", 32, 4, 1, -EOPNOTSUPP, -EOPNOTSUPP },
	{ "L1 entries", 36, 4, UINT32_MAX, -EBADMSG, -EBADMSG },
	{ "L1 longer than the file", 36, 4, 1 << 20, -EBADMSG, -EBADMSG },
	{ "L1 of none", 36, 4, 0, -EBADMSG, -EBADMSG },
	{ "L1 misaligned", 40, 8, AT_L1 *CLUSTER + 8, -EBADMSG, -EBADMSG },
	{ "L1 outside", 40, 8, 1ULL << 40, -EBADMSG, -EBADMSG },
	{ "L1 is the header", 40, 8, 0, -EBADMSG, -EBADMSG },
	{ "L1 is the refcount table", 40, 8, AT_TABLE *CLUSTER, -EBADMSG, -EBADMSG },
	{ "refcount table outside", 48, 8, 1ULL << 62, -EBADMSG, -EBADMSG },
	{ "no refcount table", 56, 4, 0, -EBADMSG, -EBADMSG },
	{ "refcount table of 16 TiB", 56, 4, UINT32_MAX, -EBADMSG, -EBADMSG },
	{ "snapshots", 60, 4, 1, 0, -EOPNOTSUPP },
	{ "dirty", 72, 8, 1, 0, -EOPNOTSUPP },
	{ "corrupt", 72, 8, 2, 0, -EOPNOTSUPP },
	{ "external data", 72, 8, 4, -EOPNOTSUPP, -EOPNOTSUPP },
	{ "compression type", 72, 8, 8, -EOPNOTSUPP, -EOPNOTSUPP },
	{ "extended L2", 72, 8, 16, -EOPNOTSUPP, -EOPNOTSUPP },
	{ "unknown feature", 72, 8, 1ULL << 63, -EOPNOTSUPP, -EOPNOTSUPP },
	{ "bitmaps", 88, 8, 1, 0, -EOPNOTSUPP },
	{ "counts of a bit", 96, 4, 0, 0, -EOPNOTSUPP },
	{ "counts of 2^99 bits", 96, 4, 99, -EBADMSG, -EBADMSG },
	{ "header length", 100, 4, 72, -EBADMSG, -EBADMSG },
	{ "block outside", AT_TABLE *CLUSTER, 8, 1ULL << 50, -EBADMSG, -EBADMSG },
	{ "block misaligned", AT_TABLE *CLUSTER, 8, AT_BLOCK *CLUSTER + 1, -EBADMSG, -EBADMSG },
	{ "block is the header", AT_TABLE *CLUSTER + 8, 8, CLUSTER, -EBADMSG, -EBADMSG },
	{ "no block", AT_TABLE *CLUSTER, 8, 0, 0, -EBADMSG },
	{ "a table not counted", AT_BLOCK *CLUSTER + 8, 4, 0, 0, -EBADMSG },
	{ "a table counted twice", AT_BLOCK *CLUSTER + 8, 4, 2 << 16, 0, -EBADMSG },
	{ "L2 is L1", AT_L1 *CLUSTER, 8, AT_L1 *CLUSTER, -EBADMSG, -EBADMSG },
	{ "L2 twice", AT_L1 *CLUSTER + 8, 8, AT_L2 *CLUSTER, -EBADMSG, -EBADMSG },
	{ "L2 outside", AT_L1 *CLUSTER, 8, 1ULL << 55, -EBADMSG, -EBADMSG },
	{ "L2 with reserved bits", AT_L1 *CLUSTER, 8, 1ULL << 60, -EBADMSG, -EBADMSG },
	{ "data is its own table", AT_L2 *CLUSTER, 8, AT_L2 *CLUSTER, -EBADMSG, -EBADMSG },
	{ "data is the header's", AT_L2 *CLUSTER, 8, 1, 0, 0 }, /* zeros */
	{ "data outside", AT_L2 *CLUSTER, 8, 1ULL << 40, -EBADMSG, -EBADMSG },
	{ "data misaligned", AT_L2 *CLUSTER, 8, 1ULL << 10 | 2, -EBADMSG, -EBADMSG },
	{ "compressed", AT_L2 *CLUSTER, 8, 1ULL << 62 | 512, -EOPNOTSUPP, -EOPNOTSUPP },
	{ "reserved bits", AT_L2 *CLUSTER, 8, 1ULL << 57, -EBADMSG, -EBADMSG },
};

TEST(images_that_lie_are_refused_and_say_why)
{
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		const struct lie *lie = &lies[i];
		struct og_err err = {};
		int fd = make_image(3, BITS, BYTES);

		CHECK_OK(judge(fd, false, &err));
		if (lie->bytes == 4)
			put32(fd, lie->at, (uint32_t)lie->value);
		else
			put64(fd, lie->at, lie->value);
		fprintf(stderr, "%s\n", lie->what);
		CHECK_EQ(judge(fd, true, &err), lie->readonly);
		CHECK_EQ(judge(fd, false, &err), lie->writable);
		CHECK(lie->writable == 0 || strstr(err.text, "qcow2") != NULL);
		og_close(fd);
	}
}

TEST(a_file_cut_anywhere_is_refused_or_read)
{
	for (off_t len = 0; len < IMAGE_CLUSTERS * (off_t)CLUSTER; len += 37) {
		int fd = make_image(3, BITS, BYTES);
		struct og_err err;

		CHECK_OK(ftruncate(fd, len));
		if (len <= AT_L2 * (off_t)CLUSTER)
			CHECK(judge(fd, false, &err) < 0);
		(void)judge(fd, true, &err);
		og_close(fd);
	}
}

/* A writer that is killed, at whatever it does then. */
static void write_until_killed(int fd, uint32_t seed)
{
	uint8_t *model = calloc(1, 1 << 18);
	struct og_disk_part part;
	struct og_disk disk;

	CHECK_OK(open_fd(fd, false, NULL, &disk, &part, NULL));
	for (;;)
		step(&disk, model, 1 << 18, &seed);
}

TEST(a_writer_killed_at_any_point_leaves_a_good_image)
{
	for (uint32_t i = 0; i < 100; i++) {
		int fd = make_image(3, 11, 1 << 18);
		pid_t pid = fork();
		struct og_err err;

		if (pid == 0)
			write_until_killed(fd, i);
		CHECK(pid > 0);
		(void)usleep(300 + i * 37 % 3000);
		CHECK_OK(kill(pid, SIGKILL));
		CHECK_EQ(waitpid(pid, NULL, 0), pid);
		if (judge(fd, false, &err) < 0)
			fprintf(stderr, "%s\n", err.text);
		CHECK_OK(judge(fd, false, NULL));
		og_close(fd);
	}
}

static int tool(const char *command)
{
	int status = system(command); // NOLINT(cert-env33-c): the tools are what is asked

	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int open_file(const char *name, struct og_disk *disk, struct og_disk_part *part)
{
	int fd = open(name, O_RDWR | O_CLOEXEC);
	struct og_err err = {};

	CHECK(fd >= 0);
	if (open_fd(fd, false, NULL, disk, part, &err) < 0)
		fprintf(stderr, "%s\n", err.text);
	CHECK(disk->ops != NULL);
	return fd;
}

/* Both ways: what QEMU writes we read, and what we write QEMU reads and finds no fault with. */
static void exchange(const char *options)
{
	uint64_t bytes = 4ULL << 20;
	uint8_t *model = calloc(1, bytes), *got = calloc(1, bytes);
	struct og_disk disk = {};
	struct og_disk_part part;
	uint32_t seed = 5;
	char command[256];
	int fd;

	(void)snprintf(command, sizeof(command), "qemu-img create -q -f qcow2 -o %s i 4M", options);
	CHECK_OK(tool(command));
	CHECK_OK(tool("qemu-io -f qcow2 -c 'write -q -P 0x5a 100k 300k' -c 'write -q -z 200k 64k' "
		      "-c 'write -q -P 7 3M 512' i"));
	memset(model + 100 * 1024, 0x5a, 300 * 1024);
	memset(model + 200 * 1024, 0, 64 * 1024);
	memset(model + (3 << 20), 7, 512);

	fd = open_file("i", &disk, &part);
	check_same(&disk, model, bytes);
	for (unsigned i = 0; i < 500; i++)
		step(&disk, model, bytes, &seed);
	CHECK_OK(og_disk_flush(&disk));
	og_disk_done(&disk);
	og_close(fd);

	CHECK_OK(tool("qemu-img check -q -f qcow2 i"));
	CHECK_OK(tool("qemu-img convert -f qcow2 -O raw i raw"));
	fd = open("raw", O_RDONLY | O_CLOEXEC);
	CHECK_EQ(pread(fd, got, bytes, 0), bytes);
	CHECK(memcmp(got, model, bytes) == 0);
	og_close(fd);
	free(got);
	free(model);
}

TEST(qemu_and_we_read_each_others_images)
{
	static const char *const options[] = {
		"cluster_size=64k",	  "compat=0.10", "cluster_size=4k", "cluster_size=2M",
		"preallocation=metadata",
	};

	if (tool("command -v qemu-img qemu-io >/dev/null") != 0) {
		fprintf(stderr, "qemu-utils is not installed\n");
		exit(TEST_SKIP_STATUS);
	}
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		exchange(options[i]);
}

TEST_MAIN(TEST_ENTRY(an_image_reads_as_what_was_written),
	  TEST_ENTRY(what_an_image_has_not_is_its_backing_files),
	  TEST_ENTRY(a_backing_file_is_never_opened_by_the_images_word),
	  TEST_ENTRY(discarded_clusters_are_used_again),
	  TEST_ENTRY(a_full_refcount_table_is_no_space),
	  TEST_ENTRY(images_that_lie_are_refused_and_say_why),
	  TEST_ENTRY(a_file_cut_anywhere_is_refused_or_read),
	  TEST_ENTRY(a_writer_killed_at_any_point_leaves_a_good_image),
	  TEST_ENTRY(qemu_and_we_read_each_others_images))
