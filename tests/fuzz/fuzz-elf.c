/* SPDX-License-Identifier: Apache-2.0 */
/* A program, looked into for what Go and cargo-auditable leave there. */
#include "format/go_build.h"

#include "packages.h"
#include "replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct og_memory memory = { data, size };
	struct og_bytes bytes = og_bytes_of_memory(&memory);
	og_cleanup(og_elf_done) struct og_elf elf = {};
	struct og_elf_part part = {};

	if (og_elf_open(&bytes, &elf, NULL) < 0)
		return 0;
	(void)og_go_read_build(&elf, see_package, NULL, NULL);
	if (og_elf_section(&elf, ".dep-v0", &part, NULL) == 0 &&
	    (part.offset > size || part.size > size - part.offset))
		abort();
	return 0;
}
