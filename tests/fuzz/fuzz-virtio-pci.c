/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entropy device behind a PCI bus. Each step is 12 bytes: what is accessed (its low 2 bits:
 * ports, configuration, BAR, let the device work; bit 2: write; bits 3 to 6: width), an offset u24
 * and a value u64.
 */
#include "replay.h"

#include "../unit/vmm/driver.h"
#include "vmm/device/event.h"
#include "vmm/device/virtio_pci.h"
#include "vmm/device/virtio_rng.h"

#define WINDOW	     0xc0000000ULL
#define WINDOW_BYTES 0x10000000ULL
#define DEVFN	     (2 * 8)

static void step(struct og_pci_bus *bus, struct og_virtio_pci *pci, const uint8_t *at)
{
	unsigned len = at[0] >> 3 & 15;
	bool write = (at[0] & 4) != 0;
	uint64_t value, gpa = pci->function.bars[0].gpa;
	uint32_t offset = 0;

	memcpy(&offset, at + 1, 3);
	memcpy(&value, at + 4, sizeof(value));
	if (len == 0 || len > 8)
		len = 4;
	switch (at[0] & 3) {
	case 0:
		og_pci_ports_access(bus, offset % OG_PCI_PORTS, &value, len, write);
		break;
	case 1:
		og_pci_ecam_access(bus, (DEVFN << 12 | offset) % OG_PCI_ECAM_BYTES, &value, len,
				   write);
		break;
	case 2:
		if (gpa == OG_PCI_NOWHERE)
			gpa = WINDOW;
		og_pci_window_access(bus, (gpa - WINDOW + offset % OG_VIRTIO_PCI_BAR_BYTES), &value,
				     len, write);
		break;
	default:
		og_virtio_work(pci->virtio);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct og_virtio_pci_host host = {};
	struct og_pci_bus bus;
	struct og_virtio_pci pci;
	struct og_virtio *rng;
	struct driver d;
	int fds[2] = { og_event_new(), og_event_new() };

	driver_init(&d, 16);
	if (og_virtio_rng_new(&(struct og_rng_config){}, &(struct og_device_world){ .mem = &d.mem },
			      &rng, NULL) < 0)
		abort();
	og_pci_bus_init(&bus, WINDOW, WINDOW_BYTES);
	og_virtio_pci_init(&pci, rng, fds, WINDOW, &host);
	og_pci_bus_add(&bus, DEVFN, &pci.function);
	for (; size >= 12; data += 12, size -= 12)
		step(&bus, &pci, data);
	(void)og_virtio_free(rng);
	driver_done(&d);
	og_close(fds[0]);
	og_close(fds[1]);
	return 0;
}
