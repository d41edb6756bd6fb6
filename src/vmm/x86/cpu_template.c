/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/x86/cpu_template.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define SUBLEAF KVM_CPUID_FLAG_SIGNIFCANT_INDEX

#define ARCH_CAPABILITIES 0x10a

enum vendor {
	INTEL,
	AMD
};

/* The leaves of all templates, so that a row of the table below is one word a register. */
enum {
	LEAF_1,
	LEAF_7,
	LEAF_D_0,
	LEAF_D_1,
	LEAF_80000001,
	LEAF_80000008,
	LEAVES
};

static const struct {
	uint32_t leaf, subleaf, flags;
} leaves[LEAVES] = {
	[LEAF_1] = { 0x1, 0, 0 },
	[LEAF_7] = { 0x7, 0, SUBLEAF },
	[LEAF_D_0] = { 0xd, 0, SUBLEAF },
	[LEAF_D_1] = { 0xd, 1, SUBLEAF },
	[LEAF_80000001] = { 0x80000001, 0, 0 },
	[LEAF_80000008] = { 0x80000008, 0, 0 },
};

/* Family, model and stepping of leaf 1; everything of them but what is reserved. */
#define SIGNATURE(value)          \
	{                         \
		0x0fff3fff, value \
	}
#define HASWELL	   SIGNATURE(0x000306f2)
#define IVY_BRIDGE SIGNATURE(0x000306e4)
/* Off but for machine checks and MTRRs, which are on. */
#define FEATURES_EDX(mask)       \
	{                        \
		mask, 0x00001080 \
	}

/* What T2 and its kin leave of a processor: Haswell's instructions. */
#define HASWELL_LEAF_1                                                   \
	{                                                                \
		HASWELL, {}, { 0x0004cdfc, 0 }, FEATURES_EDX(0xe8641080) \
	}
#define XSAVE_STATES                  \
	{                             \
		{                     \
			0x000002f8, 0 \
		}                     \
	} /* no MPX, AVX-512 or PKRU */
#define XSAVE_PLAIN                   \
	{                             \
		{                     \
			0x0000000e, 0 \
		}                     \
	} /* neither compacted nor supervisor states */
#define NO_WBNOINVD                   \
	{                             \
		{},                   \
		{                     \
			0x00000200, 0 \
		}                     \
	}

static const struct named {
	const char *name;
	enum vendor vendor;
	uint32_t signature_min; /* of leaf 1's EAX, as a number */
	struct og_cpuid_bits bits[LEAVES][OG_CPUID_REGISTERS];
	struct og_msr_modifier msr; /* a mask of 0: none */
} templates[] = {
	{ .name = "T2",
	  .bits = { [LEAF_1] = HASWELL_LEAF_1,
		    [LEAF_7] = { {}, { 0xffeffa54, 0x200 }, { 0x40415f5e, 0 }, { 0x11c, 0 } },
		    [LEAF_D_0] = XSAVE_STATES,
		    [LEAF_D_1] = XSAVE_PLAIN,
		    [LEAF_80000001] = { {}, {}, { 0x20000100, 0 }, { 0x04000000, 0 } },
		    [LEAF_80000008] = NO_WBNOINVD } },
	{ .name = "T2S",
	  .bits = { [LEAF_1] = HASWELL_LEAF_1,
		    [LEAF_7] = { {}, { 0xffefda14, 0x200 }, { 0x40415f5e, 0 }, { 0x11c, 0 } },
		    [LEAF_D_0] = XSAVE_STATES,
		    [LEAF_D_1] = XSAVE_PLAIN,
		    [LEAF_80000001] = { {}, {}, { 0x20000100, 0 }, { 0x04000000, 0 } },
		    [LEAF_80000008] = NO_WBNOINVD },
	  .msr = { ARCH_CAPABILITIES, UINT64_MAX, 0xc4c } },
	{ .name = "T2CL",
	  .signature_min = 0x00050657, /* Cascade Lake */
	  .bits = { [LEAF_1] = HASWELL_LEAF_1,
		    [LEAF_7] = { {}, { 0xffefda14, 0x200 }, { 0x40415f5e, 0 }, { 0x11c, 0 } },
		    [LEAF_D_0] = XSAVE_STATES,
		    [LEAF_D_1] = XSAVE_PLAIN,
		    [LEAF_80000001] = { {}, {}, { 0x200001c0, 0 }, { 0x07c00000, 0 } },
		    [LEAF_80000008] = NO_WBNOINVD },
	  .msr = { ARCH_CAPABILITIES, 0xfffffffff2f51e00, 0 } },
	{ .name = "T2A",
	  .vendor = AMD,
	  .bits = { [LEAF_1] = HASWELL_LEAF_1,
		    [LEAF_7] = { {}, { 0xffefda14, 0x200 }, { 0x40415f5e, 0 }, { 0x11c, 0 } },
		    [LEAF_D_0] = XSAVE_STATES,
		    [LEAF_D_1] = XSAVE_PLAIN,
		    [LEAF_80000001] = { {}, {}, { 0x200001c0, 0 }, { 0x07c00000, 0 } },
		    [LEAF_80000008] = { {}, { 0x000c0205, 0x000c0000 } } } },
	{ .name = "C3",
	  .bits = { [LEAF_1] = { IVY_BRIDGE, {}, { 0x0040dd3c, 0 }, FEATURES_EDX(0xa8641080) },
		    [LEAF_7] = { {}, { 0xffafdd3c, 0 }, { 0x4041481e, 0 }, { 0x0000000c, 0 } },
		    [LEAF_D_0] = XSAVE_STATES,
		    [LEAF_D_1] = XSAVE_PLAIN,
		    [LEAF_80000001] = { {}, {}, { 0x00000120, 0 }, { 0x04000000, 0 } } } },
};

