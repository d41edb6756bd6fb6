/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual machine's generation: 16 random bytes that change when a machine goes on as another,
 * after a restore or a fork, so that a guest renews its own entropy (Microsoft's "Virtual Machine
 * Generation ID"). The guest finds them by ACPI and is interrupted when they change.
 */
#pragma once

#include "vmm/memory.h"

#define OG_VMGENID_BYTES 16
#define OG_VMGENID_GSI	 3 /* the second serial port's on a PC; we have none */

struct og_vmgenid {
	const struct og_mem *mem; /* borrowed */
	int interrupt_fd;	  /* eventfd: raises OG_VMGENID_GSI; owned */
};

/*
 * Writes a first generation, unless the machine is @restored: then og_vmgenid_renew() does, once its
 * memory is there. On success og_vmgenid_done() is the caller's to call.
 */
int og_vmgenid_init(struct og_vmgenid *genid, const struct og_mem *mem, bool restored,
		    struct og_err *err);
void og_vmgenid_done(struct og_vmgenid *genid);

/*
 * Writes a new one and interrupts the guest. I/O thread; after a restore or as a fork, before the
 * vCPUs run. Nothing happens in a machine that has none (with firmware).
 */
int og_vmgenid_renew(struct og_vmgenid *genid, struct og_err *err);
