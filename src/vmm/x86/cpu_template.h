/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU templates, as Firecracker has them: bits of CPUID and of model-specific registers that a guest
 * sees other than the host's KVM gives them, so that a snapshot moves between hosts that differ.
 * A template is applied to what KVM supports, before each vCPU's own numbers go in. Plain data.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "vmm/x86/cpuid.h"

/* Twice as many as any template of Firecracker's has. */
#define OG_TEMPLATE_LEAVES_MAX	     64
#define OG_TEMPLATE_MSRS_MAX	     64
#define OG_TEMPLATE_CAPABILITIES_MAX 32

enum og_cpuid_register {
	OG_EAX,
	OG_EBX,
	OG_ECX,
	OG_EDX,
	OG_CPUID_REGISTERS
};

/* Bits in @mask become those of @value, which has no others; a mask of 0 changes nothing. */
struct og_cpu_template {
	struct og_cpuid_modifier {
		uint32_t leaf, subleaf;
		uint32_t flags; /* KVM_CPUID_FLAG_*, for the entry */

		struct og_cpuid_bits {
			uint32_t mask, value;
		} registers[OG_CPUID_REGISTERS];
	} leaves[OG_TEMPLATE_LEAVES_MAX];

	unsigned n_leaves;

	struct og_msr_modifier {
		uint32_t index;
		uint64_t mask, value;
	} msrs[OG_TEMPLATE_MSRS_MAX];

	unsigned n_msrs;

	/* KVM_CAP_* that the host must have ("!171", which asks for less, needs no row here). */
	uint32_t capabilities[OG_TEMPLATE_CAPABILITIES_MAX];
	unsigned n_capabilities;
};

/*
 * One of Firecracker's own: "T2", "T2S", "T2CL", "T2A", "C3", for a host whose processors are as
 * @host says. Errors: -ENOENT (no such template), -ENOTSUP (for another vendor's processors, or
 * older ones).
 */
int og_cpu_template_named(const char *name, const struct og_cpuid *host,
			  struct og_cpu_template *ret_template, struct og_err *err);

/* Errors: -ENOENT (the host has no such leaf). @cpuid is then changed in part. */
int og_cpu_template_apply(const struct og_cpu_template *template, struct og_cpuid *cpuid,
			  struct og_err *err);
