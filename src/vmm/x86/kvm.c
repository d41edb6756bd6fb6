/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/x86/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdatomic.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"
#include "vmm/x86/layout.h"

/* Whatever a kernel calls stable has this version. */
#define API_VERSION 12

#define PAGE_BYTES 4096ULL

static const struct {
	int capability;
	const char *what;
} needed[] = {
	{ KVM_CAP_IRQCHIP, "interrupt controllers" },
	{ KVM_CAP_USER_MEMORY, "memory slots" },
	{ KVM_CAP_IRQFD, "interrupts by event descriptors" },
	{ KVM_CAP_IOEVENTFD, "notifications by event descriptors" },
	{ KVM_CAP_IMMEDIATE_EXIT, "immediate exits (Linux 4.13)" },
};

int og_kvm_open(struct og_err *err)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int r = -errno;

	if (fd >= 0)
		return fd;
	if (r == -EACCES || r == -EPERM)
		return og_fail(err, r, "open /dev/kvm (join the group that owns it)");
	return og_fail(err, r, "open /dev/kvm (load kvm_intel or kvm_amd, or run without KVM)");
}

static int look(struct og_kvm *kvm, struct og_err *err)
{
	int r = ioctl(kvm->fd, KVM_GET_API_VERSION, 0);

	if (r != API_VERSION)
		return og_fail(err, -ENOTSUP, "/dev/kvm speaks version %d, not %d", r, API_VERSION);
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (ioctl(kvm->fd, KVM_CHECK_EXTENSION, needed[i].capability) <= 0)
			return og_fail(err, -ENOTSUP, "/dev/kvm lacks %s", needed[i].what);

	r = ioctl(kvm->fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (r < 0)
		return og_fail(err, -errno, "ask /dev/kvm for the size of a vCPU's page");
	kvm->run_bytes = (size_t)r;
	kvm->any_length = ioctl(kvm->fd, KVM_CHECK_EXTENSION, KVM_CAP_IOEVENTFD_ANY_LENGTH) > 0;
	kvm->tsc_deadline = ioctl(kvm->fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0;
	return 0;
}

static int create(struct og_kvm *kvm, struct og_err *err)
{
	uint64_t identity = OG_IDENTITY_GPA;

	do {
		kvm->vm_fd = ioctl(kvm->fd, KVM_CREATE_VM, 0);
	} while (kvm->vm_fd < 0 && errno == EINTR);
	if (kvm->vm_fd < 0)
		return og_fail(err, -errno, "create virtual machine");

	/* Only Intel's first processors with VMX use these pages, but all must be told. */
	if (ioctl(kvm->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity) < 0 ||
	    ioctl(kvm->vm_fd, KVM_SET_TSS_ADDR, OG_IDENTITY_GPA + 0x1000) < 0)
		return og_fail(err, -errno, "set aside KVM's own pages");
	if (ioctl(kvm->vm_fd, KVM_CREATE_IRQCHIP, 0) < 0)
		return og_fail(err, -errno, "create interrupt controllers");
	return 0;
}

int og_kvm_init(struct og_kvm *kvm, int kvm_fd, struct og_err *err)
{
	int r;

	*kvm = (struct og_kvm){ .fd = -EBADF, .vm_fd = -EBADF, .first_vcpu_fd = -EBADF };
	kvm->fd = kvm_fd >= 0 ? kvm_fd : og_kvm_open(err);
	if (kvm->fd < 0)
		return kvm->fd;

	r = look(kvm, err);
	if (r == 0)
		r = create(kvm, err);
	if (r < 0)
		og_kvm_done(kvm);
	return r;
}

int og_kvm_make_first_vcpu(struct og_kvm *kvm, struct og_err *err)
{
	kvm->first_vcpu_fd = ioctl(kvm->vm_fd, KVM_CREATE_VCPU, 0UL);
	return kvm->first_vcpu_fd < 0 ? og_fail(err, -errno, "create vCPU 0") : 0;
}

void og_kvm_done(struct og_kvm *kvm)
{
	kvm->first_vcpu_fd = og_close(kvm->first_vcpu_fd);
	kvm->vm_fd = og_close(kvm->vm_fd);
	kvm->fd = og_close(kvm->fd);
}

/* Memory that is a file of its own is in no snapshot. */
static uint32_t memory_flags(const struct og_kvm *kvm, uint32_t slot, bool readonly)
{
	bool logged = kvm->log_dirty && (slot < OG_KVM_SLOT_PMEM || slot >= OG_KVM_SLOT_HOTPLUG);

	return (readonly ? KVM_MEM_READONLY : 0U) | (logged ? KVM_MEM_LOG_DIRTY_PAGES : 0U);
}

int og_kvm_set_memory(struct og_kvm *kvm, uint32_t slot, const struct og_mem_region *region,
		      bool readonly, struct og_err *err)
{
	struct kvm_userspace_memory_region memory = {
		.slot = slot,
		.flags = memory_flags(kvm, slot, readonly),
		.guest_phys_addr = region->gpa,
		.memory_size = region->bytes,
		.userspace_addr = (uintptr_t)region->host,
	};

	if (ioctl(kvm->vm_fd, KVM_SET_USER_MEMORY_REGION, &memory) < 0)
		return og_fail(err, -errno, "give the guest memory at 0x%llx",
			       (unsigned long long)region->gpa);
	return 0;
}

int og_kvm_add_dirty(struct og_kvm *kvm, uint32_t slot, const struct og_mem_region *region,
		     _Atomic uint64_t *bits, uint64_t *scratch, struct og_err *err)
{
	struct kvm_dirty_log log = { .slot = slot, .dirty_bitmap = scratch };
	uint64_t words = (region->bytes / PAGE_BYTES + 63) / 64;

	if (ioctl(kvm->vm_fd, KVM_GET_DIRTY_LOG, &log) < 0)
		return og_fail(err, -errno, "ask which memory the guest wrote");
	for (uint64_t i = 0; i < words; i++)
		if (scratch[i] != 0)
			(void)atomic_fetch_or_explicit(&bits[i], scratch[i], memory_order_relaxed);
	return 0;
}

int og_kvm_add_memory(struct og_kvm *kvm, const struct og_mem *mem, struct og_err *err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < mem->n_regions; i++)
		r = og_kvm_set_memory(kvm, i, &mem->regions[i], false, err);
	return r;
}

int og_kvm_add_timer(struct og_kvm *kvm, struct og_err *err)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	struct kvm_reinject_control once = { .pit_reinject = 0 };

	if (ioctl(kvm->vm_fd, KVM_CREATE_PIT2, &pit) < 0 ||
	    ioctl(kvm->vm_fd, KVM_REINJECT_CONTROL, &once) < 0)
		return og_fail(err, -errno, "create timer");
	kvm->timer = true;
	return 0;
}

