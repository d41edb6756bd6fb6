/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a vCPU says it is: what the host and KVM offer, with the topology of the guest (one package,
 * one or two threads a core) and without nested virtualisation. No I/O.
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

struct og_cpu_layout {
	unsigned cpus;
	bool smt; /* two vCPUs are threads of one core; then @cpus is 1 or even */
	bool tsc_deadline;
};

/* Adapts what KVM_GET_SUPPORTED_CPUID gave for vCPU @index; again for the next one. */
void og_cpuid_adapt(struct og_cpuid *cpuid, unsigned index, const struct og_cpu_layout *layout);
