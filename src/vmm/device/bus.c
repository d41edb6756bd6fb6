/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/bus.h"

#include <assert.h>
#include <string.h>

void og_bus_add(struct og_bus *bus, uint64_t base, uint64_t bytes, og_bus_fn *access, void *device)
{
	assert(bus->n_rows < OG_BUS_ROWS_MAX);
	bus->rows[bus->n_rows++] = (struct og_bus_row){ base, bytes, access, device };
}

void og_bus_access(const struct og_bus *bus, uint64_t address, uint8_t *data, unsigned len,
		   bool write)
{
	uint64_t value = UINT64_MAX;

	if (len == 0 || len > sizeof(value))
		return;
	if (write) {
		value = 0;
		memcpy(&value, data, len);
	}
	for (unsigned i = 0; i < bus->n_rows; i++) {
		const struct og_bus_row *row = &bus->rows[i];

		if (address >= row->base && address - row->base < row->bytes) {
			row->access(row->device, address - row->base, &value, len, write);
			break;
		}
	}
	if (!write)
		memcpy(data, &value, len);
}