static const struct kvm_cpuid_entry2 *find(const struct og_cpuid *cpuid, uint32_t leaf,
					   uint32_t subleaf)
{
	for (unsigned i = 0; i < cpuid->head.nent; i++)
		if (cpuid->entries[i].function == leaf && cpuid->entries[i].index == subleaf)
			return &cpuid->entries[i];
	return NULL;
}

static bool is_vendor(const struct og_cpuid *host, enum vendor vendor)
{
	static const char names[][13] = { [INTEL] = "GenuineIntel", [AMD] = "AuthenticAMD" };
	const struct kvm_cpuid_entry2 *e = find(host, 0, 0);

	return e != NULL && memcmp(&e->ebx, names[vendor], 4) == 0 &&
	       memcmp(&e->edx, names[vendor] + 4, 4) == 0 &&
	       memcmp(&e->ecx, names[vendor] + 8, 4) == 0;
}

/* As a number: extended family, extended model, family, model, stepping, one above the other. */
static uint32_t signature(const struct og_cpuid *host)
{
	const struct kvm_cpuid_entry2 *e = find(host, 1, 0);

	return e != NULL ? e->eax & 0x0fff0fff : 0;
}

static void fill(const struct named *named, struct og_cpu_template *template)
{
	*template = (struct og_cpu_template){};
	for (unsigned i = 0; i < LEAVES; i++) {
		struct og_cpuid_modifier *m = &template->leaves[template->n_leaves];
		uint32_t any = 0;

		*m = (struct og_cpuid_modifier){
			leaves[i].leaf, leaves[i].subleaf, leaves[i].flags, {}
		};
		memcpy(m->registers, named->bits[i], sizeof(m->registers));
		for (unsigned j = 0; j < OG_CPUID_REGISTERS; j++)
			any |= m->registers[j].mask;
		if (any != 0)
			template->n_leaves++;
	}
	if (named->msr.mask != 0)
		template->msrs[template->n_msrs++] = named->msr;
}

int og_cpu_template_named(const char *name, const struct og_cpuid *host,
			  struct og_cpu_template *ret_template, struct og_err *err)
{
	for (size_t i = 0; i < sizeof(templates) / sizeof(templates[0]); i++) {
		if (strcmp(templates[i].name, name) != 0)
			continue;
		if (!is_vendor(host, templates[i].vendor))
			return og_fail(err, -ENOTSUP, "CPU template %s is for processors by %s",
				       name, templates[i].vendor == AMD ? "AMD" : "Intel");
		if (signature(host) < templates[i].signature_min)
			return og_fail(err, -ENOTSUP, "CPU template %s is for newer processors",
				       name);
		fill(&templates[i], ret_template);
		return 0;
	}
	return og_fail(err, -ENOENT, "there is no CPU template '%s'", name);
}

static void apply(const struct og_cpuid_modifier *m, struct kvm_cpuid_entry2 *e)
{
	uint32_t *registers[OG_CPUID_REGISTERS] = { &e->eax, &e->ebx, &e->ecx, &e->edx };

	e->flags = m->flags;
	for (unsigned i = 0; i < OG_CPUID_REGISTERS; i++)
		*registers[i] = (*registers[i] & ~m->registers[i].mask) |
				(m->registers[i].value & m->registers[i].mask);
}

int og_cpu_template_apply(const struct og_cpu_template *template, struct og_cpuid *cpuid,
			  struct og_err *err)
{
	for (unsigned i = 0; i < template->n_leaves; i++) {
		const struct og_cpuid_modifier *m = &template->leaves[i];
		const struct kvm_cpuid_entry2 *e = find(cpuid, m->leaf, m->subleaf);

		if (e == NULL)
			return og_fail(err, -ENOENT,
				       "CPU template: this host has no CPUID leaf 0x%x, subleaf "
				       "0x%x",
				       m->leaf, m->subleaf);
		apply(m, &cpuid->entries[e - cpuid->entries]);
	}
	return 0;
}
