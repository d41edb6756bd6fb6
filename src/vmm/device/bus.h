/* SPDX-License-Identifier: Apache-2.0 */
/* Which device answers at an address; one bus for I/O ports, one for memory-mapped registers. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define OG_BUS_ROWS_MAX 32

/* An access of 1 to 8 bytes at @offset of the device: reads into *@value or writes it. */
typedef void og_bus_fn(void *device, uint64_t offset, uint64_t *value, unsigned len, bool write);

struct og_bus {
	struct og_bus_row {
		uint64_t base, bytes;
		og_bus_fn *access;
		void *device; /* borrowed */
	} rows[OG_BUS_ROWS_MAX];

	unsigned n_rows;
};

/* Before the guest runs. The caller keeps to OG_BUS_ROWS_MAX rows that do not overlap. */
void og_bus_add(struct og_bus *bus, uint64_t base, uint64_t bytes, og_bus_fn *access, void *device);

/* Where nobody answers, reads give all ones and writes are lost. */
void og_bus_access(const struct og_bus *bus, uint64_t address, uint8_t *data, unsigned len,
		   bool write);
