/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A state file, as it is, and then with its header and checksum put right, so that what is behind
 * them is reached: the registers of KVM, the serial port, the devices, which then work once on what
 * they were told their queues were.
 */
#include "replay.h"

#include "../unit/vmm/plain_machine.h"
#include "vmm/snapshot/crc64.h"
#include "vmm/snapshot/state.h"
#include "vmm/x86/saved.h"

#define HEADER_BYTES 24U

static void look_at_registers(const struct og_snapshot *snapshot)
{
	for (unsigned i = 0; i < snapshot->n_sections; i++) {
		struct og_unpack unpack = snapshot->sections[i].content;
		struct og_saved saved;

		(void)og_saved_read(&unpack, &saved, NULL);
	}
}

static void load(const struct og_snapshot *snapshot)
{
	struct plain_machine m;

	plain_init(&m);
	(void)og_vmm_check(&m.vmm, snapshot, NULL);
	(void)og_vmm_load_devices(&m.vmm, snapshot, NULL);
	for (unsigned i = 0; i < m.vmm.n_slots; i++)
		og_virtio_work(m.vmm.slots[i].virtio);
	plain_done(&m);
}

/* Whatever stands where the header and the checksum are gives way to right ones. */
static void put_right(uint8_t *file, size_t len)
{
	struct og_pack pack;

	og_snapshot_begin(&pack, file, len);
	og_pack_init(&pack, file + 16, 8);
	og_pack_u64(&pack, len);
	og_pack_init(&pack, file + len - 8, 8);
	og_pack_u64(&pack, og_crc64(0, file, len - 8));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct og_snapshot snapshot;
	uint8_t *file;

	(void)og_snapshot_read(data, size, &snapshot, NULL);
	if (size < HEADER_BYTES + 8 || size > OG_SNAPSHOT_BYTES_MAX)
		return 0;
	file = malloc(size);
	if (file == NULL)
		abort();
	memcpy(file, data, size);
	put_right(file, size);
	if (og_snapshot_read(file, size, &snapshot, NULL) == 0) {
		look_at_registers(&snapshot);
		load(&snapshot);
	}
	free(file);
	return 0;
}
