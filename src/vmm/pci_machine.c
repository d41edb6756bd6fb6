/* SPDX-License-Identifier: Apache-2.0 */
/* A machine whose virtio devices are on a PCI bus: the bus, its host bridge, and KVM's half. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "vmm/device/event.h"
#include "vmm/machine.h"
#include "vmm/x86/messages.h"

#define VECTORS_MAX (OG_VIRTIO_COUNT_MAX * OG_MSIX_VECTORS_MAX)

/* A virtio device's place on the bus. */
struct place {
	struct og_virtio_pci transport;
	struct og_vmm *vmm; /* borrowed */
	unsigned index;
	int kick_fd;		      /* borrowed */
	int fds[OG_MSIX_VECTORS_MAX]; /* one a vector; owned */
	unsigned n_fds;
};

struct og_vmm_pci {
	struct og_pci_bus bus;
	struct og_pci_function bridge;
	struct og_messages *messages;
	struct place places[OG_VIRTIO_COUNT_MAX];
};

int og_vmm_add_pci(struct og_vmm *vmm, struct og_err *err)
{
	static const struct og_pci_identity bridge = {
		.vendor = 0x8086,
		.device = 0x0d57, /* a bridge without registers of its own */
		.class_code = 0x060000,
	};
	/* The i440FX that firmware knows QEMU's "pc" by. */
	static const struct og_pci_identity pc_bridge = {
		.vendor = 0x8086,
		.device = 0x1237,
		.subsystem_vendor = 0x1af4,
		.subsystem = 0x1100,
		.class_code = 0x060000,
		.revision = 2,
	};
	bool pc = vmm->config->firmware_fd >= 0;
	uint64_t gpa = OG_PCI_WINDOW_GPA, end = gpa + OG_PCI_WINDOW_BYTES;
	struct og_vmm_pci *pci;

	if (!vmm->config->pci && !pc)
		return 0;
	if (pc) {
		gpa = OG_PCI_PC_GPA;
		if (gpa < og_mem_low_end(&vmm->mem))
			gpa = og_mem_low_end(&vmm->mem);
		end = OG_PCI_PC_END;
	}
	pci = calloc(1, sizeof(*pci));
	if (pci == NULL)
		return og_fail(err, -ENOMEM, "make PCI bus");
	vmm->pci = pci;
	og_pci_bus_init(&pci->bus, gpa, end - gpa);
	og_pci_function_init(&pci->bridge, NULL, NULL, pc ? &pc_bridge : &bridge);
	og_pci_bus_add(&pci->bus, 0, &pci->bridge);
	og_bus_add(&vmm->ports, OG_PCI_PORT, OG_PCI_PORTS, og_pci_ports_access, &pci->bus);
	if (!pc) /* an i440FX has ports alone */
		og_bus_add(&vmm->mmio, OG_PCI_ECAM_GPA, OG_PCI_ECAM_BYTES, og_pci_ecam_access,
			   &pci->bus);
	og_bus_add(&vmm->mmio, gpa, end - gpa, og_pci_window_access, &pci->bus);
	return og_messages_new(&vmm->kvm, VECTORS_MAX, &pci->messages, err);
}

uint64_t og_vmm_pci_window(const struct og_vmm *vmm)
{
	return vmm->pci->bus.window_gpa;
}

struct og_pci_function *og_vmm_pci_bridge(struct og_vmm *vmm)
{
	return &vmm->pci->bridge;
}

void og_vmm_pci_add(struct og_vmm *vmm, unsigned devfn, struct og_pci_function *function)
{
	og_pci_bus_add(&vmm->pci->bus, devfn, function);
}

static void on_notify_at(void *data, uint64_t from, uint64_t to)
{
	struct place *place = data;

	og_kvm_move_notify(&place->vmm->kvm, from, to, place->kick_fd);
}

static void on_route(void *data, unsigned vector, uint64_t address, uint32_t message)
{
	struct place *place = data;

	og_messages_set(place->vmm->pci->messages, place->index * OG_MSIX_VECTORS_MAX + vector,
			address, message);
}

static int wire_vectors(struct place *place, unsigned n, struct og_err *err)
{
	for (unsigned i = 0; i < n; i++) {
		uint32_t gsi = OG_MESSAGE_GSI + place->index * OG_MSIX_VECTORS_MAX + i;
		int fd = og_event_new();
		int r;

		if (fd < 0)
			return og_fail(err, -errno, "make event descriptor of a vector");
		place->fds[place->n_fds++] = fd;
		r = og_kvm_wire_interrupt(&place->vmm->kvm, gsi, fd, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int og_vmm_plug_pci(struct og_vmm *vmm, struct og_virtio *virtio, unsigned index,
		    struct og_err *err)
{
	struct place *place = &vmm->pci->places[index];
	unsigned device = OG_PCI_VIRTIO_DEVICE + index;
	const struct og_virtio_pci_host host = { on_notify_at, on_route, place };
	uint64_t bar_gpa = OG_PCI_NOWHERE;
	int r;

	place->vmm = vmm;
	place->index = index;
	place->kick_fd = virtio->kick_fd;
	r = wire_vectors(place, og_virtio_pci_vectors(virtio), err);
	if (r == 0)
		r = og_kvm_wire_interrupt(&vmm->kvm, OG_PCI_GSI(device), virtio->interrupt_fd, err);
	if (r < 0)
		return r;
	/* Where there is firmware, it is the one to place BARs. */
	if (vmm->config->firmware_fd < 0)
		bar_gpa = OG_PCI_WINDOW_GPA + index * OG_VIRTIO_PCI_BAR_BYTES;
	og_virtio_pci_init(&place->transport, virtio, place->fds, bar_gpa, &host);
	og_pci_bus_add(&vmm->pci->bus, device * OG_PCI_FUNCTIONS, &place->transport.function);
	return 0;
}

void og_vmm_free_pci(struct og_vmm *vmm)
{
	if (vmm->pci == NULL)
		return;
	for (unsigned i = 0; i < OG_VIRTIO_COUNT_MAX; i++)
		for (unsigned j = 0; j < vmm->pci->places[i].n_fds; j++)
			og_close(vmm->pci->places[i].fds[j]);
	og_messages_free(vmm->pci->messages);
	free(vmm->pci);
	vmm->pci = NULL;
}

void og_vmm_save_pci(struct og_vmm *vmm, struct og_pack *pack)
{
	for (unsigned i = 0; i < vmm->n_slots; i++)
		og_virtio_pci_save(&vmm->pci->places[i].transport, pack);
	og_pci_save(&vmm->pci->bus, pack);
}

int og_vmm_load_pci(struct og_vmm *vmm, struct og_unpack *unpack, struct og_err *err)
{
	for (unsigned i = 0; i < vmm->n_slots; i++) {
		int r = og_virtio_pci_load(&vmm->pci->places[i].transport, unpack, err);

		if (r < 0)
			return r;
	}
	return og_pci_load(&vmm->pci->bus, unpack, err);
}
