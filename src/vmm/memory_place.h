/* SPDX-License-Identifier: Apache-2.0 */
/* What of the host's memory a guest gets for itself: kinds of pages, a node, and when it is taken. */
#pragma once

#include "vmm/memory.h"

struct og_mem_place {
	bool huge;	  /* of the host's pool of 2 MiB pages, and no other */
	bool prefer_huge; /* transparent huge pages, where the host has some */
	bool reserve;	  /* all of it is taken at once, or the machine does not start */
	bool lock;	  /* likewise, and it is never swapped out */
	int node;	  /* of NUMA; negative: any */
};

#define OG_MEM_PLACE_ANY   \
	{                  \
		.node = -1 \
	}

/*
 * Places @mem, of which nothing was touched yet. Errors: -EINVAL (no such node; a size that is no
 * multiple of 2 MiB), -ENOMEM (too few pages of that kind), -EPERM (RLIMIT_MEMLOCK); texts say what
 * to do.
 */
int og_mem_place(const struct og_mem *mem, const struct og_mem_place *place, struct og_err *err);
