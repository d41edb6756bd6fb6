/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What KVM keeps of a machine and its vCPUs, as bytes: pieces, each a number and a struct of
 * <linux/kvm.h> as it is (docs/snapshot-format.md). No I/O. Reading judges counts and sizes, so that
 * KVM is given whole structs; what is in them KVM judges.
 */
#pragma once

#include <linux/kvm.h>

#include "base/err.h"
#include "vmm/snapshot/pack.h"

/* The numbers are the file's: they never change. */
enum og_saved_kind {
	OG_SAVED_CPUID = 1,	  /* kvm_cpuid_entry2, as many as there are */
	OG_SAVED_TSC_KHZ = 2,	  /* u32 */
	OG_SAVED_MP_STATE = 3,	  /* kvm_mp_state */
	OG_SAVED_REGS = 4,	  /* kvm_regs */
	OG_SAVED_SREGS = 5,	  /* kvm_sregs: where there is no kvm_sregs2 */
	OG_SAVED_SREGS2 = 6,	  /* kvm_sregs2 */
	OG_SAVED_XSAVE = 7,	  /* kvm_xsave, with what KVM_GET_XSAVE2 adds */
	OG_SAVED_XCRS = 8,	  /* kvm_xcrs */
	OG_SAVED_DEBUGREGS = 9,	  /* kvm_debugregs */
	OG_SAVED_LAPIC = 10,	  /* kvm_lapic_state */
	OG_SAVED_MSRS = 11,	  /* kvm_msr_entry, as many as there are */
	OG_SAVED_EVENTS = 12,	  /* kvm_vcpu_events */
	OG_SAVED_PIC_MASTER = 13, /* kvm_irqchip, this one and the next two */
	OG_SAVED_PIC_SLAVE = 14,
	OG_SAVED_IOAPIC = 15,
	OG_SAVED_CLOCK = 16, /* kvm_clock_data */
	OG_SAVED_PIT = 17,   /* kvm_pit_state2; only where there is one */
	OG_SAVED_KINDS
};

/* KVM has some 400 in its list. */
#define OG_SAVED_MSRS_MAX 1024U

/* With AMX it is 11 KiB. */
#define OG_SAVED_XSAVE_MAX 65536U

void og_saved_write(struct og_pack *pack, enum og_saved_kind kind, const void *bytes, size_t len);

struct og_saved {
	struct og_saved_piece {
		const uint8_t *bytes; /* NULL: it is not there; borrowed; not aligned */
		uint32_t len;
	} pieces[OG_SAVED_KINDS];
};

/* Errors: -EBADMSG (a piece that is not known or there twice, or whose size cannot be). */
int og_saved_read(struct og_unpack *unpack, struct og_saved *ret_saved, struct og_err *err);
