/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The firmware configuration device (QEMU's docs/specs/fw_cfg.rst): items by number and files by
 * name that a firmware reads, by a port byte by byte or by one copy into memory. Nothing is written
 * to an item. No I/O; any access is safe.
 */
#pragma once

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/memory.h"

#define OG_FW_CFG_PORT	0x510
#define OG_FW_CFG_PORTS 12

#define OG_FW_CFG_FILES_MAX 16
#define OG_FW_CFG_NAME_MAX  56 /* NUL included */

#define OG_FW_CFG_CPUS	   0x05
#define OG_FW_CFG_CPUS_MAX 0x0f

struct og_fw_cfg {
	pthread_mutex_t lock;
	const struct og_mem *mem; /* borrowed */
	uint16_t cpus;

	struct og_fw_cfg_file {
		char name[OG_FW_CFG_NAME_MAX];
		const void *data; /* borrowed */
		uint32_t bytes;
	} files[OG_FW_CFG_FILES_MAX];

	unsigned n_files;

	uint16_t selected;
	uint32_t offset;
	uint32_t dma_high; /* the first half of an address that is being written */
};

void og_fw_cfg_init(struct og_fw_cfg *fw, const struct og_mem *mem, unsigned cpus);

/* Before the guest runs; @data must outlive the device. The caller keeps to OG_FW_CFG_FILES_MAX. */
void og_fw_cfg_add(struct og_fw_cfg *fw, const char *name, const void *data, size_t bytes);

/* For struct og_bus: struct og_fw_cfg, offsets from OG_FW_CFG_PORT. */
void og_fw_cfg_access(void *device, uint64_t offset, uint64_t *value, unsigned len, bool write);
