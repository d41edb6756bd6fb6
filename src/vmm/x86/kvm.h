/* SPDX-License-Identifier: Apache-2.0 */
/* A virtual machine of KVM: memory, interrupt controllers, and events wired to it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/memory.h"

struct og_kvm {
	int fd;	   /* /dev/kvm; owned */
	int vm_fd; /* owned */
	int first_vcpu_fd; /* made ahead, until the first vCPU takes it; owned; negative: it makes its own */
	size_t run_bytes; /* of a vCPU's shared page */
	bool any_length;  /* an ioeventfd may match any width, which needs no decoding */
	bool tsc_deadline;
	bool timer;	/* og_kvm_add_timer() */
	bool log_dirty; /* set before memory is given: KVM remembers what the guest writes */
};

/* /dev/kvm, the caller's. Errors say what to do. */
int og_kvm_open(struct og_err *err);

/*
 * Opens /dev/kvm, unless @kvm_fd is one already (taken over), and makes a machine with interrupt controllers. On success og_kvm_done() is the
 * caller's to call. Errors name /dev/kvm and what to do.
 */
int og_kvm_init(struct og_kvm *kvm, int kvm_fd, struct og_err *err);
void og_kvm_done(struct og_kvm *kvm);

/* Makes what of the first vCPU, which every machine has, does not depend on the others. */
int og_kvm_make_first_vcpu(struct og_kvm *kvm, struct og_err *err);

/* KVM's numbers for pieces of memory: what the guest begins with has the first ones. */
#define OG_KVM_SLOT_ROM	    15U
#define OG_KVM_SLOT_PMEM    16U
#define OG_KVM_SLOT_HOTPLUG 64U

/*
 * Gives the guest what lies at @region->host, or takes it back (no bytes). What it writes to
 * read-only memory comes out as MMIO. While it runs: I/O thread.
 */
int og_kvm_set_memory(struct og_kvm *kvm, uint32_t slot, const struct og_mem_region *region,
		      bool readonly, struct og_err *err);

/*
 * Adds to @bits (a bit for each page of @region, in whole words) what the guest wrote in that piece
 * since the last call. @scratch has as much room.
 */
int og_kvm_add_dirty(struct og_kvm *kvm, uint32_t slot, const struct og_mem_region *region,
		     _Atomic uint64_t *bits, uint64_t *scratch, struct og_err *err);

/* All that the guest begins with. */
int og_kvm_add_memory(struct og_kvm *kvm, const struct og_mem *mem, struct og_err *err);

/* Errors: -ENOTSUP (KVM lacks one of the @n capabilities). */
int og_kvm_require(const struct og_kvm *kvm, const uint32_t *capabilities, unsigned n,
		   struct og_err *err);

/* A PC's timer (8254), whose ticks that a guest missed are lost. */
int og_kvm_add_timer(struct og_kvm *kvm, struct og_err *err);

/* Lets the guest read @bytes at @host (pages) at @gpa; once. What it writes there exits to us. */
int og_kvm_set_rom(struct og_kvm *kvm, uint64_t gpa, void *host, size_t bytes, struct og_err *err);

/* Signalling @event_fd raises interrupt @gsi, an edge. */
int og_kvm_wire_interrupt(struct og_kvm *kvm, uint32_t gsi, int event_fd, struct og_err *err);

/*
 * A word or half a word written to @to signals @event_fd; no longer one written to @from. Either may
 * be UINT64_MAX, nowhere. What cannot be wired exits to us instead. Any thread.
 */
void og_kvm_move_notify(struct og_kvm *kvm, uint64_t from, uint64_t to, int event_fd);

/* A word written to @gpa signals @event_fd without leaving the kernel. */
int og_kvm_wire_notify(struct og_kvm *kvm, uint64_t gpa, int event_fd, struct og_err *err);
