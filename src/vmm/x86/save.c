/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order is KVM's: asking for the MP state takes in events of the local APIC, so it comes first;
 * features decide what registers there are; the local APIC must be there before the registers that
 * arm its timer; and events come last, for setting other registers forgets them.
 */
#include "vmm/x86/save.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/x86/cpuid.h"

/* One kind that is a struct of one size, and how it is had and set. */
struct piece {
	enum og_saved_kind kind;
	unsigned long get, set;
	uint32_t bytes;
};

#define PIECE(kind, name, type)                                               \
	{                                                                     \
		OG_SAVED_##kind, KVM_GET_##name, KVM_SET_##name, sizeof(type) \
	}

/* In the order of loading, around what has no single size. */
static const struct piece first[] = {
	PIECE(MP_STATE, MP_STATE, struct kvm_mp_state),
	PIECE(REGS, REGS, struct kvm_regs),
	PIECE(SREGS, SREGS, struct kvm_sregs),
	PIECE(SREGS2, SREGS2, struct kvm_sregs2),
};
static const struct piece second[] = {
	PIECE(XCRS, XCRS, struct kvm_xcrs),
	PIECE(DEBUGREGS, DEBUGREGS, struct kvm_debugregs),
	PIECE(LAPIC, LAPIC, struct kvm_lapic_state),
};
static const struct piece last[] = {
	PIECE(EVENTS, VCPU_EVENTS, struct kvm_vcpu_events),
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Room for any one of them. */
union any {
	struct kvm_mp_state mp_state;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_sregs2 sregs2;
	struct kvm_xcrs xcrs;
	struct kvm_debugregs debugregs;
	struct kvm_lapic_state lapic;
	struct kvm_vcpu_events events;
};

static bool has(const struct og_kvm *kvm, long capability)
{
	return ioctl(kvm->fd, KVM_CHECK_EXTENSION, capability) > 0;
}

/* A KVM has one of the two kinds of segment registers, and without XSAVE no XCR that could be set. */
static bool is_left_out(const struct og_kvm *kvm, enum og_saved_kind kind)
{
	if (kind == OG_SAVED_XCRS)
		return !has(kvm, KVM_CAP_XCRS);
	if (kind == OG_SAVED_SREGS)
		return has(kvm, KVM_CAP_SREGS2);
	return kind == OG_SAVED_SREGS2 && !has(kvm, KVM_CAP_SREGS2);
}

static int save_pieces(struct og_vcpu *vcpu, const struct og_kvm *kvm, const struct piece *pieces,
		       size_t n, struct og_pack *pack, struct og_err *err)
{
	union any any;

	for (size_t i = 0; i < n; i++) {
		if (is_left_out(kvm, pieces[i].kind))
			continue;
		memset(&any, 0, sizeof(any));
		if (ioctl(vcpu->fd, pieces[i].get, &any) < 0)
			return og_fail(err, -errno, "take registers %u of vCPU %u", pieces[i].kind,
				       vcpu->index);
		og_saved_write(pack, pieces[i].kind, &any, pieces[i].bytes);
	}
	return 0;
}

static int load_pieces(struct og_vcpu *vcpu, const struct piece *pieces, size_t n,
		       const struct og_saved *saved, struct og_err *err)
{
	union any any;

	for (size_t i = 0; i < n; i++) {
		const struct og_saved_piece *piece = &saved->pieces[pieces[i].kind];

		if (piece->bytes == NULL)
			continue;
		memcpy(&any, piece->bytes, pieces[i].bytes);
		if (pieces[i].kind == OG_SAVED_XCRS && any.xcrs.nr_xcrs == 0)
			continue; /* of a processor without them, on which they cannot be set */
		if (ioctl(vcpu->fd, pieces[i].set, &any) < 0)
			return og_fail(err, -errno, "set registers %u of vCPU %u", pieces[i].kind,
				       vcpu->index);
	}
	return 0;
}

static int save_cpuid(struct og_vcpu *vcpu, struct og_pack *pack, struct og_err *err)
{
	struct og_cpuid cpuid = { .head.nent = OG_CPUID_ENTRIES_MAX };

	if (ioctl(vcpu->fd, KVM_GET_CPUID2, &cpuid) < 0)
		return og_fail(err, -errno, "take the features of vCPU %u", vcpu->index);
	og_saved_write(pack, OG_SAVED_CPUID, cpuid.entries,
		       cpuid.head.nent * sizeof(cpuid.entries[0]));
	return 0;
}

static int load_cpuid(struct og_vcpu *vcpu, const struct og_saved *saved, struct og_err *err)
{
	const struct og_saved_piece *piece = &saved->pieces[OG_SAVED_CPUID];
	struct og_cpuid cpuid = { .head.nent = piece->len / sizeof(cpuid.entries[0]) };

	if (piece->len > sizeof(cpuid.entries))
		return -EBADMSG;
	memcpy(cpuid.entries, piece->bytes, piece->len);
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, &cpuid) < 0)
		return og_fail(err, -errno, "set the features of vCPU %u", vcpu->index);
	return 0;
}

