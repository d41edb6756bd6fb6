/* SPDX-License-Identifier: Apache-2.0 */
/* Makes small qcow2 images, good ones and others. */
#pragma once

#include <assert.h>
#include <endian.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* An image of five clusters: header, refcount table, its block, L1, and one L2. */
enum {
	AT_TABLE = 1,
	AT_BLOCK,
	AT_L1,
	AT_L2,
	IMAGE_CLUSTERS
};

static inline void put32(int fd, uint64_t at, uint32_t value)
{
	value = htobe32(value);
	assert(pwrite(fd, &value, sizeof(value), (off_t)at) == sizeof(value));
}

static inline void put64(int fd, uint64_t at, uint64_t value)
{
	value = htobe64(value);
	assert(pwrite(fd, &value, sizeof(value), (off_t)at) == sizeof(value));
}

static inline void put_count(int fd, uint32_t cluster_bits, uint64_t cluster, uint16_t count)
{
	count = htobe16(count);
	assert(pwrite(fd, &count, sizeof(count),
		      (off_t)(((uint64_t)AT_BLOCK << cluster_bits) + 2 * cluster)) ==
	       sizeof(count));
}

static inline int make_image(uint32_t version, uint32_t cluster_bits, uint64_t bytes)
{
	int fd = memfd_create("qcow2", MFD_CLOEXEC);
	uint64_t l1_entries = (bytes >> (2 * cluster_bits - 3)) + 1;

	assert(fd >= 0 && l1_entries * 8 <= 1ULL << cluster_bits);
	assert(ftruncate(fd, (off_t)IMAGE_CLUSTERS << cluster_bits) == 0);
	put32(fd, 0, 0x514649fb);
	put32(fd, 4, version);
	put32(fd, 20, cluster_bits);
	put64(fd, 24, bytes);
	put32(fd, 36, (uint32_t)l1_entries);
	put64(fd, 40, (uint64_t)AT_L1 << cluster_bits);
	put64(fd, 48, (uint64_t)AT_TABLE << cluster_bits);
	put32(fd, 56, 1);
	if (version >= 3) {
		put32(fd, 96, 4);
		put32(fd, 100, 104);
	}
	put64(fd, (uint64_t)AT_TABLE << cluster_bits, (uint64_t)AT_BLOCK << cluster_bits);
	put64(fd, (uint64_t)AT_L1 << cluster_bits, (uint64_t)AT_L2 << cluster_bits | 1ULL << 63);
	for (unsigned i = 0; i < IMAGE_CLUSTERS; i++)
		put_count(fd, cluster_bits, i, 1);
	return fd;
}
