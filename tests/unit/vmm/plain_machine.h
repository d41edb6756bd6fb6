/* SPDX-License-Identifier: Apache-2.0 */
/* A machine without KVM over plain memory, with a disk, entropy, a serial port and a keyboard: what a state file is
 * loaded into where the loading itself is looked at. */
#pragma once

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/machine.h"

#define PLAIN_MIB 32U

struct plain_machine {
	struct og_vmm_config config;
	struct og_disk_part part;
	struct og_vmm vmm;
	void *ram;
};

static inline void plain_add(struct plain_machine *m, const char *id)
{
	struct slot *slot = &m->vmm.slots[m->vmm.n_slots];
	const struct og_device_world world = { .mem = &m->vmm.mem, .broker_fd = -1 };
	int r = m->vmm.n_slots == 0
			? og_virtio_blk_new(&m->config.disks[0], &world, &slot->virtio, NULL)
			: og_virtio_rng_new(&m->config.rng, &world, &slot->virtio, NULL);

	if (r < 0)
		abort();
	memcpy(slot->id, id, strlen(id));
	slot->mmio.virtio = slot->virtio;
	m->vmm.n_slots++;
}

static inline void plain_init(struct plain_machine *m)
{
	memset(m, 0, sizeof(*m));
	og_vmm_config_init(&m->config);
	m->config.memory_mib = PLAIN_MIB;
	m->ram = mmap(NULL, PLAIN_MIB << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	m->part.fd = memfd_create("disk", MFD_CLOEXEC);
	m->vmm.serial = calloc(1, sizeof(*m->vmm.serial));
	if (m->ram == MAP_FAILED || ftruncate(m->part.fd, 65536) < 0 || m->vmm.serial == NULL ||
	    og_serial_init(m->vmm.serial, -1, NULL, NULL, NULL) < 0 ||
	    og_i8042_init(&m->vmm.keyboard, true, &m->vmm.power, NULL) < 0)
		abort();
	m->config.disks[0] = (struct og_blk_config){
		.id = "disk", .name = "disk", .parts = &m->part, .n_parts = 1
	};
	m->vmm.config = &m->config;
	m->vmm.n_vcpus = 1;
	og_mem_borrow(&m->vmm.mem, m->ram, PLAIN_MIB << 20);
	plain_add(m, "disk");
	plain_add(m, "entropy");
}

static inline void plain_done(struct plain_machine *m)
{
	for (unsigned i = 0; i < m->vmm.n_slots; i++)
		(void)og_virtio_free(m->vmm.slots[i].virtio);
	og_i8042_done(&m->vmm.keyboard);
	og_serial_done(m->vmm.serial);
	free(m->vmm.serial);
	(void)munmap(m->ram, PLAIN_MIB << 20);
	(void)close(m->part.fd);
}
