/* SPDX-License-Identifier: Apache-2.0 */
/* The registers that a vCPU begins with. */
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/x86/layout.h"
#include "vmm/x86/vcpu.h"

#define MSR_MISC_ENABLE	     0x1a0
#define MISC_FAST_STRING     1ULL
#define MSR_MTRR_DEFAULT     0x2ff
#define MTRR_ENABLED	     (1ULL << 11)
#define MTRR_TYPE_WRITE_BACK 6ULL

#define CR0_PE	 1ULL
#define CR0_MP	 (1ULL << 1)
#define CR0_ET	 (1ULL << 4)
#define CR0_NE	 (1ULL << 5)
#define CR0_PG	 (1ULL << 31)
#define CR4_PAE	 (1ULL << 5)
#define EFER_LME (1ULL << 8)
#define EFER_LMA (1ULL << 10)

#define PAGE_PRESENT 1ULL
#define PAGE_WRITE   2ULL
#define PAGE_LARGE   (1ULL << 7)
#define TABLE_BYTES  4096ULL
#define TABLE_WORDS  512

#define RFLAGS_FIXED 2ULL

int og_cpuid_supported(struct og_kvm *kvm, struct og_cpuid *ret_cpuid, struct og_err *err)
{
	ret_cpuid->head = (struct kvm_cpuid2){ .nent = OG_CPUID_ENTRIES_MAX };
	if (ioctl(kvm->fd, KVM_GET_SUPPORTED_CPUID, ret_cpuid) < 0)
		return og_fail(err, -errno, "ask KVM what processors it offers");
	return 0;
}

struct one_msr {
	struct kvm_msrs head;
	struct kvm_msr_entry entry;
};

int og_vcpu_modify_msrs(struct og_vcpu *vcpu, const struct og_cpu_template *template,
			struct og_err *err)
{
	for (unsigned i = 0; i < template->n_msrs; i++) {
		const struct og_msr_modifier *m = &template->msrs[i];
		struct one_msr msr = { .head.nmsrs = 1, .entry.index = m->index };

		if (ioctl(vcpu->fd, KVM_GET_MSRS, &msr) != 1)
			return og_fail(err, -ENOTSUP, "CPU template: KVM has no register 0x%x",
				       m->index);
		msr.entry.data = (msr.entry.data & ~m->mask) | (m->value & m->mask);
		if (ioctl(vcpu->fd, KVM_SET_MSRS, &msr) != 1)
			return og_fail(err, -ENOTSUP,
				       "CPU template: KVM takes no 0x%llx for register 0x%x",
				       (unsigned long long)msr.entry.data, m->index);
	}
	return 0;
}

int og_vcpu_set_msrs(struct og_vcpu *vcpu, struct og_err *err)
{
	static const struct kvm_msr_entry wanted[] = {
		{ .index = MSR_MISC_ENABLE, .data = MISC_FAST_STRING },
		{ .index = MSR_MTRR_DEFAULT, .data = MTRR_ENABLED | MTRR_TYPE_WRITE_BACK },
	};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		struct one_msr msrs = { .head.nmsrs = 1, .entry = wanted[i] };

		if (ioctl(vcpu->fd, KVM_SET_MSRS, &msrs) < 0)
			return og_fail(err, -errno, "set register 0x%x of vCPU %u", wanted[i].index,
				       vcpu->index);
	}
	return 0;
}

/* A flat segment, the same in the descriptor table and in the register. */
static struct kvm_segment segment(uint16_t selector, uint8_t type, bool code)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.s = 1,
		.g = 1,
		.l = code,
		.db = !code,
	};
}

/*
 * Linux wants these at 0x10 and 0x18 (__BOOT_CS and __BOOT_DS); the first is for 64 bits, then one
 * for 32 bits.
 */
static const uint64_t gdt_long[] = { 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff };
static const uint64_t gdt_protected[] = { 0, 0, 0x00cf9b000000ffff, 0x00cf93000000ffff };

_Static_assert(sizeof(gdt_long) == sizeof(gdt_protected), "either fills the same room");

static int write_gdt(const struct og_mem *mem, const uint64_t *gdt)
{
	void *at = og_mem_at(mem, OG_GDT_GPA, sizeof(gdt_long));

	if (at == NULL)
		return -EINVAL;
	memcpy(at, gdt, sizeof(gdt_long));
	return 0;
}

static int write_pages(const struct og_mem *mem)
{
	uint64_t *table = og_mem_at(mem, OG_PAGE_TABLES_GPA, 3 * TABLE_BYTES);

	if (table == NULL)
		return -EINVAL;
	table[0] = (OG_PAGE_TABLES_GPA + TABLE_BYTES) | PAGE_PRESENT | PAGE_WRITE;
	table[TABLE_WORDS] = (OG_PAGE_TABLES_GPA + 2 * TABLE_BYTES) | PAGE_PRESENT | PAGE_WRITE;
	for (uint64_t i = 0; i < TABLE_WORDS; i++)
		table[2 * TABLE_WORDS + i] = i << 21 | PAGE_PRESENT | PAGE_WRITE | PAGE_LARGE;
	return 0;
}

static void set_segments(struct kvm_sregs *sregs, bool wide)
{
	sregs->cs = segment(0x10, 0xb, wide);
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = segment(0x18, 0x3, false);
	sregs->gdt = (struct kvm_dtable){ .base = OG_GDT_GPA, .limit = sizeof(gdt_long) - 1 };
}

static int set_long(struct kvm_sregs *sregs, const struct og_mem *mem)
{
	int r = write_gdt(mem, gdt_long);

	if (r == 0)
		r = write_pages(mem);
	set_segments(sregs, true);
	sregs->cr3 = OG_PAGE_TABLES_GPA;
	sregs->cr4 |= CR4_PAE;
	sregs->cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_PG;
	sregs->efer |= EFER_LME | EFER_LMA;
	return r;
}

/* As PVH and multiboot want it: everything is there but paging. */
static int set_protected(struct kvm_sregs *sregs, const struct og_mem *mem)
{
	set_segments(sregs, false);
	sregs->cr0 = CR0_PE | CR0_ET;
	sregs->cr4 = 0;
	sregs->tr = (struct kvm_segment){ .limit = 0x67, .type = 0xb, .present = 1 };
	return write_gdt(mem, gdt_protected);
}

int og_vcpu_set_entry(struct og_vcpu *vcpu, const struct og_mem *mem, const struct og_entry *entry,
		      struct og_err *err)
{
	struct kvm_regs regs = {
		.rip = entry->rip,
		.rax = entry->rax,
		.rbx = entry->rbx,
		.rsi = entry->rsi,
		.rsp = OG_STACK_GPA,
		.rflags = RFLAGS_FIXED,
	};
	struct kvm_sregs sregs;
	int r;

	if (entry->mode == OG_ENTRY_RESET)
		return 0; /* KVM's own beginning */
	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) < 0)
		return og_fail(err, -errno, "read registers of vCPU %u", vcpu->index);

	r = entry->mode == OG_ENTRY_LONG ? set_long(&sregs, mem) : set_protected(&sregs, mem);
	if (r < 0)
		return og_fail(err, r, "write the tables of the first instruction");
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) < 0 || ioctl(vcpu->fd, KVM_SET_REGS, &regs) < 0)
		return og_fail(err, -errno, "set registers of vCPU %u", vcpu->index);
	return 0;
}
