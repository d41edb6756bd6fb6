/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/snapshot/state.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <string.h>

#include "vmm/device/event.h"
#include "vmm/machine.h"
#include "vmm/x86/save.h"

/* How the guest reaches a device. */
enum {
	TRANSPORT_MMIO = 0,
	TRANSPORT_PCI = 1, /* its registers are the bus's */
};

static uint8_t transport_of(const struct slot *slot)
{
	return slot->mmio.virtio != NULL ? TRANSPORT_MMIO : TRANSPORT_PCI;
}

static void save_region(const struct og_mem_region *region, struct og_pack *pack)
{
	og_pack_u64(pack, region->gpa);
	og_pack_u64(pack, region->bytes);
}

static int save_machine(struct og_vmm *vmm, struct og_pack *pack, struct og_err *err)
{
	(void)err;
	og_pack_u64(pack, vmm->config->memory_mib);
	og_pack_u32(pack, vmm->n_vcpus);
	og_pack_u8(pack, vmm->config->smt);
	og_pack_u32(pack, vmm->mem.n_regions);
	for (unsigned i = 0; i < vmm->mem.n_regions; i++)
		save_region(&vmm->mem.regions[i], pack);
	save_region(&vmm->mem.hotplug.region, pack);
	og_pack_u64(pack, vmm->mem.hotplug.slot_bytes);
	return 0;
}

static bool is_region(const struct og_mem_region *region, struct og_unpack *unpack)
{
	uint64_t gpa = og_unpack_u64(unpack), bytes = og_unpack_u64(unpack);

	return region->bytes == bytes && (bytes == 0 || region->gpa == gpa);
}

static int check_machine(struct og_vmm *vmm, struct og_unpack *unpack, struct og_err *err)
{
	uint64_t memory_mib = og_unpack_u64(unpack);
	uint32_t cpus = og_unpack_u32(unpack), n_regions;
	bool smt = og_unpack_bool(unpack), same;

	if (unpack->failed)
		return og_fail(err, -EBADMSG, "the snapshot's machine cannot be");
	if (memory_mib != vmm->config->memory_mib || cpus != vmm->n_vcpus ||
	    smt != vmm->config->smt)
		return og_fail(err, -EINVAL,
			       "the snapshot is of a machine of %llu MiB and %u vCPUs, not of "
			       "%llu MiB and %u",
			       (unsigned long long)memory_mib, cpus,
			       (unsigned long long)vmm->config->memory_mib, vmm->n_vcpus);
	n_regions = og_unpack_u32(unpack);
	same = n_regions == vmm->mem.n_regions;
	for (unsigned i = 0; same && i < n_regions; i++)
		same = is_region(&vmm->mem.regions[i], unpack);
	same = same && is_region(&vmm->mem.hotplug.region, unpack);
	if (!same || og_unpack_u64(unpack) != vmm->mem.hotplug.slot_bytes)
		return og_fail(err, -EINVAL, "the snapshot's memory is laid out in another way");
	return 0;
}

int og_vmm_check(struct og_vmm *vmm, const struct og_snapshot *snapshot, struct og_err *err)
{
	struct og_unpack unpack = og_snapshot_section(snapshot, OG_SNAPSHOT_MACHINE, 0);
	int r = check_machine(vmm, &unpack, err);

	return r == 0 && !og_unpack_done(&unpack)
		       ? og_fail(err, -EBADMSG, "the snapshot's machine cannot be")
		       : r;
}

static int save_pci(struct og_vmm *vmm, struct og_pack *pack, struct og_err *err)
{
	(void)err;
	og_pack_u8(pack, vmm->pci != NULL);
	if (vmm->pci != NULL)
		og_vmm_save_pci(vmm, pack);
	return 0;
}

static int load_pci(struct og_vmm *vmm, struct og_unpack *unpack, struct og_err *err)
{
	bool there = og_unpack_bool(unpack);

	if (unpack->failed || there != (vmm->pci != NULL))
		return og_fail(err, -EINVAL, "only one of machine and snapshot has a PCI bus");
	return there ? og_vmm_load_pci(vmm, unpack, err) : 0;
}

static int save_kvm(struct og_vmm *vmm, struct og_pack *pack, struct og_err *err)
{
	return og_kvm_save(&vmm->kvm, pack, err);
}

static int save_serial(struct og_vmm *vmm, struct og_pack *pack, struct og_err *err)
{
	(void)err;
	og_pack_u8(pack, vmm->serial != NULL);
	if (vmm->serial != NULL)
		og_serial_save(vmm->serial, pack);
	return 0;
}

