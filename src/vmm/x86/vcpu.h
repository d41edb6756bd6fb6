/* SPDX-License-Identifier: Apache-2.0 */
/* A virtual processor and the thread that runs it. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/device/bus.h"
#include "vmm/device/power.h"
#include "vmm/gate.h"
#include "vmm/metrics.h"
#include "vmm/x86/cpu_template.h"
#include "vmm/x86/cpuid.h"
#include "vmm/x86/entry.h"
#include "vmm/x86/kvm.h"

struct kvm_run;

/* What the guest's exits reach. */
struct og_vcpu_world {
	const struct og_bus *ports;
	const struct og_bus *mmio;
	struct og_power *power;
	/* Called on the vCPU's thread before it enters the guest for the first time. May be NULL. */
	int (*confine)(struct og_err *err);
	struct og_gate *gate;		 /* all wait here before they begin; borrowed */
	struct og_vcpu_metrics *metrics; /* may be NULL; borrowed */
};

struct og_vcpu {
	int fd;		     /* owned */
	struct kvm_run *run; /* shared with KVM; owned */
	size_t run_bytes;
	unsigned index;
	const struct og_vcpu_world *world; /* borrowed */
	pthread_t thread;
	bool started;
	struct og_err err; /* why it failed, read after og_vcpu_join() */
};

/*
 * @cpuid is what KVM supports or what a CPU template made of it, and is changed; NULL: the features are
 * those of a snapshot, which is yet to be loaded.
 */
int og_vcpu_init(struct og_vcpu *vcpu, struct og_kvm *kvm, unsigned index,
		 const struct og_cpu_layout *layout, struct og_cpuid *cpuid,
		 const struct og_vcpu_world *world, struct og_err *err);
void og_vcpu_done(struct og_vcpu *vcpu);

/* What KVM and the host offer to a guest. */
int og_cpuid_supported(struct og_kvm *kvm, struct og_cpuid *ret_cpuid, struct og_err *err);

/* The model-specific registers that Linux expects firmware to have set. */
int og_vcpu_set_msrs(struct og_vcpu *vcpu, struct og_err *err);

/* Those that a CPU template changes. Errors: -ENOTSUP (KVM does not have one). */
int og_vcpu_modify_msrs(struct og_vcpu *vcpu, const struct og_cpu_template *template,
			struct og_err *err);

/*
 * Puts the first vCPU where @entry says; its tables (descriptors, and in long mode pages) are
 * written into @mem. The others wait for it to wake them.
 */
int og_vcpu_set_entry(struct og_vcpu *vcpu, const struct og_mem *mem, const struct og_entry *entry,
		      struct og_err *err);

/* The thread waits at the world's gate. Once, before: og_vcpu_prepare_kick(). */
int og_vcpu_start(struct og_vcpu *vcpu, struct og_err *err);
int og_vcpu_prepare_kick(struct og_err *err);

/* Lets the thread run only where @mask says, bit n of it CPU n of the host. */
int og_vcpu_pin(struct og_vcpu *vcpu, const void *mask, size_t mask_bytes, struct og_err *err);

/*
 * Makes the thread leave the guest, with nothing of an instruction left undone, for the gate or to
 * end; then waits for its end.
 */
void og_vcpu_kick(struct og_vcpu *vcpu);
void og_vcpu_join(struct og_vcpu *vcpu);
