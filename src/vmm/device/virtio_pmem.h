/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file as memory of the guest (Virtual I/O Device 1.3, section 5.19). The guest reads and writes
 * the host's page cache; a flush makes what it wrote durable.
 *
 * The guest's part is a whole number of 2 MiB: what is behind the file's end is memory that no file
 * keeps. A device of the guest's other than this one cannot reach it (og_mem_at()).
 */
#pragma once

#include "vmm/device/ratelimit.h"
#include "vmm/device/virtio.h"

struct og_pmem_config {
	char id[OG_VMM_ID_MAX];
	const char *name;	      /* for messages; borrowed */
	int fd;			      /* a regular file; borrowed */
	bool readonly;		      /* what the guest writes nevertheless is dropped */
	struct og_limit_config limit; /* of flushes; one of @bytes counts for the whole file */
};

/* The command of a running device. */
struct og_pmem_command {
	struct og_limit_update limit;
};

/*
 * Takes the guest's addresses for it from @world->free_gpa. Errors: -EINVAL (no regular file, an
 * empty one), -ENOMEM.
 */
int og_virtio_pmem_new(const struct og_pmem_config *config, const struct og_device_world *world,
		       struct og_virtio **ret_virtio, struct og_err *err);
