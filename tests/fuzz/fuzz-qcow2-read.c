/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A qcow2 image as it is scanned. The first byte: whether the input is the whole image or changes of
 * a good one with clusters of every kind (steps of a place, u16, and a byte), and whether it lies
 * over another disk. What opens is read, here and there.
 */
#include "format/qcow2_read.h"

#include "../unit/vmm/qcow2.h"
#include "replay.h"

#define BITS	   9U
#define CLUSTER	   (1U << BITS)
#define DISK_BYTES (1U << 15)
#define FILE_BYTES ((IMAGE_CLUSTERS + 4) * (size_t)CLUSTER)
#define ENTRY(n)   (AT_L2 * (uint64_t)CLUSTER + 8 * (n))

/* Data, zeros, two compressed clusters that share one of the file's. */
static void make_good(uint8_t image[FILE_BYTES])
{
	static const uint8_t deflate[] = { 0x63, 0x60, 0x18, 0x05, 0x23, 0x19, 0x00, 0x00 };
	uint64_t free = IMAGE_CLUSTERS * (uint64_t)CLUSTER;
	int fd = make_image(3, BITS, DISK_BYTES);

	assert(ftruncate(fd, FILE_BYTES) == 0);
	put64(fd, ENTRY(0), free);
	put64(fd, ENTRY(1), 1);
	for (uint64_t i = 2; i < 4; i++) {
		uint64_t at = free + CLUSTER + i * 20;

		assert(pwrite(fd, deflate, sizeof(deflate), (off_t)at) == sizeof(deflate));
		put64(fd, ENTRY(i), 1ULL << 62 | at);
	}
	assert(pread(fd, image, FILE_BYTES, 0) == FILE_BYTES);
	og_close(fd);
}

static void use(struct og_qcow2_reader *reader)
{
	static uint8_t buf[DISK_BYTES];
	struct og_bytes bytes = og_qcow2_reader_bytes(reader);
	size_t len = bytes.size < sizeof(buf) ? (size_t)bytes.size : sizeof(buf);

	(void)og_bytes_read(&bytes, 0, buf, len);
	(void)og_bytes_read(&bytes, bytes.size - len, buf, len);
	for (uint64_t at = 0; at + 16 < len; at += 300)
		(void)og_bytes_read(&bytes, at, buf, 16);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t image[FILE_BYTES], below[3000];
	struct og_memory memory = { image, sizeof(image) }, under = { below, sizeof(below) };
	og_cleanup(og_qcow2_reader_freep) struct og_qcow2_reader *reader = NULL;
	struct og_bytes file, backing = og_bytes_of_memory(&under);

	if (size == 0)
		return 0;
	if ((data[0] & 1) != 0) {
		memory = (struct og_memory){ data + 1, size - 1 };
	} else {
		make_good(image);
		for (size_t i = 1; i + 3 <= size; i += 3)
			image[(data[i] | data[i + 1] << 8) % (int)sizeof(image)] = data[i + 2];
	}
	file = og_bytes_of_memory(&memory);
	if (og_qcow2_reader_new(&file, (data[0] & 2) != 0 ? &backing : NULL, &reader, NULL) == 0)
		use(reader);
	return 0;
}
