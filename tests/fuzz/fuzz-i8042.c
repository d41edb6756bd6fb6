/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keyboard's controller: the first bytes are a saved state that it may refuse; then steps of two, of
 * which the first says what (bit 7: press, bit 6: write, bits 3 to 5: width, bits 0 to 2: the port) and
 * the second is the value.
 */
#include "replay.h"

#include <stdlib.h>

#include "vmm/device/i8042.h"

#define STATE_BYTES 28

static void drive(struct og_i8042 *i8042, const uint8_t *data, size_t size)
{
	for (; size >= 2; data += 2, size -= 2) {
		uint64_t value = data[1];

		if ((data[0] & 0x80) != 0)
			(void)og_i8042_press(i8042, NULL);
		else
			og_i8042_access(i8042, data[0] & 7, &value, (data[0] >> 3 & 7) + 1,
					(data[0] & 0x40) != 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct og_power power = { .stop_fd = -1 };
	size_t first = size < STATE_BYTES ? size : STATE_BYTES;
	struct og_unpack unpack;
	struct og_i8042 i8042;
	uint8_t bytes[64];
	struct og_pack pack;

	if (og_i8042_init(&i8042, true, &power, NULL) < 0)
		abort();
	og_unpack_init(&unpack, data, first);
	if (!og_i8042_load(&i8042, &unpack)) {
		og_i8042_done(&i8042);
		if (og_i8042_init(&i8042, true, &power, NULL) < 0)
			abort();
	}
	og_i8042_resumed(&i8042);
	drive(&i8042, data + first, size - first);
	og_pack_init(&pack, bytes, sizeof(bytes));
	og_i8042_save(&i8042, &pack);
	if (pack.failed)
		abort();
	og_i8042_done(&i8042);
	return 0;
}
