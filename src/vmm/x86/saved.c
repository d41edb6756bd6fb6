/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/x86/saved.h"

#include <errno.h>

#include "vmm/x86/cpuid.h"

/* How large each may be: of one size, or a multiple of it up to a largest. */
static const struct {
	uint32_t unit, max;
} sizes[OG_SAVED_KINDS] = {
	[OG_SAVED_CPUID] = { sizeof(struct kvm_cpuid_entry2),
			     OG_CPUID_ENTRIES_MAX * sizeof(struct kvm_cpuid_entry2) },
	[OG_SAVED_TSC_KHZ] = { 4, 4 },
	[OG_SAVED_MP_STATE] = { sizeof(struct kvm_mp_state), sizeof(struct kvm_mp_state) },
	[OG_SAVED_REGS] = { sizeof(struct kvm_regs), sizeof(struct kvm_regs) },
	[OG_SAVED_SREGS] = { sizeof(struct kvm_sregs), sizeof(struct kvm_sregs) },
	[OG_SAVED_SREGS2] = { sizeof(struct kvm_sregs2), sizeof(struct kvm_sregs2) },
	[OG_SAVED_XSAVE] = { 4, OG_SAVED_XSAVE_MAX },
	[OG_SAVED_XCRS] = { sizeof(struct kvm_xcrs), sizeof(struct kvm_xcrs) },
	[OG_SAVED_DEBUGREGS] = { sizeof(struct kvm_debugregs), sizeof(struct kvm_debugregs) },
	[OG_SAVED_LAPIC] = { sizeof(struct kvm_lapic_state), sizeof(struct kvm_lapic_state) },
	[OG_SAVED_MSRS] = { sizeof(struct kvm_msr_entry),
			    OG_SAVED_MSRS_MAX * sizeof(struct kvm_msr_entry) },
	[OG_SAVED_EVENTS] = { sizeof(struct kvm_vcpu_events), sizeof(struct kvm_vcpu_events) },
	[OG_SAVED_PIC_MASTER] = { sizeof(struct kvm_irqchip), sizeof(struct kvm_irqchip) },
	[OG_SAVED_PIC_SLAVE] = { sizeof(struct kvm_irqchip), sizeof(struct kvm_irqchip) },
	[OG_SAVED_IOAPIC] = { sizeof(struct kvm_irqchip), sizeof(struct kvm_irqchip) },
	[OG_SAVED_CLOCK] = { sizeof(struct kvm_clock_data), sizeof(struct kvm_clock_data) },
	[OG_SAVED_PIT] = { sizeof(struct kvm_pit_state2), sizeof(struct kvm_pit_state2) },
};

void og_saved_write(struct og_pack *pack, enum og_saved_kind kind, const void *bytes, size_t len)
{
	size_t opened;

	og_pack_u32(pack, kind);
	opened = og_pack_open(pack);
	og_pack_bytes(pack, bytes, len);
	og_pack_close(pack, opened);
}

int og_saved_read(struct og_unpack *unpack, struct og_saved *ret_saved, struct og_err *err)
{
	*ret_saved = (struct og_saved){};
	while (unpack->left > 0 && !unpack->failed) {
		uint32_t kind = og_unpack_u32(unpack);
		struct og_unpack content = og_unpack_part(unpack);

		if (unpack->failed || kind >= OG_SAVED_KINDS || sizes[kind].unit == 0)
			return og_fail(err, -EBADMSG, "registers of kind %u are not known", kind);
		if (content.left == 0 || content.left > sizes[kind].max ||
		    content.left % sizes[kind].unit != 0 || ret_saved->pieces[kind].bytes != NULL)
			return og_fail(err, -EBADMSG, "registers of kind %u cannot be %zu bytes",
				       kind, content.left);
		ret_saved->pieces[kind] =
			(struct og_saved_piece){ content.at, (uint32_t)content.left };
	}
	return unpack->failed ? og_fail(err, -EBADMSG, "registers are cut") : 0;
}