/* A KVM that cannot say its rate cannot change it either: the guest sees the host's. */
static void save_tsc_khz(struct og_vcpu *vcpu, struct og_pack *pack)
{
	int khz = ioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0);
	uint32_t value = (uint32_t)khz;

	if (khz > 0)
		og_saved_write(pack, OG_SAVED_TSC_KHZ, &value, sizeof(value));
}

/* The same rate needs nothing of KVM. */
static int load_tsc_khz(struct og_vcpu *vcpu, const struct og_saved *saved, struct og_err *err)
{
	uint32_t khz;

	if (saved->pieces[OG_SAVED_TSC_KHZ].bytes == NULL)
		return 0;
	memcpy(&khz, saved->pieces[OG_SAVED_TSC_KHZ].bytes, sizeof(khz));
	if (ioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0) == (int)khz)
		return 0;
	if (ioctl(vcpu->fd, KVM_SET_TSC_KHZ, (unsigned long)khz) < 0)
		return og_fail(err, -errno,
			       "the snapshot's processor counts %u kHz, which this host's cannot",
			       khz);
	return 0;
}

union xsave {
	struct kvm_xsave head;
	uint8_t bytes[OG_SAVED_XSAVE_MAX];
};

/* What KVM writes and reads at most. */
static size_t xsave_bytes(const struct og_kvm *kvm)
{
	int wide = ioctl(kvm->fd, KVM_CHECK_EXTENSION, (long)KVM_CAP_XSAVE2);

	return wide > (int)sizeof(struct kvm_xsave) ? (size_t)wide : sizeof(struct kvm_xsave);
}

static int save_xsave(struct og_vcpu *vcpu, const struct og_kvm *kvm, struct og_pack *pack,
		      struct og_err *err)
{
	size_t len = xsave_bytes(kvm);
	union xsave xsave;

	if (len > sizeof(xsave))
		return og_fail(err, -E2BIG, "vector registers of %zu bytes", len);
	memset(&xsave, 0, len);
	if (ioctl(vcpu->fd, has(kvm, KVM_CAP_XSAVE2) ? KVM_GET_XSAVE2 : KVM_GET_XSAVE, &xsave) < 0)
		return og_fail(err, -errno, "take vector registers of vCPU %u", vcpu->index);
	og_saved_write(pack, OG_SAVED_XSAVE, &xsave, len);
	return 0;
}

/* In a frame of its own: its stack is larger than that of all else. */
__attribute__((noinline)) static int set_wider_xsave(struct og_vcpu *vcpu,
						     const struct og_saved_piece *piece)
{
	union xsave xsave;

	if (piece->len > sizeof(xsave))
		return -1;
	memset(&xsave, 0, sizeof(xsave));
	memcpy(&xsave, piece->bytes, piece->len);
	return ioctl(vcpu->fd, KVM_SET_XSAVE, &xsave);
}

/* KVM reads as much as it says that it keeps at most: where the snapshot has that, from there. */
static int load_xsave(struct og_vcpu *vcpu, const struct og_kvm *kvm, const struct og_saved *saved,
		      struct og_err *err)
{
	const struct og_saved_piece *piece = &saved->pieces[OG_SAVED_XSAVE];
	int r;

	if (piece->len < sizeof(struct kvm_xsave))
		return og_fail(err, -EBADMSG, "vector registers of %u bytes", piece->len);
	r = piece->len >= xsave_bytes(kvm) ? ioctl(vcpu->fd, KVM_SET_XSAVE, piece->bytes)
					   : set_wider_xsave(vcpu, piece);
	if (r < 0)
		return og_fail(err, -errno, "set vector registers of vCPU %u", vcpu->index);
	return 0;
}

struct msr_list {
	struct kvm_msr_list head;
	uint32_t indices[OG_SAVED_MSRS_MAX];
};

/* As many as are set in one call; twice that has every processor. */
#define MSRS_AT_ONCE 64U

struct msrs {
	struct kvm_msrs head;
	struct kvm_msr_entry entries[OG_SAVED_MSRS_MAX];
};