static int load_serial(struct og_vmm *vmm, struct og_unpack *unpack, struct og_err *err)
{
	bool there = og_unpack_bool(unpack);

	if (unpack->failed || there != (vmm->serial != NULL))
		return og_fail(err, -EINVAL, "only one of machine and snapshot has a serial port");
	if (there && !og_serial_load(vmm->serial, unpack))
		return og_fail(err, -EBADMSG, "the serial port's state cannot be");
	return 0;
}

static int save_keys(struct og_vmm *vmm, struct og_pack *pack, struct og_err *err)
{
	(void)err;
	og_pack_u8(pack, vmm->keyboard.present);
	if (vmm->keyboard.present)
		og_i8042_save(&vmm->keyboard, pack);
	return 0;
}

static int load_keys(struct og_vmm *vmm, struct og_unpack *unpack, struct og_err *err)
{
	bool there = og_unpack_bool(unpack);

	if (unpack->failed || there != vmm->keyboard.present)
		return og_fail(err, -EINVAL, "only one of machine and snapshot has a keyboard");
	if (there && !og_i8042_load(&vmm->keyboard, unpack))
		return og_fail(err, -EBADMSG, "the keyboard's state cannot be");
	return 0;
}

static int save_slot(struct slot *slot, struct og_pack *pack, struct og_err *err)
{
	size_t whole = og_pack_open(pack), transport;
	int r;

	og_pack_bytes(pack, slot->id, sizeof(slot->id));
	og_pack_u8(pack, transport_of(slot));
	transport = og_pack_open(pack);
	og_virtio_mmio_save(&slot->mmio, pack);
	og_pack_close(pack, transport);
	r = og_virtio_save(slot->virtio, pack, err);
	og_pack_close(pack, whole);
	return r;
}

static int save_devices(struct og_vmm *vmm, struct og_pack *pack, struct og_err *err)
{
	int r = 0;

	og_pack_u32(pack, vmm->n_slots);
	for (unsigned i = 0; r == 0 && i < vmm->n_slots; i++)
		r = save_slot(&vmm->slots[i], pack, err);
	return r;
}

static int load_slot(struct slot *slot, struct og_unpack *unpack, struct og_err *err)
{
	struct og_unpack whole = og_unpack_part(unpack), transport;
	char id[sizeof(slot->id)];
	uint8_t how;
	int r;

	og_unpack_bytes(&whole, id, sizeof(id));
	id[sizeof(id) - 1] = '\0';
	how = og_unpack_u8(&whole);
	transport = og_unpack_part(&whole);
	if (whole.failed || strcmp(id, slot->id) != 0)
		return og_fail(err, -EINVAL, "the machine's device '%s' is not the snapshot's",
			       slot->id);
	if (how != transport_of(slot))
		return og_fail(err, -EINVAL, "device '%s' is on another bus", slot->id);
	og_virtio_mmio_load(&slot->mmio, &transport);
	if (!og_unpack_done(&transport))
		return og_fail(err, -EBADMSG, "the registers of '%s' cannot be", slot->id);
	r = og_virtio_load(slot->virtio, &whole, err);
	if (r == 0 && !og_unpack_done(&whole))
		r = og_fail(err, -EBADMSG, "there is too much");
	return r < 0 ? og_fail_in(err, r, "device '%s'", slot->id) : 0;
}

static int load_devices(struct og_vmm *vmm, struct og_unpack *unpack, struct og_err *err)
{
	uint32_t count = og_unpack_u32(unpack);
	int r = 0;

	if (unpack->failed || count != vmm->n_slots)
		return og_fail(err, -EINVAL, "the snapshot's machine has %u devices, not %u", count,
			       vmm->n_slots);
	for (unsigned i = 0; r == 0 && i < vmm->n_slots; i++)
		r = load_slot(&vmm->slots[i], unpack, err);
	return r;
}

/* All but the vCPUs, which have a section each. NULL: it is not loaded here. */
static const struct part {
	uint32_t tag;
	int (*save)(struct og_vmm *vmm, struct og_pack *pack, struct og_err *err);
	int (*load)(struct og_vmm *vmm, struct og_unpack *unpack, struct og_err *err);
} parts[] = {
	{ OG_SNAPSHOT_MACHINE, save_machine, NULL },
	{ OG_SNAPSHOT_SERIAL, save_serial, load_serial },
	{ OG_SNAPSHOT_KEYS, save_keys, load_keys },
	{ OG_SNAPSHOT_DEVICES, save_devices, load_devices },
	{ OG_SNAPSHOT_PCI, save_pci, load_pci },
	{ OG_SNAPSHOT_KVM, save_kvm, NULL },
};

#define PARTS_COUNT (sizeof(parts) / sizeof(parts[0]))

