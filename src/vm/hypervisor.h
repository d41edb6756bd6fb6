/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hypervisors that can be driven, as a table: how each is looked for, and how it is told what
 * machine to make. Both show a guest the same: ACPI, a serial console, virtio over MMIO with two
 * disks at most, entropy, and a console port named OG_GUEST_PORT.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "vm/disks.h"
#include "vm/kernel.h"
#include "vm/shares.h"

struct og_hypervisor;

struct og_vm_choice {
	const struct og_hypervisor *hypervisor;
	const char *name;     /* "onggi-vmm", "qemu" */
	bool shares_folders;  /* of the host */
	unsigned int own_mib; /* that it may need beside the guest's memory */
	char program[512];    /* absolute */
	char reason[512];     /* why this one: one clause for a person */
};

/*
 * Decides by looking: onggi-vmm where it says that KVM serves, else QEMU by software emulation.
 * The environment's ONGGI_HYPERVISOR ("onggi-vmm", "qemu") takes precedence.
 * Errors: -ENOENT (there is none; the text says what to install), -EINVAL (ONGGI_HYPERVISOR).
 */
int og_vm_choose(struct og_vm_choice *ret_choice, struct og_err *err);

/*
 * The one of that name, whether it can serve here or not: somebody decided.
 * Errors: -EINVAL (no such name), -ENOENT (not installed).
 */
int og_vm_choose_named(const char *name, struct og_vm_choice *ret_choice, struct og_err *err);

struct og_vm_machine {
	const char *id;
	struct og_vm_kernel kernel;
	const struct og_vm_disks *disks;
	const struct og_vm_shares *shares; /* may be NULL */
	unsigned int memory_mib, cpus;
	int dir_fd;	/* where a hypervisor may keep descriptions of the machine */
	int console_fd; /* one end of a stream socket: the console port */
	int log_fd;	/* what it and the guest's kernel print */
};

/*
 * Starts the hypervisor in its own session. It is killed when the calling process ends, whatever
 * ends it. Its descriptors stay the caller's. On success *@ret_pid is a child.
 */
int og_vm_spawn(const struct og_vm_choice *choice, const struct og_vm_machine *machine,
		pid_t *ret_pid, struct og_err *err);
