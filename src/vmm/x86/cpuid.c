/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/x86/cpuid.h"

#include <stdint.h>
#include <string.h>

/* Leaf 1. */
#define ECX_VMX		 (1U << 5)
#define ECX_TSC_DEADLINE (1U << 24)
#define ECX_HYPERVISOR	 (1U << 31)
#define EDX_HTT		 (1U << 28)

/* Leaf 0x80000001. */
#define ECX_CMP_LEGACY (1U << 1)
#define ECX_SVM	       (1U << 2)

/* Leaves 0xb and 0x1f. */
#define LEVEL_THREAD 1U
#define LEVEL_CORE   2U

struct topology {
	unsigned index, cpus;
	unsigned bits;	   /* of an APIC id that number the threads of the package */
	unsigned smt_bits; /* of those, the ones that number the threads of a core */
	bool tsc_deadline;
};

static unsigned bits_for(unsigned cpus)
{
	unsigned bits = 0;

	while (1U << bits < cpus)
		bits++;
	return bits;
}

static void adapt_features(struct kvm_cpuid_entry2 *e, const struct topology *t)
{
	e->ebx = (e->ebx & 0x0000ffff) | t->index << 24 | (1U << t->bits) << 16;
	e->ecx = (e->ecx & ~ECX_VMX) | ECX_HYPERVISOR;
	if (t->tsc_deadline)
		e->ecx |= ECX_TSC_DEADLINE;
	e->edx &= ~EDX_HTT;
	if (t->cpus > 1)
		e->edx |= EDX_HTT;
}

/* Caches: first and second level are a core's own, higher ones are shared by all. */
static void adapt_caches(struct kvm_cpuid_entry2 *e, const struct topology *t)
{
	unsigned level = (e->eax >> 5) & 7;
	unsigned sharing = (1U << (level >= 3 ? t->bits : t->smt_bits)) - 1;

	if ((e->eax & 0x1f) == 0)
		return;
	e->eax = (e->eax & 0x3fff) | sharing << 14;
	if (e->function == 4)
		e->eax |= ((1U << (t->bits - t->smt_bits)) - 1) << 26;
}

static void adapt_apic_id(struct kvm_cpuid_entry2 *e, const struct topology *t)
{
	e->edx = t->index;
}

static void adapt_amd_features(struct kvm_cpuid_entry2 *e, const struct topology *t)
{
	e->ecx &= ~(ECX_SVM | ECX_CMP_LEGACY);
	if (t->cpus > 1)
		e->ecx |= ECX_CMP_LEGACY;
}

static void adapt_amd_size(struct kvm_cpuid_entry2 *e, const struct topology *t)
{
	e->ecx = (e->ecx & ~0xf0ffU) | t->bits << 12 | (t->cpus - 1);
}

static void adapt_amd_topology(struct kvm_cpuid_entry2 *e, const struct topology *t)
{
	e->eax = t->index;
	e->ebx = t->index >> t->smt_bits | ((1U << t->smt_bits) - 1) << 8;
	e->ecx = 0;
}

static void clear(struct kvm_cpuid_entry2 *e, const struct topology *t)
{
	(void)t;
	e->eax = e->ebx = e->ecx = e->edx = 0;
}

static const struct {
	uint32_t function;
	void (*adapt)(struct kvm_cpuid_entry2 *e, const struct topology *t);
} leaves[] = {
	{ 0x1, adapt_features },
	{ 0x4, adapt_caches },
	{ 0xa, clear }, /* no performance counters */
	{ 0xb, adapt_apic_id },
	{ 0x1f, adapt_apic_id },
	{ 0x80000001, adapt_amd_features },
	{ 0x80000008, adapt_amd_size },
	{ 0x8000000a, clear }, /* nested virtualisation */
	{ 0x8000001d, adapt_caches },
	{ 0x8000001e, adapt_amd_topology },
	{ 0x80000022, clear }, /* no performance counters */
};

/* The levels of leaves 0xb and 0x1f, which KVM leaves empty. */
static void set_levels(struct og_cpuid *cpuid, uint32_t function, const struct topology *t)
{
	const struct {
		uint32_t eax, ebx, type;
	} levels[] = {
		{ t->smt_bits, 1U << t->smt_bits, LEVEL_THREAD },
		{ t->bits, t->cpus, LEVEL_CORE },
		{ 0, 0, 0 },
	};

	unsigned kept = 0;

	for (unsigned i = 0; i < cpuid->head.nent; i++)
		if (cpuid->entries[i].function != function)
			cpuid->entries[kept++] = cpuid->entries[i];
	if (kept == cpuid->head.nent)
		return; /* the host has no such leaf */

	for (uint32_t i = 0; i < 3 && kept < OG_CPUID_ENTRIES_MAX; i++)
		cpuid->entries[kept++] = (struct kvm_cpuid_entry2){
			.function = function,
			.index = i,
			.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
			.eax = levels[i].eax,
			.ebx = levels[i].ebx,
			.ecx = levels[i].type << 8 | i,
		};
	cpuid->head.nent = kept;
}

void og_cpuid_adapt(struct og_cpuid *cpuid, unsigned index, const struct og_cpu_layout *layout)
{
	struct topology t = {
		.index = index,
		.cpus = layout->cpus,
		.bits = bits_for(layout->cpus),
		.smt_bits = layout->smt && layout->cpus > 1,
		.tsc_deadline = layout->tsc_deadline,
	};

	set_levels(cpuid, 0xb, &t);
	set_levels(cpuid, 0x1f, &t);
	for (unsigned i = 0; i < cpuid->head.nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		for (size_t j = 0; j < sizeof(leaves) / sizeof(leaves[0]); j++)
			if (e->function == leaves[j].function)
				leaves[j].adapt(e, &t);
	}
}
