/* SPDX-License-Identifier: Apache-2.0 */
/* A machine that starts by its firmware, and the command lines that make it. */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "client/disk_file.h"
#include "client/options.h"
#include "vm/hypervisor.h"

#define VM_DISKS_MAX 8

enum vm_firmware {
	VM_BIOS,
	VM_UEFI,
	VM_FIRMWARE_FILE
};

struct vm_machine {
	const char *name;
	enum vm_firmware firmware;
	const char *firmware_path; /* of VM_FIRMWARE_FILE, else found by vm_machine_command() */
	unsigned int memory_mib, cpus;
	bool ends_at_reboot;
	struct og_disk_file disks[VM_DISKS_MAX];
	size_t disk_count;
	const char *const *nets; /* "tap=NAME[,mac=MAC]" */
	size_t net_count;
};

/*
 * The words that start @machine under @choice, each to be freed, with its serial port at standard
 * input and output. Errors: -ENOENT (no such firmware on this host; says which package has it).
 */
int vm_machine_command(struct vm_machine *machine, const struct og_vm_choice *choice,
		       struct og_words *ret_command, struct og_err *err);

/* Lets what is executed next have the machine's files. */
void vm_machine_let_inherit(const struct vm_machine *machine);
