/* SPDX-License-Identifier: Apache-2.0 */
/* An index of a VM's artifact. What is accepted is written again, byte by byte. */
#include "format/vm_index.h"

#include <stdlib.h>

#include "replay.h"

static void check(const struct og_vm_index *index)
{
	for (uint32_t f = 0; f < index->file_count; f++) {
		const struct og_vm_file *file = &index->files[f];

		if (!og_vm_name_is_good(file->name) ||
		    (uint64_t)file->first_place + file->place_count > index->place_count ||
		    (uint64_t)file->first_range + file->range_count > index->range_count)
			abort();
		for (uint32_t i = 0; i < file->place_count; i++) {
			const struct og_vm_place *place = &index->places[file->first_place + i];
			const struct og_vm_chunk *chunk = &index->chunks[place->chunk];

			if ((uint64_t)place->position * OG_VM_CHUNK_BYTES + chunk->bytes >
				    file->size ||
			    chunk->pack >= index->pack_count)
				abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	og_cleanup(og_vm_index_done) struct og_vm_index index = {};
	og_auto_free uint8_t *again = NULL;
	uint64_t memory_mib;
	uint32_t cpus;
	size_t len = 0;

	(void)og_vm_state_machine(data, size, &memory_mib, &cpus);
	if (og_vm_index_read(data, size, &index, NULL) < 0)
		return 0;
	check(&index);
	if (og_vm_index_write(&index, &again, &len, NULL) < 0 || len != size)
		abort();
	/* A minor version that is not known is taken, and not kept. */
	memcpy(again + 10, data + 10, 2);
	for (uint32_t i = 0; i < index.file_count;
	     i++) /* what is behind a name's end is not kept */
		memcpy(again + 40 + 152UL * i, data + 40 + 152UL * i, 128);
	if (memcmp(again, data, size) != 0)
		abort();
	return 0;
}
