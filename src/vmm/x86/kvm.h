/* SPDX-License-Identifier: Apache-2.0 */
/* A virtual machine of KVM: memory, interrupt controllers, and events wired to it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/memory.h"

struct og_kvm {
	int fd;		  /* /dev/kvm; owned */
	int vm_fd;	  /* owned */
	size_t run_bytes; /* of a vCPU's shared page */
	bool any_length;  /* an ioeventfd may match any width, which needs no decoding */
	bool tsc_deadline;
};

/*
 * Opens /dev/kvm, unless @kvm_fd is one already (taken over), and makes a machine with interrupt controllers. On success og_kvm_done() is the
 * caller's to call. Errors name /dev/kvm and what to do.
 */
int og_kvm_init(struct og_kvm *kvm, int kvm_fd, struct og_err *err);
void og_kvm_done(struct og_kvm *kvm);

int og_kvm_add_memory(struct og_kvm *kvm, const struct og_mem *mem, struct og_err *err);

/* Signalling @event_fd raises interrupt @gsi, an edge. */
int og_kvm_wire_interrupt(struct og_kvm *kvm, uint32_t gsi, int event_fd, struct og_err *err);

/* A word written to @gpa signals @event_fd without leaving the kernel. */
int og_kvm_wire_notify(struct og_kvm *kvm, uint64_t gpa, int event_fd, struct og_err *err);
