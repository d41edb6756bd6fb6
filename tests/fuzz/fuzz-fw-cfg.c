/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The firmware configuration device and the clock: steps of 8 bytes, of which the first says what
 * (bit 7: the clock, bit 6: write, bits 3 to 5: width, bits 0 to 2: one of the ports, 4 apart), the
 * next four are the value. A value of the last kind is also written into memory, for requests.
 */
#include "replay.h"

#include <string.h>

#include "vmm/device/cmos.h"
#include "vmm/device/fw_cfg.h"

#define RAM_BYTES 4096U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *ram = calloc(1, RAM_BYTES);
	struct og_fw_cfg fw;
	struct og_cmos cmos;
	struct og_mem mem;

	if (ram == NULL)
		abort();
	og_mem_borrow(&mem, ram, RAM_BYTES);
	og_fw_cfg_init(&fw, &mem, 1);
	og_fw_cfg_add(&fw, "etc/one", "one", 3);
	og_cmos_init(&cmos, 1 << 30, 0);
	for (; size >= 8; data += 8, size -= 8) {
		unsigned len = (data[0] >> 3 & 7) + 1, offset = data[0] & 7;
		bool write = (data[0] & 0x40) != 0;
		uint64_t value = 0;

		memcpy(&value, data + 1, 4);
		if ((data[0] & 0x80) != 0) {
			og_cmos_access(&cmos, offset & 1, &value, len, write);
			memcpy(ram + (data[5] | (unsigned)data[6] << 8) % (RAM_BYTES - 4), data + 1,
			       4);
		} else {
			og_fw_cfg_access(&fw, offset < 4 ? offset : 4 * (offset - 3), &value, len,
					 write);
		}
	}
	free(ram);
	return 0;
}
