/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/boot/dsdt.h"

#include "vmm/device/i8042.h"
#include "vmm/device/pci.h"
#include "vmm/device/power.h"
#include "vmm/device/serial.h"
#include "vmm/device/virtio_mmio.h"
#include "vmm/device/vmgenid.h"
#include "vmm/x86/layout.h"

#define NOTIFY_CHANGED 0x80

static void describe_serial(struct og_aml *aml)
{
	og_aml_open_device(aml, "COM1");
	og_aml_name(aml, "_HID");
	og_aml_eisa_id(aml, "PNP0501");
	og_aml_name(aml, "_UID");
	og_aml_integer(aml, 0);
	og_aml_name(aml, "_CRS");
	og_aml_open_resources(aml);
	og_aml_ports(aml, OG_SERIAL_PORT, OG_SERIAL_PORTS);
	og_aml_interrupt(aml, OG_SERIAL_GSI);
	og_aml_close_resources(aml);
	og_aml_close(aml);
}

static void describe_keyboard(struct og_aml *aml)
{
	og_aml_open_device(aml, "KBD_");
	og_aml_name(aml, "_HID");
	og_aml_eisa_id(aml, "PNP0303");
	og_aml_name(aml, "_CRS");
	og_aml_open_resources(aml);
	og_aml_ports(aml, OG_I8042_PORT, 1);
	og_aml_ports(aml, OG_I8042_PORT + OG_I8042_STATUS, 1);
	og_aml_interrupt(aml, OG_I8042_GSI);
	og_aml_close_resources(aml);
	og_aml_close(aml);
}

static void describe_virtio(struct og_aml *aml, unsigned index)
{
	char name[5] = { 'V', 'I', (char)('0' + index / 10), (char)('0' + index % 10) };

	og_aml_open_device(aml, name);
	og_aml_name(aml, "_HID");
	og_aml_string(aml, "LNRO0005");
	og_aml_name(aml, "_UID");
	og_aml_integer(aml, index);
	og_aml_name(aml, "_CCA");
	og_aml_integer(aml, 1);
	og_aml_name(aml, "_CRS");
	og_aml_open_resources(aml);
	og_aml_memory(aml, (uint32_t)(OG_VIRTIO_GPA + index * OG_VIRTIO_MMIO_BYTES),
		      OG_VIRTIO_MMIO_BYTES);
	og_aml_interrupt(aml, OG_VIRTIO_GSI + index);
	og_aml_close_resources(aml);
	og_aml_close(aml);
}

static void describe_off(struct og_aml *aml)
{
	og_aml_name(aml, "_S5_");
	og_aml_open_package(aml, 4);
	og_aml_integer(aml, OG_POWER_SLEEP_OFF);
	for (unsigned i = 0; i < 3; i++)
		og_aml_integer(aml, 0);
	og_aml_close(aml);
}

/* Which input of the I/O APIC each device pulls with its pin A (6.2.13). */
static void describe_pins(struct og_aml *aml)
{
	og_aml_name(aml, "_PRT");
	og_aml_open_package(aml, OG_PCI_DEVICES);
	for (uint32_t device = 0; device < OG_PCI_DEVICES; device++) {
		og_aml_open_package(aml, 4);
		og_aml_integer(aml, device << 16 | 0xffff);
		og_aml_integer(aml, 0);
		og_aml_integer(aml, 0);
		og_aml_integer(aml, OG_PCI_GSI(device));
		og_aml_close(aml);
	}
	og_aml_close(aml);
}

