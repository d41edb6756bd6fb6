/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a vCPU says it is: what the host and KVM offer, with the topology of the guest (one package,
 * one thread a core) and without nested virtualisation. No I/O.
 */
#pragma once

#include <linux/kvm.h>
#include <stdbool.h>

/* As many as KVM takes. */
#define OG_CPUID_ENTRIES_MAX 256

struct og_cpuid {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entries[OG_CPUID_ENTRIES_MAX];
};

/* Adapts what KVM_GET_SUPPORTED_CPUID gave for vCPU @index of @cpus; again for the next one. */
void og_cpuid_adapt(struct og_cpuid *cpuid, unsigned index, unsigned cpus, bool tsc_deadline);