int og_kvm_set_rom(struct og_kvm *kvm, uint64_t gpa, void *host, size_t bytes, struct og_err *err)
{
	struct kvm_userspace_memory_region slot = {
		.slot = OG_KVM_SLOT_ROM,
		.flags = KVM_MEM_READONLY,
		.guest_phys_addr = gpa,
		.memory_size = bytes,
		.userspace_addr = (uintptr_t)host,
	};

	if (ioctl(kvm->vm_fd, KVM_SET_USER_MEMORY_REGION, &slot) < 0)
		return og_fail(err, -errno, "give the guest read-only memory at 0x%llx",
			       (unsigned long long)gpa);
	return 0;
}

int og_kvm_require(const struct og_kvm *kvm, const uint32_t *capabilities, unsigned n,
		   struct og_err *err)
{
	for (unsigned i = 0; i < n; i++)
		if (ioctl(kvm->fd, KVM_CHECK_EXTENSION, (unsigned long)capabilities[i]) <= 0)
			return og_fail(err, -ENOTSUP, "CPU template: /dev/kvm lacks capability %u",
				       capabilities[i]);
	return 0;
}

int og_kvm_wire_interrupt(struct og_kvm *kvm, uint32_t gsi, int event_fd, struct og_err *err)
{
	struct kvm_irqfd irqfd = { .fd = (uint32_t)event_fd, .gsi = gsi };

	if (ioctl(kvm->vm_fd, KVM_IRQFD, &irqfd) < 0)
		return og_fail(err, -errno, "wire interrupt %u", gsi);
	return 0;
}

int og_kvm_wire_notify(struct og_kvm *kvm, uint64_t gpa, int event_fd, struct og_err *err)
{
	struct kvm_ioeventfd ioeventfd = {
		.addr = gpa,
		.len = kvm->any_length ? 0 : 4,
		.fd = event_fd,
	};

	if (ioctl(kvm->vm_fd, KVM_IOEVENTFD, &ioeventfd) < 0)
		return og_fail(err, -errno, "wire notifications at 0x%llx",
			       (unsigned long long)gpa);
	return 0;
}

static void notify_at(struct og_kvm *kvm, uint64_t gpa, int event_fd, uint32_t flags)
{
	struct kvm_ioeventfd ioeventfd = {
		.addr = gpa,
		.len = kvm->any_length ? 0 : 2,
		.fd = event_fd,
		.flags = flags,
	};

	if (gpa != UINT64_MAX)
		(void)ioctl(kvm->vm_fd, KVM_IOEVENTFD, &ioeventfd);
}

void og_kvm_move_notify(struct og_kvm *kvm, uint64_t from, uint64_t to, int event_fd)
{
	notify_at(kvm, from, event_fd, KVM_IOEVENTFD_FLAG_DEASSIGN);
	notify_at(kvm, to, event_fd, 0);
}