/* KVM stops at a register that this vCPU has not: it is left out. */
static int get_msrs(struct og_vcpu *vcpu, struct msrs *msrs, struct og_err *err)
{
	uint32_t kept = 0, n = msrs->head.nmsrs;

	for (uint32_t done = 0; done < n;) {
		struct msrs part = { .head.nmsrs = n - done };
		int got;

		memcpy(part.entries, msrs->entries + done, (n - done) * sizeof(part.entries[0]));
		got = ioctl(vcpu->fd, KVM_GET_MSRS, &part);
		if (got < 0)
			return og_fail(err, -errno, "take registers of vCPU %u", vcpu->index);
		memcpy(msrs->entries + kept, part.entries, (size_t)got * sizeof(part.entries[0]));
		kept += (uint32_t)got;
		done += (uint32_t)got + 1;
	}
	msrs->head.nmsrs = kept;
	return 0;
}

static int save_msrs(struct og_vcpu *vcpu, const struct og_kvm *kvm, struct og_pack *pack,
		     struct og_err *err)
{
	struct msr_list list = { .head.nmsrs = OG_SAVED_MSRS_MAX };
	struct msrs msrs = {};
	int r;

	if (ioctl(kvm->fd, KVM_GET_MSR_INDEX_LIST, &list) < 0)
		return og_fail(err, -errno, "ask KVM which registers it keeps");
	msrs.head.nmsrs = list.head.nmsrs;
	for (uint32_t i = 0; i < list.head.nmsrs; i++)
		msrs.entries[i].index = list.indices[i];
	r = get_msrs(vcpu, &msrs, err);
	if (r == 0 && msrs.head.nmsrs > 0)
		og_saved_write(pack, OG_SAVED_MSRS, msrs.entries,
			       msrs.head.nmsrs * sizeof(msrs.entries[0]));
	return r;
}

/* Whether the register holds that value anyway: some may be read and never set. */
static bool msr_is(struct og_vcpu *vcpu, const struct kvm_msr_entry *wanted)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msr = { .head.nmsrs = 1, .entry.index = wanted->index };

	return ioctl(vcpu->fd, KVM_GET_MSRS, &msr) == 1 && msr.entry.data == wanted->data;
}

/* In several calls, on little stack: pages that are touched once are dear to a restore. */
static int load_msrs(struct og_vcpu *vcpu, const struct og_saved *saved, struct og_err *err)
{
	const struct og_saved_piece *piece = &saved->pieces[OG_SAVED_MSRS];
	uint32_t n = piece->len / sizeof(struct kvm_msr_entry), part;

	for (uint32_t done = 0; done < n && n <= OG_SAVED_MSRS_MAX; done += part) {
		struct {
			struct kvm_msrs head;
			struct kvm_msr_entry entries[MSRS_AT_ONCE];
		} msrs;

		int set;

		part = n - done < MSRS_AT_ONCE ? n - done : MSRS_AT_ONCE;
		msrs.head = (struct kvm_msrs){ .nmsrs = part };
		memcpy(msrs.entries, piece->bytes + done * sizeof(msrs.entries[0]),
		       part * sizeof(msrs.entries[0]));
		set = ioctl(vcpu->fd, KVM_SET_MSRS, &msrs);
		if (set < 0)
			return og_fail(err, -errno, "set registers of vCPU %u", vcpu->index);
		if ((uint32_t)set == part)
			continue;
		if (msrs.entries[set].data != 0 && !msr_is(vcpu, &msrs.entries[set]))
			return og_fail(err, -EINVAL, "vCPU %u cannot have 0x%llx in register 0x%x",
				       vcpu->index, (unsigned long long)msrs.entries[set].data,
				       msrs.entries[set].index);
		part = (uint32_t)set + 1; /* that one is passed over */
	}
	return 0;
}

int og_vcpu_save(struct og_vcpu *vcpu, const struct og_kvm *kvm, struct og_pack *pack,
		 struct og_err *err)
{
	int r = save_pieces(vcpu, kvm, first, COUNT(first), pack, err);

	if (r == 0)
		r = save_cpuid(vcpu, pack, err);
	save_tsc_khz(vcpu, pack);
	if (r == 0)
		r = save_xsave(vcpu, kvm, pack, err);
	if (r == 0)
		r = save_pieces(vcpu, kvm, second, COUNT(second), pack, err);
	if (r == 0)
		r = save_msrs(vcpu, kvm, pack, err);
	if (r == 0)
		r = save_pieces(vcpu, kvm, last, COUNT(last), pack, err);
	return r;
}

static int check_whole(const struct og_saved *saved, struct og_err *err)
{
	static const enum og_saved_kind needed[] = {
		OG_SAVED_CPUID,	    OG_SAVED_MP_STATE, OG_SAVED_REGS,	OG_SAVED_XSAVE,
		OG_SAVED_DEBUGREGS, OG_SAVED_LAPIC,    OG_SAVED_EVENTS,
	};

	for (size_t i = 0; i < COUNT(needed); i++)
		if (saved->pieces[needed[i]].bytes == NULL)
			return og_fail(err, -EBADMSG, "registers %u are missing", needed[i]);
	if (saved->pieces[OG_SAVED_SREGS].bytes == NULL &&
	    saved->pieces[OG_SAVED_SREGS2].bytes == NULL)
		return og_fail(err, -EBADMSG, "segment registers are missing");
	return 0;
}

