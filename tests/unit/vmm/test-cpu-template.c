/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/x86/cpu_template.h"

#include <errno.h>

#include "base/test.h"

#define SKYLAKE	     0x00050654
#define CASCADE_LAKE 0x00050657
#define MILAN	     0x00a00f11

static struct og_cpuid cpuid;
static struct og_cpu_template template;

/* A host that has every bit set in every leaf that a template touches. */
static void host(const char *vendor, uint32_t signature)
{
	static const uint32_t leaves[][2] = { { 0, 0 },		{ 1, 0 },   { 7, 0 },
					      { 0xd, 0 },	{ 0xd, 1 }, { 0x80000001, 0 },
					      { 0x80000008, 0 } };

	memset(&cpuid, 0, sizeof(cpuid));
	for (unsigned i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++)
		cpuid.entries[cpuid.head.nent++] = (struct kvm_cpuid_entry2){
			.function = leaves[i][0],
			.index = leaves[i][1],
			.eax = UINT32_MAX,
			.ebx = UINT32_MAX,
			.ecx = UINT32_MAX,
			.edx = UINT32_MAX,
		};
	memcpy(&cpuid.entries[0].ebx, vendor, 4);
	memcpy(&cpuid.entries[0].edx, vendor + 4, 4);
	memcpy(&cpuid.entries[0].ecx, vendor + 8, 4);
	cpuid.entries[1].eax = signature;
}

static int named(const char *name)
{
	return og_cpu_template_named(name, &cpuid, &template, NULL);
}

TEST(t2_makes_a_haswell_of_a_newer_processor)
{
	host("GenuineIntel", CASCADE_LAKE);
	CHECK_OK(named("T2"));
	CHECK_OK(og_cpu_template_apply(&template, &cpuid, NULL));
	CHECK_EQ(cpuid.entries[1].eax, 0x306f2);
	CHECK_EQ(cpuid.entries[1].ebx, UINT32_MAX);
	CHECK_EQ(cpuid.entries[1].ecx, ~0x0004cdfcU);
	CHECK_EQ(cpuid.entries[2].ebx & 1U << 16, 0); /* AVX-512 */
	CHECK_EQ(cpuid.entries[2].ebx >> 9 & 1, 1);
	CHECK_EQ(cpuid.entries[2].flags, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
	CHECK_EQ(cpuid.entries[3].eax & 0xe0, 0);
	CHECK_EQ(cpuid.entries[5].edx >> 26 & 1, 0); /* pages of 1 GiB */
	CHECK_EQ(template.n_msrs, 0);
}

TEST(t2s_and_t2cl_change_a_register_too)
{
	host("GenuineIntel", CASCADE_LAKE);
	CHECK_OK(named("T2S"));
	CHECK_EQ(template.n_msrs, 1);
	CHECK_EQ(template.msrs[0].index, 0x10a);
	CHECK_EQ(template.msrs[0].value, 0xc4c);
	CHECK_OK(named("T2CL"));
	CHECK_EQ(template.n_msrs, 1);
	CHECK_EQ(template.msrs[0].value, 0);
	CHECK_OK(named("C3"));
	CHECK_EQ(template.n_leaves, 5); /* it leaves 0x80000008 alone */
}

TEST(a_template_for_other_processors_is_refused)
{
	static const char *const intel[] = { "T2", "T2S", "T2CL", "C3" };
	struct og_err err = {};

	host("AuthenticAMD", MILAN);
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(named(intel[i]), -ENOTSUP);
	CHECK_OK(named("T2A"));
	CHECK_OK(og_cpu_template_apply(&template, &cpuid, NULL));
	CHECK_EQ(cpuid.entries[6].ebx, ~0x000c0205U | 0x000c0000);
	host("GenuineIntel", SKYLAKE);
	CHECK_EQ(named("T2A"), -ENOTSUP);
	CHECK_EQ(og_cpu_template_named("T2CL", &cpuid, &template, &err), -ENOTSUP);
	CHECK(strstr(err.text, "newer") != NULL);
	CHECK_OK(named("T2"));
	CHECK_EQ(named("T3"), -ENOENT);
	CHECK_EQ(named(""), -ENOENT);
}

TEST(what_the_mask_leaves_out_stays)
{
	host("GenuineIntel", SKYLAKE);
	template = (struct og_cpu_template){ .n_leaves = 1 };
	template.leaves[0] = (struct og_cpuid_modifier){
		.leaf = 0xd,
		.subleaf = 1,
		.registers[OG_ECX] = { 0xff, 0xfa5 }, /* more value than mask */
	};
	CHECK_OK(og_cpu_template_apply(&template, &cpuid, NULL));
	CHECK_EQ(cpuid.entries[4].ecx, 0xffffffa5);
	CHECK_EQ(cpuid.entries[3].ecx, UINT32_MAX); /* the other subleaf */
}

TEST(a_leaf_that_the_host_lacks_is_named)
{
	struct og_err err = {};

	host("GenuineIntel", SKYLAKE);
	template = (struct og_cpu_template){ .n_leaves = 1 };
	template.leaves[0] = (struct og_cpuid_modifier){ .leaf = 0x19, .subleaf = 3 };
	CHECK_EQ(og_cpu_template_apply(&template, &cpuid, &err), -ENOENT);
	CHECK(strstr(err.text, "0x19") != NULL && strstr(err.text, "0x3") != NULL);
}

TEST_MAIN(TEST_ENTRY(t2_makes_a_haswell_of_a_newer_processor),
	  TEST_ENTRY(t2s_and_t2cl_change_a_register_too),
	  TEST_ENTRY(a_template_for_other_processors_is_refused),
	  TEST_ENTRY(what_the_mask_leaves_out_stays),
	  TEST_ENTRY(a_leaf_that_the_host_lacks_is_named))