static int save_vcpus(struct og_vmm *vmm, struct og_pack *pack, struct og_err *err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < vmm->n_vcpus; i++) {
		size_t opened = og_snapshot_open_section(pack, OG_SNAPSHOT_VCPU);

		r = og_vcpu_save(&vmm->vcpus[i], &vmm->kvm, pack, err);
		og_pack_close(pack, opened);
	}
	return r;
}

int og_vmm_save(struct og_vmm *vmm, struct og_pack *pack, const void *config, size_t config_bytes,
		struct og_err *err)
{
	size_t opened;
	int r = 0;

	if (vmm->firmware != NULL)
		return og_fail(err, -ENOTSUP, "what a PC's firmware uses is not kept yet");
	for (size_t i = 0; r == 0 && i < PARTS_COUNT; i++) {
		opened = og_snapshot_open_section(pack, parts[i].tag);
		r = parts[i].save(vmm, pack, err);
		og_pack_close(pack, opened);
	}
	if (r == 0)
		r = save_vcpus(vmm, pack, err);
	if (r < 0)
		return r;
	if (config_bytes > 0) {
		opened = og_snapshot_open_section(pack, OG_SNAPSHOT_CONFIG);
		og_pack_bytes(pack, config, config_bytes);
		og_pack_close(pack, opened);
	}
	return og_snapshot_finish(pack, err);
}

/* The controllers before the vCPUs: what those pass on is overwritten by the vCPUs' own. */
static int load_kvm(struct og_vmm *vmm, const struct og_snapshot *snapshot, bool realtime,
		    struct og_err *err)
{
	struct og_unpack unpack = og_snapshot_section(snapshot, OG_SNAPSHOT_KVM, 0);
	struct og_saved saved;
	int r = og_saved_read(&unpack, &saved, err);

	if (r == 0)
		r = og_kvm_load(&vmm->kvm, &saved, realtime, err);
	for (unsigned i = 0; r == 0 && i < vmm->n_vcpus; i++) {
		unpack = og_snapshot_section(snapshot, OG_SNAPSHOT_VCPU, i);
		r = og_saved_read(&unpack, &saved, err);
		if (r == 0)
			r = og_vcpu_load(&vmm->vcpus[i], &vmm->kvm, &saved, err);
		if (r < 0)
			r = og_fail_in(err, r, "vCPU %u", i);
	}
	return r;
}

/*
 * An interrupt may have been on its way when the state was taken. One too many does no harm: the
 * driver looks into its queues and finds nothing.
 */
static void interrupt_again(struct og_virtio *virtio)
{
	(void)pthread_mutex_lock(&virtio->lock);
	if ((virtio->status & VIRTIO_CONFIG_S_DRIVER_OK) != 0)
		for (unsigned i = 0; i < virtio->ops->n_queues; i++)
			if (virtio->queues[i].ready)
				og_virtio_interrupt(virtio, &virtio->queues[i]);
	(void)pthread_mutex_unlock(&virtio->lock);
}

int og_vmm_load_devices(struct og_vmm *vmm, const struct og_snapshot *snapshot, struct og_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < PARTS_COUNT; i++) {
		struct og_unpack unpack = og_snapshot_section(snapshot, parts[i].tag, 0);

		if (unpack.failed && parts[i].tag == OG_SNAPSHOT_KEYS)
			continue; /* of version 1.0 */
		if (unpack.failed)
			return og_fail(err, -EBADMSG, "section 0x%08x is missing", parts[i].tag);
		if (parts[i].load == NULL)
			continue;
		r = parts[i].load(vmm, &unpack, err);
		if (r == 0 && !og_unpack_done(&unpack))
			r = og_fail(err, -EBADMSG, "section 0x%08x cannot be", parts[i].tag);
	}
	return r;
}

int og_vmm_load(struct og_vmm *vmm, const struct og_snapshot *snapshot, bool realtime,
		struct og_err *err)
{
	int r = og_vmm_load_devices(vmm, snapshot, err);

	if (r == 0)
		r = load_kvm(vmm, snapshot, realtime, err);
	if (r == 0)
		r = og_vmgenid_renew(&vmm->vmgenid, err);
	for (unsigned i = 0; r == 0 && i < vmm->n_slots; i++) {
		struct og_virtio *virtio = vmm->slots[i].virtio;

		if (virtio->ops->resumed != NULL)
			virtio->ops->resumed(virtio);
		interrupt_again(virtio);
	}
	if (r == 0 && vmm->serial != NULL)
		og_serial_resumed(vmm->serial);
	if (r == 0 && vmm->keyboard.present)
		og_i8042_resumed(&vmm->keyboard);
	return r;
}