int og_vcpu_load(struct og_vcpu *vcpu, const struct og_kvm *kvm, const struct og_saved *saved,
		 struct og_err *err)
{
	int r = check_whole(saved, err);

	if (r == 0)
		r = load_cpuid(vcpu, saved, err);
	if (r == 0)
		r = load_tsc_khz(vcpu, saved, err);
	if (r == 0)
		r = load_pieces(vcpu, first, COUNT(first), saved, err);
	if (r == 0)
		r = load_xsave(vcpu, kvm, saved, err);
	if (r == 0)
		r = load_pieces(vcpu, second, COUNT(second), saved, err);
	if (r == 0)
		r = load_msrs(vcpu, saved, err);
	if (r == 0)
		r = load_pieces(vcpu, last, COUNT(last), saved, err);
	return r;
}

void og_vcpu_was_paused(struct og_vcpu *vcpu)
{
	/* Refused where the guest does not use the clock: then nobody is to be told. */
	(void)ioctl(vcpu->fd, KVM_KVMCLOCK_CTRL, 0);
}

static const enum og_saved_kind chips[] = { OG_SAVED_PIC_MASTER, OG_SAVED_PIC_SLAVE,
					    OG_SAVED_IOAPIC };

int og_kvm_save(struct og_kvm *kvm, struct og_pack *pack, struct og_err *err)
{
	struct kvm_clock_data clock = {};
	struct kvm_pit_state2 pit = {};

	for (uint32_t i = 0; i < COUNT(chips); i++) {
		struct kvm_irqchip chip = { .chip_id = i };

		if (ioctl(kvm->vm_fd, KVM_GET_IRQCHIP, &chip) < 0)
			return og_fail(err, -errno, "take the state of interrupt controller %u", i);
		og_saved_write(pack, chips[i], &chip, sizeof(chip));
	}
	if (ioctl(kvm->vm_fd, KVM_GET_CLOCK, &clock) < 0)
		return og_fail(err, -errno, "take the guest's clock");
	og_saved_write(pack, OG_SAVED_CLOCK, &clock, sizeof(clock));
	if (ioctl(kvm->vm_fd, KVM_GET_PIT2, &pit) == 0)
		og_saved_write(pack, OG_SAVED_PIT, &pit, sizeof(pit));
	return 0;
}

/* A kernel may have asked for it when it was loaded (multiboot): the machine has none yet. */
static int load_pit(struct og_kvm *kvm, const struct og_saved_piece *piece, struct og_err *err)
{
	struct kvm_pit_state2 pit;
	int r = kvm->timer ? 0 : og_kvm_add_timer(kvm, err);

	if (r < 0)
		return r;
	memcpy(&pit, piece->bytes, sizeof(pit));
	if (ioctl(kvm->vm_fd, KVM_SET_PIT2, &pit) < 0)
		return og_fail(err, -errno, "set the interval timer");
	return 0;
}

static int load_clock(struct og_kvm *kvm, const struct og_saved_piece *piece, bool realtime,
		      struct og_err *err)
{
	struct kvm_clock_data clock;

	if (piece->bytes == NULL)
		return og_fail(err, -EBADMSG, "the guest's clock is missing");
	memcpy(&clock, piece->bytes, sizeof(clock));
	/* Of the flags only this one is for setting. */
	clock.flags &= realtime ? KVM_CLOCK_REALTIME : 0;
	if (ioctl(kvm->vm_fd, KVM_SET_CLOCK, &clock) < 0)
		return og_fail(err, -errno, "set the guest's clock");
	return 0;
}

int og_kvm_load(struct og_kvm *kvm, const struct og_saved *saved, bool realtime, struct og_err *err)
{
	int r = 0;

	for (uint32_t i = 0; i < COUNT(chips); i++) {
		const struct og_saved_piece *piece = &saved->pieces[chips[i]];
		struct kvm_irqchip chip;

		if (piece->bytes == NULL)
			return og_fail(err, -EBADMSG, "interrupt controller %u is missing", i);
		memcpy(&chip, piece->bytes, sizeof(chip));
		chip.chip_id = i;
		if (ioctl(kvm->vm_fd, KVM_SET_IRQCHIP, &chip) < 0)
			return og_fail(err, -errno, "set interrupt controller %u", i);
	}
	if (saved->pieces[OG_SAVED_PIT].bytes != NULL)
		r = load_pit(kvm, &saved->pieces[OG_SAVED_PIT], err);
	return r < 0 ? r : load_clock(kvm, &saved->pieces[OG_SAVED_CLOCK], realtime, err);
}
