/* SPDX-License-Identifier: Apache-2.0 */
/* The state in which the first processor meets the first instruction of a kernel. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum og_entry_mode {
	OG_ENTRY_LONG,	    /* 64-bit mode, the first GiB mapped one to one */
	OG_ENTRY_PROTECTED, /* 32-bit protected mode, flat segments, no paging */
	OG_ENTRY_RESET,	    /* as a processor comes out of its reset: firmware */
};

struct og_entry {
	enum og_entry_mode mode;
	bool timer; /* a PC's (8254) is expected, as multiboot kernels do that know no other */
	uint64_t rip;
	uint64_t rax, rbx, rsi; /* what the boot protocol hands over */
};