static void describe_bridge(struct og_aml *aml, const struct og_acpi *acpi)
{
	og_aml_open_device(aml, "PCI0");
	og_aml_name(aml, "_HID");
	og_aml_eisa_id(aml, "PNP0A08");
	og_aml_name(aml, "_CID");
	og_aml_eisa_id(aml, "PNP0A03");
	og_aml_name(aml, "_SEG");
	og_aml_integer(aml, 0);
	og_aml_name(aml, "_BBN");
	og_aml_integer(aml, 0);
	og_aml_name(aml, "_UID");
	og_aml_integer(aml, 0);
	og_aml_name(aml, "_CCA");
	og_aml_integer(aml, 1);
	og_aml_name(aml, "_CRS");
	og_aml_open_resources(aml);
	og_aml_bus_numbers(aml, 0, 0);
	og_aml_ports(aml, OG_PCI_PORT, OG_PCI_PORTS);
	og_aml_port_window(aml, 0, OG_PCI_PORT - 1);
	og_aml_port_window(aml, OG_PCI_PORT + OG_PCI_PORTS, 0xffff);
	if (acpi->pc)
		og_aml_memory_window(aml, (uint32_t)acpi->pci_gpa, (uint32_t)OG_PCI_PC_END - 1);
	else
		og_aml_memory_window(aml, (uint32_t)OG_PCI_WINDOW_GPA,
				     (uint32_t)(OG_PCI_WINDOW_GPA + OG_PCI_WINDOW_BYTES - 1));
	og_aml_close_resources(aml);
	describe_pins(aml);
	og_aml_close(aml);
}

/* The configuration space is nobody's to place something in: Linux wants to hear it twice. */
static void describe_board(struct og_aml *aml)
{
	og_aml_open_device(aml, "BORD");
	og_aml_name(aml, "_HID");
	og_aml_eisa_id(aml, "PNP0C02");
	og_aml_name(aml, "_CRS");
	og_aml_open_resources(aml);
	og_aml_memory(aml, (uint32_t)OG_PCI_ECAM_GPA, (uint32_t)OG_PCI_ECAM_BYTES);
	og_aml_close_resources(aml);
	og_aml_close(aml);
}

/* Linux and Windows look for it by its compatible ID; ADDR is the address in two halves. */
static void describe_generation(struct og_aml *aml)
{
	og_aml_open_device(aml, "VGEN");
	og_aml_name(aml, "_HID");
	og_aml_string(aml, "ONGG0001");
	og_aml_name(aml, "_CID");
	og_aml_string(aml, "VM_Gen_Counter");
	og_aml_name(aml, "_DDN");
	og_aml_string(aml, "VM_Gen_Counter");
	og_aml_name(aml, "ADDR");
	og_aml_open_package(aml, 2);
	og_aml_integer(aml, (uint32_t)OG_VMGENID_GPA);
	og_aml_integer(aml, 0);
	og_aml_close(aml);
	og_aml_close(aml);
}

/* The generic event device (5.6.9): an interrupt becomes a notification. */
static void describe_events(struct og_aml *aml)
{
	og_aml_open_device(aml, "GED_");
	og_aml_name(aml, "_HID");
	og_aml_string(aml, "ACPI0013");
	og_aml_name(aml, "_UID");
	og_aml_integer(aml, 0);
	og_aml_name(aml, "_CRS");
	og_aml_open_resources(aml);
	og_aml_interrupt(aml, OG_VMGENID_GSI);
	og_aml_close_resources(aml);
	og_aml_open_method(aml, "_EVT", 1);
	og_aml_open_if_argument(aml, OG_VMGENID_GSI);
	og_aml_notify(aml, "VGEN", NOTIFY_CHANGED);
	og_aml_close(aml);
	og_aml_close(aml);
	og_aml_close(aml);
}

void og_dsdt_describe(struct og_aml *aml, const struct og_acpi *acpi)
{
	describe_off(aml);
	og_aml_open_scope(aml, "\\_SB_");
	if (acpi->serial)
		describe_serial(aml);
	if (acpi->keyboard)
		describe_keyboard(aml);
	if (acpi->pci)
		describe_bridge(aml, acpi);
	if (acpi->pci && !acpi->pc)
		describe_board(aml);
	for (unsigned i = 0; !acpi->pci && i < acpi->virtio_devices; i++)
		describe_virtio(aml, i);
	if (acpi->generation) {
		describe_generation(aml);
		describe_events(aml);
	}
	og_aml_close(aml);
}
