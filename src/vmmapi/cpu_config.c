/* SPDX-License-Identifier: Apache-2.0 */
/* A CPU template's texts as numbers. Their form was checked when they were read. */
#include <stdlib.h>
#include <string.h>

#include "vmm/x86/cpu_template.h"
#include "vmmapi/bind.h"

_Static_assert(OG_API_LEAVES_MAX <= OG_TEMPLATE_LEAVES_MAX &&
		       OG_API_MSRS_MAX <= OG_TEMPLATE_MSRS_MAX &&
		       OG_API_CAPABILITIES_MAX <= OG_TEMPLATE_CAPABILITIES_MAX,
	       "what was read has room");

static uint32_t number_of(const char *text)
{
	if (text[0] == '0' && text[1] == 'b')
		return (uint32_t)strtoul(text + 2, NULL, 2);
	return (uint32_t)strtoul(text, NULL, text[0] == '0' && text[1] == 'x' ? 16 : 10);
}

/* The last digit is bit 0. */
static void read_bitmap(const char *text, uint64_t *ret_mask, uint64_t *ret_value)
{
	uint64_t mask = 0, value = 0;

	for (const char *at = text + 2; *at != '\0'; at++) {
		if (*at == '_')
			continue;
		mask = mask << 1 | (*at == '0' || *at == '1');
		value = value << 1 | (*at == '1');
	}
	*ret_mask = mask;
	*ret_value = value;
}

static int convert_leaf(const struct og_api_cpuid_leaf *from, struct og_cpuid_modifier *to,
			struct og_err *err)
{
	to->leaf = number_of(from->leaf);
	to->subleaf = number_of(from->subleaf);
	to->flags = (uint32_t)from->flags;
	for (unsigned i = 0; i < from->n_modifiers; i++) {
		struct og_cpuid_bits *bits = &to->registers[from->modifiers[i].register_];
		uint64_t mask, value;

		read_bitmap(from->modifiers[i].bitmap, &mask, &value);
		if (mask > UINT32_MAX)
			return og_fail_plain(err, -EINVAL,
					     "cpuid_modifiers: modifiers[%u].bitmap of leaf %s has "
					     "more than 32 bits",
					     i, from->leaf);
		bits->mask |= (uint32_t)mask;
		bits->value |= (uint32_t)value;
	}
	return 0;
}

int og_cpu_config_convert(const struct og_api_cpu_config *from, struct og_cpu_template *ret_to,
			  struct og_err *err)
{
	int r = 0;

	memset(ret_to, 0, sizeof(*ret_to));
	for (unsigned i = 0; r == 0 && i < from->n_cpuid_modifiers; i++)
		r = convert_leaf(&from->cpuid_modifiers[i], &ret_to->leaves[i], err);
	ret_to->n_leaves = from->n_cpuid_modifiers;
	for (unsigned i = 0; i < from->n_msr_modifiers; i++) {
		struct og_msr_modifier *to = &ret_to->msrs[i];

		to->index = number_of(from->msr_modifiers[i].addr);
		read_bitmap(from->msr_modifiers[i].bitmap, &to->mask, &to->value);
	}
	ret_to->n_msrs = from->n_msr_modifiers;
	for (unsigned i = 0; i < from->n_kvm_capabilities; i++)
		if (from->kvm_capabilities[i][0] != '!')
			ret_to->capabilities[ret_to->n_capabilities++] =
				number_of(from->kvm_capabilities[i]);
	return r;
}
